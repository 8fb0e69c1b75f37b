"""The options that decide what a number means, which `evaluate` and `compare` have."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallpose.cli.options import (
    OptionGroup,
    add_category_option,
    add_option,
    add_sigmas_option,
    add_unknown_images_option,
    parse_names,
)
from smallpose.core.errors import InputError

if TYPE_CHECKING:
    from smallpose.core.instances import Instances

# Parts of COCO-WholeBody, under xtcocotools' names.
PARTS = ("body", "foot", "face", "lefthand", "righthand", "wholebody")


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
