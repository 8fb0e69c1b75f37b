"""smallpose compare TRUTH.json PREDICTIONS_1.json PREDICTIONS_2.json…: paired differences."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallpose.cli.options import DEMO_TRUTH, add_json, add_names_option, add_option, add_seed
from smallpose.cli.scoring_options import (
    add_scoring_options,
    read_scoring_options,
    use_run_sigmas,
)
from smallpose.core.errors import InputError
from smallpose.io.result_paths import find_label_path, find_result_path

if TYPE_CHECKING:
    from smallpose.core.instances import Instances
    from smallpose.core.predictions import Predictions
    from smallpose.evaluation.difference.split import DifferenceSplit

HELP = "Compare results on the same images, with intervals and p-values of the differences."
EXAMPLE = f"""\
smallpose compare {DEMO_TRUTH} \\
    runs/demo/untrained/found.json runs/demo/B/found.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `compare`."""
    parser.add_argument("truth", type=Path, metavar="TRUTH.json", help="COCO keypoint annotations.")
    parser.add_argument(
        "predictions",
        type=Path,
        nargs="+",
        metavar="PREDICTIONS.json",
        help="Two or more results, COCO or of another tool; others are compared with the first.",
    )
    add_scoring_options(parser, protocols="coco,owned")
    add_option(
        parser,
        "--intervals",
        type=int,
        default=1000,
        metavar="N",
        help="Number of bootstrap resamples of images, or of videos, for 95 % intervals.",
    )
    add_seed(parser, "the bootstrap resamples")
    add_names_option(parser, "names of the files")
    gate = parser.add_argument_group("gate for continuous integration")
    add_option(
        gate,
        "--max-drop",
        default_text="no gate, exit code 0",
        metavar="METRIC=DROP[,…]",
        help="Exit with 5 if a result is worse than the first by more than this, as in AP_S=.01 or "
        "owned:AP=1%, and with 6 if that cannot be told on these images.",
    )
    add_option(
        gate,
        "--junit",
        type=Path,
        metavar="FILE",
        default_text="not written",
        help="Write the checks of --max-drop as JUnit XML.",
    )
    add_option(
        parser,
        "--figures",
        type=Path,
        metavar="DIR",
        default_text="not drawn",
        help="Draw AP by class and the share of people detected along height, result by result.",
    )
    add_json(parser, "all numbers")


def run_command(args: argparse.Namespace) -> int:
    """Print each number's difference from the first result, its interval and its p-value.

    Returns: the exit code: 0, or that of the gate.
    """
    from smallpose.core.table import wrap_text
    from smallpose.evaluation.analysis.common_joints import choose_common_joints
    from smallpose.evaluation.analysis.comparison import compare
    from smallpose.evaluation.analysis.gate import check_max_drop, parse_max_drops
    from smallpose.io.coco_annotations import read_coco
    from smallpose.io.coco_results import read_results
    from smallpose.io.frame_groups import group_listed_frames
    from smallpose.io.result_environment import read_environment
    from smallpose.system.files import write_atomically
    from smallpose.system.progress import print_written

    args.truth = find_label_path(args.truth)
    paths = [find_result_path(path) for path in args.predictions]
    if len(paths) < 2:
        raise InputError(
            "smallpose compare", "only one result file was given", "pass two or more result files"
        )
    options = read_scoring_options(args)
    conditions = (
        parse_max_drops(args.max_drop, options["protocols"]) if args.max_drop is not None else []
    )
    if args.junit and not conditions:
        raise InputError("--junit", "there is no gate to report", "add --max-drop, as in AP_S=.01")
    names = _name_results(paths, args.name or ())
    truth = group_listed_frames(read_coco(args.truth, category=args.category), paths)
    use_run_sigmas(options, truth, paths)
    predictions = {
        name: read_results(path, truth, unknown_images=args.unknown_images)
        for name, path in zip(names, paths, strict=True)
    }
    environments = {name: read_environment(path) for name, path in zip(names, paths, strict=True)}
    result = compare(
        truth,
        predictions,
        num_resamples=args.intervals,
        seed=args.seed,
        environments=environments,
        **options,
    )
    gate = check_max_drop(result, conditions) if conditions else None
    if gate and args.junit:
        write_atomically(args.junit, gate.to_junit())
        print_written(args.junit)
    if args.figures:
        from smallpose.report.comparison_figures import save_comparison_figures

        by_name = dict(zip(names, paths, strict=True))
        common = choose_common_joints(predictions, options["keypoints"])
        scoring = {k: v for k, v in options.items() if k not in ("protocols", "max_detections")}
        scoring["keypoints"] = common.keypoints
        save_comparison_figures(
            result, truth, dict(common.predictions), by_name, args.figures, **scoring
        )
        print_written(args.figures)
    splits = _split_differences(truth, predictions, args, options)
    content = result.to_dict() | {"parts": [split.to_dict() for split in splits]}
    content |= {"gate": gate.to_dict()} if gate else {}
    text = json.dumps(content, indent=1) + "\n"
    if args.json == "-":
        sys.stdout.write(text)
    else:
        if args.json:
            write_atomically(args.json, text)
            print_written(args.json)
        print(wrap_text("\n\n".join(map(str, (result.format_tables(), *splits)))))
        print(wrap_text("\n" + "\n".join(f"{verdict}." for verdict in result.verdicts.values())))
    if gate is None:
        return 0
    # With the JSON on stdout, people read the verdict on stderr.
    print(f"\n{gate}" if args.json != "-" else gate, file=sys.stderr if args.json == "-" else None)
    return gate.exit_code


def _name_results(paths: Sequence[Path], given: Sequence[str]) -> list[str]:
    """Return the name of each result: as given, its file's or run's, or its path where two agree.

    Raises: InputError for a file that is given twice, and for names that cannot be used.
    """
    from smallpose.io.result_folders import get_result_name

    if len(set(paths)) < len(paths):
        raise InputError(
            "smallpose compare", "the same result file was given twice", "pass each file once"
        )
    if given:
        from smallpose.report.inputs.arguments import check_names

        return list(check_names(paths, given))
    stems = [get_result_name(path) for path in paths]
    return [
        str(path) if stems.count(stem) > 1 else stem
        for path, stem in zip(paths, stems, strict=True)
    ]


def _split_differences(
    truth: "Instances",
    predictions: dict[str, "Predictions"],
    args: argparse.Namespace,
    options: dict[str, Any],
) -> list["DifferenceSplit"]:
    """Split each difference from the first result under the first protocol that has precision."""
    from smallpose.evaluation.analysis.common_joints import choose_common_joints
    from smallpose.evaluation.difference.split import split_difference

    protocol = next((one for one in options["protocols"] if one != "recall"), None)
    if protocol is None:
        return []
    # On the joints that all have, as the comparison, and not only the two.
    common = choose_common_joints(predictions, options["keypoints"])
    scoring = {key: value for key, value in options.items() if key != "protocols"}
    scoring["keypoints"] = common.keypoints
    base, *others = predictions
    return [
        split_difference(
            truth,
            {name: common.predictions[name] for name in (base, other)},
            protocol=protocol,
            num_resamples=args.intervals,
            seed=args.seed,
            **scoring,
        )
        for other in others
    ]
