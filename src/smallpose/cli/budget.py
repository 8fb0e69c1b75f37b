"""smallpose budget TRUTH.json PREDICTIONS.json: the pixel height that meets a tolerance."""

import argparse
import sys
from pathlib import Path
from typing import Any

from smallpose.cli.options import (
    DEMO_TRUTH,
    add_category_option,
    add_json,
    add_option,
    add_seed,
    add_sigmas_option,
    add_unknown_images_option,
    parse_names,
)
from smallpose.cli.scoring_options import use_run_sigmas
from smallpose.io.result_paths import find_label_path, find_result_path

HELP = (
    "Compute how many pixels high a person must be for a joint to lie within a tolerance, from "
    "results on your own images; or say why this cannot be said."
)
EXAMPLE = f"""\
smallpose budget {DEMO_TRUTH} \\
    runs/demo/predictions_B.json \\
    --joint left_wrist --within 10%torso --target 0.8"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `budget`."""
    parser.add_argument("truth", type=Path, metavar="TRUTH.json", help="COCO keypoint annotations.")
    parser.add_argument(
        "predictions",
        type=Path,
        metavar="PREDICTIONS.json",
        help="COCO keypoint results, or the file or folder of another tool (docs/evaluate.md).",
    )
    add_option(
        parser,
        "--joint",
        type=parse_names,
        required=True,
        metavar="NAME[,NAME]",
        help="Joints that must lie within the tolerance, each on its own.",
    )
    add_option(
        parser,
        "--within",
        required=True,
        metavar="TOLERANCE",
        help="Tolerance: a share of the torso, head or box height (10%torso, 50%head, 5%height) or "
        "pixels.",
    )
    add_option(
        parser,
        "--target",
        type=float,
        default=0.8,
        metavar="SHARE",
        help="Share of people whose joint must lie within the tolerance.",
    )
    add_option(
        parser,
        "--lens",
        default="",
        default_text="none, pixels only",
        metavar="LENS",
        help="Horizontal field of view and image width, such as 70deg/1920px, or focal length, "
        "sensor width and image width, such as 4.2mm/6.4mm/4000px, to express heights as distances "
        "in metres.",
    )
    add_option(
        parser,
        "--stature",
        type=float,
        default=1.7,
        metavar="M",
        help="Height of a person in metres, for --lens.",
    )
    add_option(
        parser,
        "--redraws",
        type=int,
        default=300,
        metavar="N",
        help="Number of bootstrap resamples of images, or of videos, for the confidence.",
    )
    add_option(
        parser,
        "--oks-area",
        choices=("file", "box", "0.53box"),
        default="file",
        help="Scale OKS by this area when predictions are matched with people.",
    )
    add_sigmas_option(parser)
    add_category_option(parser)
    add_unknown_images_option(parser)
    add_seed(parser, "the bootstrap resamples")
    add_json(parser, "all numbers")


def run_command(args: argparse.Namespace) -> None:
    """Print the height for each joint, or why none is given, and write the JSON."""
    from smallpose.evaluation.budget.budget_report import compute_budgets
    from smallpose.evaluation.budget.tolerance import parse_lens
    from smallpose.evaluation.sigma_file import read_sigmas
    from smallpose.io.coco_annotations import read_coco
    from smallpose.io.coco_results import read_results
    from smallpose.io.frame_groups import group_listed_frames
    from smallpose.system.files import write_atomically

    lens = parse_lens(args.lens, args.stature) if args.lens else None
    path = find_result_path(args.predictions)
    truth = group_listed_frames(
        read_coco(find_label_path(args.truth), category=args.category), [path]
    )
    options: dict[str, Any] = {"sigmas": read_sigmas(args.sigmas) if args.sigmas else None}
    use_run_sigmas(options, truth, [path])
    report = compute_budgets(
        truth,
        read_results(path, truth, unknown_images=args.unknown_images),
        args.joint,
        within=args.within,
        target=args.target,
        lens=lens,
        num_resamples=args.redraws,
        seed=args.seed,
        oks_area=args.oks_area,
        **options,
    )
    if args.json == "-":
        sys.stdout.write(report.to_json())
        return
    if args.json:
        write_atomically(args.json, report.to_json())
    print(report)
