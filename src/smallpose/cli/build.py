"""smallpose build OUT --coco DIR …: published sources to one data set."""

import argparse
import sys
from pathlib import Path

from smallpose.cli.options import parse_non_negative
from smallpose.core.errors import InputError

HELP = "COCO, MPII, AI Challenger, HiEve and PoseTrack18 become one data set of 21 keypoints"
EXAMPLE = "smallpose build set --coco coco --mpii mpii --missing-images drop"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `build`."""
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder to make")
    for name, holds in (
        ("coco", "annotations/person_keypoints_{train,val}2017.json"),
        ("mpii", "mpii_human_pose_v1_u12_1.mat"),
        ("aic", "keypoint_{train,validation}_…/"),
        ("hieve", "HIE20/"),
        ("posetrack", "posetrack_data/annotations/{train,val}/"),
    ):
        parser.add_argument(f"--{name}", type=Path, metavar="DIR", help=f"folder with {holds}")
    parser.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="NAME=DIR|FILE.py:READER",
        help="a source of your own: COCO files in a folder, or a function of yours, which is run",
    )
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="[NAME=]FILE",
        help="JSON of the joint names of such a folder to names of the 21",
    )
    parser.add_argument("--seed", type=parse_non_negative, default=0, help="of the split and the draw (0)")
    parser.add_argument(
        "--split",
        choices=("grouped", "paper"),
        default="grouped",
        help="MPII and HiEve 8 : 2 by whole videos, or image by image as in the paper",
    )
    parser.add_argument(
        "--images",
        choices=("link", "copy", "none"),
        default="link",
        help="pictures as links to yours (default), as copies, or not at all",
    )
    parser.add_argument(
        "--missing-images",
        choices=("refuse", "drop", "keep"),
        default="refuse",
        help="stop when pictures are missing (default), leave them out, or keep their labels",
    )
    parser.add_argument(
        "--max-unreadable",
        type=_share,
        default=0.001,
        metavar="SHARE",
        help="leave out unreadable pictures up to this share of a source, then stop (0.1%%)",
    )
    parser.add_argument(
        "--trust",
        choices=("file",),
        help="where a picture's size differs from its annotation's, believe the picture's file",
    )
    parser.add_argument(
        "--leaks",
        choices=("report", "move", "off"),
        default="report",
        help="look for near-duplicates between train and test and report them (default), put each "
        "on one side, or do not look",
    )
    parser.add_argument(
        "--leaks-sheet",
        type=Path,
        metavar="FILE.png",
        help="draw the pairs found; outside the set, because the pictures are the sources'",
    )
    parser.add_argument(
        "--derive",
        type=lambda text: tuple(text.split(",")),
        default=(),
        metavar="chest,pelvis",
        help="put these in the middle of shoulders or hips where a source lacks them, marked",
    )
    parser.add_argument(
        "--accept",
        type=lambda text: tuple(text.split(",")),
        default=(),
        metavar="coco,mpii,…",
        help="accept these sources' terms; remembered, and needed for --images copy",
    )
    parser.add_argument(
        "--from-index",
        type=Path,
        metavar="FILE",
        help="make the set of this index.json again from your own copies of its sources",
    )
    parser.add_argument("--workers", type=int, default=2, help="threads for headers and videos (2)")
    parser.add_argument("--overwrite", action="store_true", help="replace a set built before")


def _ask(question: str) -> str:
    """On stderr, for stdout is for results."""
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline()


def _share(text: str) -> float:
    """0.1% or 0.001."""
    value = float(text.rstrip(" %")) / (100 if text.rstrip().endswith("%") else 1)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no share, such as 0.1% or 0.001")
    return value


def run_command(args: argparse.Namespace) -> None:
    """Read, build, say what came out."""
    from smallpose.dataset.builder.build import build_dataset
    from smallpose.dataset.builder.manifest import is_synthetic
    from smallpose.dataset.docs.licence_terms import confirm_terms
    from smallpose.dataset.options import BuildOptions
    from smallpose.sources.custom import parse_custom_sources

    if args.leaks_sheet is not None and args.leaks == "off":
        raise InputError("--leaks-sheet", "with --leaks off nobody looks", "leave one of them out")
    names = ("coco", "mpii", "aic", "hieve", "posetrack")
    roots = {n: getattr(args, n) for n in names if getattr(args, n) is not None}
    options = BuildOptions(
        seed=args.seed,
        split=args.split,
        images=args.images,
        missing_images=args.missing_images,
        max_unreadable=args.max_unreadable,
        trust_file=args.trust == "file",
        workers=max(args.workers, 1),
        overwrite=args.overwrite,
        derive=args.derive,
        leaks=args.leaks,
    )
    # Worlds drawn by a program have no publisher.
    published = [n for n, root in roots.items() if not is_synthetic(root)]
    confirm_terms(
        published,
        args.accept,
        copying=args.images == "copy",
        ask=_ask if sys.stdin.isatty() and sys.stderr.isatty() else None,
    )
    own = parse_custom_sources(args.source, args.map)
    roots |= {name: root for name, (root, _) in own.items()}
    readers = {name: reader for name, (_, reader) in own.items()}
    build_dataset(roots, args.out, options, args.from_index, readers)
    if args.leaks_sheet is not None:
        _draw_leaks(args.out, args.leaks_sheet)
    card = (args.out / "README.md").read_text()
    print(card[card.index("## How many") :].split("## Where from")[0].strip())
    print(f"\n{args.out}/README.md says how it was made")


def _draw_leaks(built: Path, target: Path) -> None:
    from smallpose.dataset.builder.leak_step import LEAKS_FILE
    from smallpose.report.images.leak_sheet import draw_leak_pairs
    from smallpose.system.progress import print_status

    if (built / LEAKS_FILE).is_file():
        draw_leak_pairs(built, target)
    else:
        print_status(f"{target} is not drawn: nobody looked for leaks when the index was made")
