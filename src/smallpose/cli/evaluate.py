"""smallpose evaluate TRUTH.json PREDICTIONS.json: AP and AR by person size and keypoint density."""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from smallpose.cli.evaluate_figures import draw_figures, draw_worst_people
from smallpose.cli.options import (
    DEMO_TRUTH,
    add_json,
    add_option,
    add_seed,
    add_swap_option,
    add_switch,
)
from smallpose.cli.scoring_options import PARTS, add_scoring_options
from smallpose.core.errors import InputError
from smallpose.io.result_paths import find_label_path, find_result_path

if TYPE_CHECKING:
    from smallpose.cli.evaluate_sections import Section
    from smallpose.core.instances import Instances
    from smallpose.core.predictions import Predictions
    from smallpose.evaluation.evaluate import Evaluation

HELP = "Compute AP and AR of pose results by person size and keypoint density."
EXAMPLE = f"""\
smallpose evaluate {DEMO_TRUTH} \\
    runs/demo/predictions_B.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `evaluate`."""
    parser.add_argument("truth", type=Path, metavar="TRUTH.json", help="COCO keypoint annotations.")
    parser.add_argument(
        "predictions",
        type=Path,
        metavar="PREDICTIONS.json",
        help="COCO keypoint results, or the file or folder of another tool (docs/evaluate.md).",
    )
    add_scoring_options(parser, protocols="coco,owned,recall", parts=PARTS)
    more = parser.add_argument_group("intervals and breakdowns")
    add_option(
        more,
        "--intervals",
        type=int,
        default=0,
        default_text="0, no intervals; 1000 is a good choice",
        metavar="N",
        help="Number of bootstrap resamples of images, or of videos, for 95 % intervals.",
    )
    add_seed(more, "the bootstrap resamples")
    add_switch(
        more,
        "--diagnose",
        help="Print how much AP each kind of error costs, under the first protocol of --protocol.",
    )
    add_swap_option(more)
    add_option(
        more,
        "--breakdown",
        default="",
        default_text="none",
        metavar="LIST",
        help="Print the numbers by any of source, crowding, joint, visibility, density, height, "
        "image, densities (of all sizes), failures (which joints fail first), calibration (of "
        "scores) and curves (precision and recall).",
    )
    add_option(
        more,
        "--slices",
        type=Path,
        metavar="FILE.csv",
        default_text="none",
        help="Print the numbers by each column of a table with a row per image (image_id or "
        "file_name) or per person (annotation_id).",
    )
    add_option(
        more,
        "--slice-by",
        default="",
        default_text="every column on its own",
        metavar="LIST",
        help="Slice by these columns of --slices, crossed where * is between them, as in "
        "weather,weather*light.",
    )
    add_option(
        more,
        "--measure",
        metavar="LIST",
        default_text="none",
        help="Compare angles, tilts and lengths with the labels, such as angle:left_elbow, "
        "tilt:trunk, length:left_thigh, or by joints: length:nose/left_ankle.",
    )
    add_option(
        more,
        "--min-joint-score",
        type=float,
        default=0.0,
        metavar="SCORE",
        help="Count only predicted joints above this score in --measure.",
    )
    add_switch(
        more,
        "--video",
        help="Evaluate videos: steadiness by size, identity (HOTA), PoseTrack's AP and MOTA.",
    )
    add_option(
        more,
        "--min-track-score",
        type=float,
        default_text="all count",
        metavar="SCORE",
        help="Count only detections above this score in --video.",
    )
    files = parser.add_argument_group("output files")
    for flag, kind in (("csv", "CSV"), ("markdown", "Markdown"), ("latex", "LaTeX")):
        text = f"Write the table as {kind}."
        add_option(files, f"--{flag}", metavar="FILE", default_text="not written", help=text)
    add_option(
        files,
        "--people",
        type=Path,
        metavar="FILE",
        default_text="not written",
        help="Write one row per person as .csv or .parquet: size, density, crowding, match, OKS, "
        "errors.",
    )
    add_option(
        files,
        "--figures",
        type=Path,
        metavar="DIR",
        default_text="not drawn",
        help="Draw AP by class, along density and height, failing joints, precision, calibration.",
    )
    add_option(
        files,
        "--worst",
        type=Path,
        metavar="DIR",
        default_text="not drawn",
        help="Draw the people with the lowest OKS, with their names, into DIR/worst.png; needs "
        "--images.",
    )
    add_option(
        files,
        "--images",
        type=Path,
        metavar="DIR",
        default_text="not read",
        help="Folder of the images, for --worst.",
    )
    add_json(files, "all numbers")


def run_command(args: argparse.Namespace) -> None:
    """Evaluate, write the files that were asked for and print the table, or the JSON."""
    from smallpose.io.annotation_scan import ScanAhead
    from smallpose.system.memory import exempt_imports
    from smallpose.system.threads import import_numpy_single_threaded

    args.truth = find_label_path(args.truth, allow_frames=args.video)
    args.predictions = find_result_path(args.predictions)
    _check_arguments(args)
    is_packed = _is_plain(args) and args.keypoints not in PARTS
    ahead = ScanAhead.begin(args.truth) if is_packed else None
    with exempt_imports():  # searching them for garbage takes a sixth of a small evaluation
        import_numpy_single_threaded()
        from smallpose.cli.evaluate_inputs import read_inputs
        from smallpose.evaluation.file_evaluator import Reading, evaluate_file
        from smallpose.io.coco_results import read_results
        from smallpose.system.progress import print_written

    inputs = read_inputs(args, ahead, _is_plain(args))
    needs_predictions = bool(args.diagnose or args.breakdown or args.people or inputs.measures)
    needs_predictions |= args.video
    scored = evaluate_file(
        inputs.truth,
        args.predictions,
        Reading(
            keep_predictions=needs_predictions,
            keep_matching=args.slices is not None,
            predictions=inputs.predictions,
            unknown_images=args.unknown_images,
            release_labels=is_packed,
        ),
        intervals=args.intervals,
        seed=args.seed,
        **inputs.options,
    )
    result = scored.result

    def load_predictions() -> "Predictions":
        if scored.predictions is not None:
            return scored.predictions
        return read_results(args.predictions, inputs.truth, unknown_images=args.unknown_images)

    sections: dict[str, Section] = {}
    if scored.is_whole or needs_predictions or scored.matching:
        predictions = load_predictions()
        if scored.is_whole:
            from smallpose.evaluation.ceiling.whole_pixels import add_whole_number_note

            result = add_whole_number_note(result, inputs.truth, predictions, **inputs.options)
        from smallpose.cli.evaluate_sections import build_sections

        sections = build_sections(args, inputs, predictions, result, scored.matching)
    if args.rules == "crowdpose":
        from smallpose.evaluation.analysis.crowdpose_rules import build_crowding_section

        sections["crowdpose"] = build_crowding_section(inputs.truth, result)
    if args.csv or args.markdown or args.latex:
        from smallpose.cli.evaluate_sections import write_tables

        write_tables(args, result)
    if args.figures:
        draw_figures(args, inputs.truth, load_predictions(), result, inputs.options)
    if args.worst:
        draw_worst_people(args, inputs.truth, load_predictions(), inputs.options)
    text = _format_output(args, inputs.truth, result, sections)
    print_written(
        args.csv, args.markdown, args.latex, args.figures, args.people, args.worst, args.json
    )
    sys.stdout.write(text)


def _check_arguments(args: argparse.Namespace) -> None:
    """Refuse options that do not go together."""
    if args.worst and not args.images:
        raise InputError(f"--worst {args.worst}", "the images are not given", "add --images DIR")
    if args.min_track_score is not None and not args.video:
        raise InputError(
            f"--min-track-score {args.min_track_score:g}", "it belongs to --video", "add --video"
        )
    if args.min_track_score is not None and not math.isfinite(args.min_track_score):
        raise InputError(f"--min-track-score {args.min_track_score:g}", "no number", "use 0.3")
    if args.slice_by and not args.slices:
        raise InputError(
            f"--slice-by {args.slice_by}", "there is no table to slice by", "add --slices FILE.csv"
        )
    if args.people:
        from smallpose.evaluation.analysis.person_rows import check_people_path

        check_people_path(args.people)


def _format_output(
    args: argparse.Namespace,
    truth: "Instances",
    result: "Evaluation",
    sections: "dict[str, Section]",
) -> str:
    """Write the JSON where it goes to a file; return what goes to stdout."""
    # Imported here, because the scan of the labels begins before what the rest needs is imported.
    from dataclasses import replace

    from smallpose.system.files import write_atomically

    half = replace(result.half_detected, has_breakdown="height" in sections)
    content = result.to_dict() | {"half_detected_px": half.to_dict()}
    content |= {name: data for name, (data, _) in sections.items()}
    text = json.dumps(content, indent=1) + "\n"
    if args.json == "-":
        return text
    if args.json:
        write_atomically(args.json, text)
    # Imported here, because JSON needs no tables and should be there fast.
    from smallpose.evaluation.console_table import fill_text

    blocks = [lines for _, lines in sections.values()]
    # In frames without any label, AP and its heights are empty tables.
    if len(truth) or not args.video:
        blocks = [result.format_tables(), *blocks, fill_text(f"{half.describe()}.")]
    return "\n\n".join(blocks) + "\n"


def _is_plain(args: argparse.Namespace) -> bool:
    """Return whether only metrics are asked for, which need no table of keypoints."""
    others = (args.diagnose, args.breakdown, args.people, args.measure, args.video, args.slices)
    files = (args.figures, args.worst)
    return args.rules == "coco" and args.swap is None and not any((*others, *files))
