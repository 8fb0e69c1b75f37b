"""smallpose compare TRUTH.json PREDICTIONS_1.json PREDICTIONS_2.json…: paired differences."""

import argparse
import sys
from collections import Counter
from pathlib import Path

from smallpose.cli.evaluate import add_scoring_options, read_scoring_options
from smallpose.cli.options import DEMO_TRUTH, add_json, add_option, add_seed
from smallpose.core.errors import InputError

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
        help="Two or more files of COCO keypoint results; the others are compared with the first.",
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
    add_json(parser, "all numbers")


def run_command(args: argparse.Namespace) -> None:
    """Print each number's difference from the first result, its interval and its p-value."""
    from smallpose.core.table import wrap_text
    from smallpose.evaluation.analysis.comparison import compare
    from smallpose.io.coco_annotations import read_coco
    from smallpose.io.coco_results import read_results
    from smallpose.io.result_environment import read_environment
    from smallpose.system.files import write_atomically
    from smallpose.system.progress import print_written

    paths = args.predictions
    if len(paths) < 2:
        raise InputError(
            "smallpose compare", "only one result file was given", "pass two or more result files"
        )
    truth = read_coco(args.truth, category=args.category)
    stems = Counter(path.stem for path in paths)
    names = [str(path) if stems[path.stem] > 1 else path.stem for path in paths]
    if len(set(names)) < len(names):
        raise InputError(
            "smallpose compare", "the same result file was given twice", "pass each file once"
        )
    predictions = {name: read_results(path, truth) for name, path in zip(names, paths, strict=True)}
    options = read_scoring_options(args)
    environments = {name: read_environment(path) for name, path in zip(names, paths, strict=True)}
    result = compare(
        truth,
        predictions,
        num_resamples=args.intervals,
        seed=args.seed,
        environments=environments,
        **options,
    )
    if args.json == "-":
        sys.stdout.write(result.to_json())
        return
    if args.json:
        write_atomically(args.json, result.to_json())
        print_written(args.json)
    print(wrap_text(str(result)))
