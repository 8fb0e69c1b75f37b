"""smallpose evaluate TRUTH.json PREDICTIONS.json: AP and AR by person size and keypoint density."""

import argparse
import json
import math
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallpose.cli.options import (
    DEMO_TRUTH,
    OptionGroup,
    add_category_option,
    add_json,
    add_option,
    add_seed,
    add_sigmas_option,
    add_swap_option,
    add_switch,
    add_unknown_images_option,
    parse_names,
)
from smallpose.cli.paths import find_predictions, find_truth
from smallpose.core.errors import InputError

if TYPE_CHECKING:
    from smallpose.core.instances import Instances
    from smallpose.core.predictions import Predictions
    from smallpose.evaluation.evaluate import Evaluation
    from smallpose.evaluation.measures.definition import Measure

# Parts of COCO-WholeBody, under xtcocotools' names.
PARTS = ("body", "foot", "face", "lefthand", "righthand", "wholebody")
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


def add_scoring_options(parser: OptionGroup, protocols: str, parts: Sequence[str] = ()) -> None:
    """Add the options that decide what a number means; `compare` has them, too.

    Args:
        parts: of COCO-WholeBody that --keypoints may name; with them there is --rules.
    """
    group = parser.add_argument_group("scoring")
    add_option(
        group,
        "--protocol",
        default=protocols,
        metavar="LIST",
        help="Protocols to score under: coco, owned, recall, or several with commas between.",
    )
    add_option(
        group,
        "--oks-area",
        choices=("file", "box", "0.53box"),
        default="file",
        help="Scale OKS by the field 'area' of the file, as pycocotools does (by width × height of "
        "the box for people who have none), by width × height of the box, or by 0.53 times that, "
        "as published CrowdPose and AI Challenger results do.",
    )
    add_option(
        group,
        "--size-area",
        choices=("box", "file"),
        default="box",
        help="Decide who is small, medium or large by width × height of the box or by the field "
        "'area' of the file.",
    )
    add_option(
        group,
        "--max-detections",
        type=int,
        default=20,
        metavar="N",
        help="Maximum detections per image under the coco protocol.",
    )
    add_option(
        group,
        "--keypoints",
        choices=("coco17", "all", *parts),
        metavar="coco17|all" + ("|PART" if parts else ""),
        default_text="those that the predictions have",
        help="Score COCO's 17 keypoints or all keypoints of the ground truth"
        + (f", or as xtcocotools a part of COCO-WholeBody: {', '.join(parts)}." if parts else "."),
    )
    if parts:
        add_option(
            group,
            "--rules",
            choices=("coco", "crowdpose"),
            default="coco",
            help="Score by CrowdPose's rules: 14 joints, 0.53 of the box as area, AP of easy, "
            "medium and hard images.",
        )
    add_sigmas_option(group)
    add_option(
        group,
        "--size-limits",
        metavar="S,M",
        default_text="12288,49152",
        help="Areas in px² below which a person is small and medium.",
    )
    add_option(
        group,
        "--density-joints",
        type=int,
        metavar="N",
        default_text="the number of joints that the source labels",
        help="Number of joints K in the keypoint density (Eq. 3) of every person.",
    )
    add_category_option(group)
    add_unknown_images_option(group)


def read_scoring_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the scoring options as keyword arguments of `smallpose.evaluate`."""
    from smallpose.evaluation.sigma_file import read_sigmas

    limits = {"size_limits": _parse_limits(args.size_limits)} if args.size_limits else {}
    return limits | {
        "protocols": parse_names(args.protocol),
        "oks_area": args.oks_area,
        "size_area": args.size_area,
        "max_detections": args.max_detections,
        "keypoints": args.keypoints,
        "sigmas": read_sigmas(args.sigmas) if args.sigmas else None,
        "density_joints": args.density_joints,
    }


def use_run_sigmas(options: dict[str, Any], truth: "Instances", paths: list[Path]) -> None:
    """Score with the sigmas that runs among the paths were trained with, where none are given."""
    if options["sigmas"] is None and any((path.parent / "model.json").is_file() for path in paths):
        from smallpose.evaluation.run_sigmas import find_run_sigmas

        options["sigmas"] = find_run_sigmas(truth, paths)


def _parse_limits(text: str) -> tuple[float, float]:
    """Parse two areas in px² with a comma between.

    Raises: InputError for anything else.
    """
    try:
        small, medium = (float(word) for word in text.split(","))
    except ValueError:
        raise InputError(
            f"--size-limits {text}", "is not two numbers", "write them as in 1024,9216"
        ) from None
    return small, medium


def run_command(args: argparse.Namespace) -> None:
    """Evaluate, write the files that were asked for and print the table, or the JSON."""
    from smallpose.evaluation.analysis.half_detected import find_half_detected_height
    from smallpose.evaluation.console_table import WIDTH
    from smallpose.evaluation.file_evaluator import evaluate_file
    from smallpose.io.coco_results import read_results
    from smallpose.system.files import write_atomically
    from smallpose.system.progress import print_written

    args.truth, args.predictions = find_truth(args.truth), find_predictions(args.predictions)
    options = read_scoring_options(args)
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
    truth, predictions, options = _read_by_rules(args, options)
    use_run_sigmas(options, truth, [args.predictions])
    if args.swap is not None:
        from smallpose.io.joint_pairs import set_pairs_of_people

        truth = set_pairs_of_people(truth, args.swap)
    measures = _parse_measures(args, truth)
    breakdowns: dict[str, tuple[Any, str]] = {}
    needs_predictions = bool(args.diagnose or args.breakdown or args.people or measures)
    needs_predictions |= args.video
    scored = evaluate_file(
        truth,
        args.predictions,
        keep_predictions=needs_predictions,
        keep_matching=args.slices is not None,
        predictions=predictions,
        unknown_images=args.unknown_images,
        intervals=args.intervals,
        seed=args.seed,
        **options,
    )
    result = scored.result

    def load_predictions() -> "Predictions":
        kept = scored.predictions
        if kept is not None:
            return kept
        return read_results(args.predictions, truth, unknown_images=args.unknown_images)

    if scored.is_whole or needs_predictions or scored.matching:
        predictions = load_predictions()
        if scored.is_whole:
            from smallpose.evaluation.ceiling.whole_pixels import add_whole_number_note

            result = add_whole_number_note(result, truth, predictions, **options)
        if args.people:
            from smallpose.evaluation.analysis.person_rows import list_person_rows, write_people

            scoring = {key: value for key, value in options.items() if key != "protocols"}
            rows = list_person_rows(truth, {_name_model(args.predictions): predictions}, **scoring)
            write_people(rows, args.people)
        if args.diagnose or args.breakdown:
            from smallpose.evaluation.analysis.breakdown_tables import build_breakdowns

            names = [*parse_names(args.breakdown), *(["diagnosis"] if args.diagnose else [])]
            breakdowns = build_breakdowns(
                names, truth, predictions, result, options, args.intervals, args.seed
            )
        if scored.matching:
            from smallpose.evaluation.slices.slice_tables import build_slices

            breakdowns["slices"] = build_slices(
                args.slices,
                parse_names(args.slice_by),
                scored.matching,
                result,
                num_resamples=args.intervals,
                seed=args.seed,
            )
        if measures:
            from smallpose.evaluation.measures.measure_tables import build_measure_section

            breakdowns["measures"] = build_measure_section(
                truth,
                predictions,
                measures,
                min_joint_score=args.min_joint_score,
                num_resamples=args.intervals,
                seed=args.seed,
                **options,
            )
        if args.video:
            from smallpose.evaluation.video.video_tables import build_video_section

            breakdowns["video"] = build_video_section(
                truth,
                predictions,
                (args.truth, args.predictions),
                min_score=args.min_track_score,
                num_resamples=args.intervals,
                seed=args.seed,
                **options,
            )
    if args.rules == "crowdpose":
        from smallpose.evaluation.analysis.crowdpose_rules import build_crowding_section

        breakdowns["crowdpose"] = build_crowding_section(truth, result)
    _write_tables(args, result)
    if args.figures:
        _draw_figures(args, truth, load_predictions(), result, options)
    if args.worst:
        _draw_worst_people(args, truth, load_predictions(), options)
    half = find_half_detected_height(result)
    everything = result.to_dict() | {"half_detected_px": half.to_dict()}
    everything |= {name: data for name, (data, _) in breakdowns.items()}
    text = json.dumps(everything, indent=1) + "\n"
    if args.json and args.json != "-":
        write_atomically(args.json, text)
    print_written(
        args.csv, args.markdown, args.latex, args.figures, args.people, args.worst, args.json
    )
    if args.json == "-":
        sys.stdout.write(text)
        return
    sections = [lines for _, lines in breakdowns.values()]
    # In frames without any label, AP and its heights are empty tables.
    if len(truth) or not args.video:
        last = textwrap.fill(f"{half.describe()}.", WIDTH, break_on_hyphens=False)
        sections = [str(result), *sections, last]
    print("\n\n".join(sections))


def _read_by_rules(
    args: argparse.Namespace, options: dict[str, Any]
) -> "tuple[Instances, Predictions | None, dict[str, Any]]":
    """Read the ground truth, and the results where the rules change them; return the options, too.

    Raises: InputError where the rules do not fit the files or each other.
    """
    from smallpose.io.coco_annotations import read_coco

    if args.keypoints in PARTS:
        for is_given, flag in ((args.video, "--video"), (args.rules != "coco", "--rules")):
            if is_given:
                raise InputError(
                    f"--keypoints {args.keypoints}", f"{flag} does not know parts", f"omit {flag}"
                )
        from smallpose.evaluation.part_files import read_part

        part = read_part(
            args.truth, args.predictions, args.keypoints, args.category, args.unknown_images
        )
        sigmas = part.sigmas if options["sigmas"] is None else options["sigmas"]
        return part.truth, part.predictions, options | {"keypoints": None, "sigmas": sigmas}
    truth = read_coco(args.truth, category=args.category)
    if args.rules == "coco":
        return truth, None, options
    from smallpose.evaluation.analysis.crowdpose_rules import (
        get_crowdpose_options,
        take_scored_poses,
    )
    from smallpose.io.coco_results import read_results

    options = get_crowdpose_options(truth, options)
    predictions = read_results(args.predictions, truth, unknown_images=args.unknown_images)
    return truth, take_scored_poses(predictions), options


def _parse_measures(args: argparse.Namespace, truth: "Instances") -> "tuple[Measure, ...]":
    """Return the measures of --measure; none where it is not given."""
    if args.measure is None:
        if args.min_joint_score:
            raise InputError(
                f"--min-joint-score {args.min_joint_score:g}",
                "it belongs to --measure",
                "add --measure angle:left_elbow, or leave it out",
            )
        return ()
    from smallpose.evaluation.measures.definition import check_min_joint_score, parse_measures

    check_min_joint_score(args.min_joint_score)
    return parse_measures(args.measure, truth.skeleton)


def _draw_worst_people(
    args: argparse.Namespace,
    truth: "Instances",
    predictions: "Predictions",
    options: dict[str, Any],
) -> None:
    from smallpose.system.packages import require_packages

    require_packages("evaluate --worst", "cv2", "PIL", "matplotlib")
    from smallpose.evaluation.analysis.person_matches import match_people
    from smallpose.report.images.encode import encode_image, open_image_reader
    from smallpose.report.images.sheet_drawing import draw_sheet
    from smallpose.report.images.worst_sheet import build_worst_sheet
    from smallpose.report.inputs.person_matching import RunPredictions
    from smallpose.system.files import write_atomically

    left_out = ("protocols", "max_detections")
    scoring = {key: value for key, value in options.items() if key not in left_out}
    matches = match_people(truth, predictions, None, **scoring)
    result = RunPredictions(_name_model(args.predictions), predictions, matches)
    sheet = build_worst_sheet(truth, result, open_image_reader(args.images))
    if not sheet.has_tiles:
        raise InputError(
            f"--images {args.images}",
            "has none of the images of the worst people",
            "give the folder that the file names of the ground truth are relative to",
        )
    write_atomically(args.worst / "worst.png", encode_image(draw_sheet(sheet), "png"))


def _name_model(path: Path) -> str:
    """Return the name of a result file, or of the run that it is in."""
    from smallpose.io.result_folders import get_result_name

    return get_result_name(path)


def _draw_figures(
    args: argparse.Namespace,
    truth: "Instances",
    predictions: "Predictions",
    result: "Evaluation",
    options: dict[str, Any],
) -> None:
    from smallpose.evaluation.analysis.binned_ap import (
        MAX_HEIGHT_RATIO,
        compute_binned_ap,
        measure_density,
        measure_height,
    )
    from smallpose.evaluation.ceiling.whole_pixels import compute_ceiling_bins
    from smallpose.report.figures.evaluation import save_figures

    options = {key: value for key, value in options.items() if key != "protocols"}
    sizes = {key: value for key, value in options.items() if key in ("size_area", "size_limits")}
    options |= {"num_resamples": args.intervals, "seed": args.seed}
    scales = {
        "density": measure_density(truth, args.density_joints, **sizes),
        "height": measure_height(truth),
    }
    curves, ceilings = {}, {}
    for name, values in scales.items():
        binning = options | {"max_ratio": MAX_HEIGHT_RATIO if name == "height" else None}
        curves[name] = compute_binned_ap(truth, predictions, values, **binning)
        ceilings[name] = compute_ceiling_bins(truth, predictions, values, **binning)
    save_figures(result, curves, args.figures, ceilings, _name_model(args.predictions))
    _draw_failure_figures(args, truth, predictions, result, options)


def _draw_failure_figures(
    args: argparse.Namespace,
    truth: "Instances",
    predictions: "Predictions",
    result: "Evaluation",
    options: dict[str, Any],
) -> None:
    from smallpose.evaluation.analysis.density_axes import break_down_by_density
    from smallpose.evaluation.analysis.joint_failures import judge_joints, tabulate_failures
    from smallpose.evaluation.analysis.score_quality import (
        list_precision_curves,
        measure_calibration,
    )
    from smallpose.report.figures.failures import save_failure_figures

    protocol = next(iter(result.protocols))
    scoring = {k: v for k, v in options.items() if k not in ("num_resamples", "seed")}
    save_failure_figures(
        tabulate_failures(judge_joints(truth, predictions, protocols=(protocol,), **scoring)),
        list_precision_curves(result),
        measure_calibration(truth, predictions, protocol=protocol, **scoring),
        break_down_by_density(truth, predictions, **options),
        args.figures,
        _name_model(args.predictions),
    )


def _write_tables(args: argparse.Namespace, result: "Evaluation") -> None:
    if not (args.csv or args.markdown or args.latex):
        return
    from smallpose.evaluation.csv_latex import format_csv, format_latex, format_markdown
    from smallpose.system.files import write_atomically

    for path, format_table in (
        (args.csv, format_csv),
        (args.markdown, format_markdown),
        (args.latex, format_latex),
    ):
        if path:
            write_atomically(path, format_table(result))
