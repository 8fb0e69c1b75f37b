"""smallpose build OUT --coco DIR …: one data set from published sources."""

import argparse
import sys
from pathlib import Path

from smallpose.cli.options import add_category_option, add_option, add_seed, add_switch, parse_names
from smallpose.core.errors import InputError

PACKAGES = ("cv2", "PIL", "scipy")
HELP = (
    "Build one data set of 21 keypoints from COCO, MPII, AI Challenger, HiEve and PoseTrack18, "
    "or from those of them that you have."
)
EXAMPLE = """\
smallpose build set --coco runs/demo/synthetic/coco \\
    --mpii runs/demo/synthetic/mpii"""
SOURCES = {
    "coco": ("COCO", "annotations/person_keypoints_{train,val}2017.json"),
    "mpii": ("MPII", "mpii_human_pose_v1_u12_1.mat"),
    "aic": ("AI Challenger", "keypoint_{train,validation}_…/"),
    "hieve": ("HiEve", "HIE20/"),
    "posetrack": ("PoseTrack18", "posetrack_data/annotations/{train,val}/"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `build`."""
    parser.add_argument("out", type=Path, metavar="OUT", help="Folder to create.")
    _add_source_options(parser.add_argument_group("sources"))
    _add_selection_options(parser.add_argument_group("splits, labels and leaks"))
    _add_image_options(parser.add_argument_group("images"))
    add_option(
        parser,
        "--workers",
        type=int,
        default=2,
        metavar="N",
        help="Number of threads that read image headers and videos.",
    )
    add_switch(parser, "--overwrite", help="Replace a set that was built into OUT before.")


def _add_source_options(group: argparse._ArgumentGroup) -> None:
    for name, (title, content) in SOURCES.items():
        add_option(
            group,
            f"--{name}",
            type=Path,
            metavar="DIR",
            default_text="left out",
            help=f"Folder of {title}, with {content}.",
        )
    add_option(
        group,
        "--source",
        action="append",
        default=[],
        default_text="none",
        metavar="NAME=DIR|FILE.py:READER",
        help="Custom source: an export of a labelling tool (docs/tools.md), or a Python function, "
        "whose file is run.",
    )
    add_option(
        group,
        "--map",
        action="append",
        default=[],
        default_text="names as they are",
        metavar="[NAME=]FILE",
        help="JSON file that maps the joint names of such a folder to ours.",
    )
    add_category_option(group, "of --source NAME=DIR")
    add_option(
        group,
        "--from-index",
        type=Path,
        metavar="FILE",
        default_text="images are selected",
        help="Rebuild the set that this index.json lists from your copies of its sources.",
    )
    add_option(
        group,
        "--accept",
        type=parse_names,
        default=(),
        default_text="none",
        metavar="coco,mpii,…",
        help="Accept the terms of these sources; needed for --images copy, and remembered.",
    )


def _add_selection_options(group: argparse._ArgumentGroup) -> None:
    add_seed(group, "the split and of the selection")
    add_option(
        group,
        "--select",
        choices=("paper", "all"),
        default="",
        default_text="all with --source alone, else paper",
        help="Select all images with a small person and others until the mix of sizes is the "
        "paper's, or select all images.",
    )
    add_option(
        group,
        "--hieve-step",
        type=int,
        default=20,
        metavar="N",
        help="Read every N-th frame of HiEve's videos.",
    )
    add_option(
        group,
        "--split",
        choices=("grouped", "paper"),
        default="grouped",
        help="Split MPII and HiEve 8 : 2 by videos, or image by image as the paper does.",
    )
    add_option(
        group,
        "--derive",
        type=parse_names,
        default=(),
        default_text="none",
        metavar="chest,pelvis",
        help="Where a source lacks these joints, place them midway between shoulders or hips and "
        "mark them as derived.",
    )
    add_option(
        group,
        "--leaks",
        choices=("report", "move", "off"),
        default="report",
        help="Report near-duplicates between train and test, move each pair to one side, or do "
        "not look for them.",
    )
    add_option(
        group,
        "--leaks-sheet",
        type=Path,
        metavar="FILE.png",
        default_text="not drawn",
        help="Draw the near-duplicates; the file must be outside the set.",
    )


def _add_image_options(group: argparse._ArgumentGroup) -> None:
    add_option(
        group,
        "--images",
        choices=("link", "copy", "none"),
        default="link",
        help="Link to your images, copy them, or leave them where they are.",
    )
    add_option(
        group,
        "--missing-images",
        choices=("refuse", "drop", "keep"),
        default="refuse",
        help="Stop when images are missing, drop them, or keep their labels.",
    )
    add_option(
        group,
        "--max-unreadable",
        type=parse_share,
        default=0.001,
        default_text="0.1%",
        metavar="SHARE",
        help="Maximum share of a source's images that may be unreadable and are left out.",
    )
    add_option(
        group,
        "--trust",
        choices=("file",),
        default_text="stop",
        help="Where an image has another size than its annotation says, trust the file.",
    )
    add_option(
        group,
        "--exif",
        choices=("apply",),
        default_text="labels refer to the stored pixels",
        help="Turn images that have an EXIF orientation as viewers show them, and write them into "
        "the set.",
    )


def parse_share(text: str) -> float:
    """Parse a share such as 0.1% or 0.001."""
    is_percent = text.rstrip().endswith("%")
    try:
        value = float(text.rstrip(" %")) / (100 if is_percent else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text}: is not a share; write 0.1% or 0.001")
    return value


def run_command(args: argparse.Namespace) -> None:
    """Read the sources, build the set and print how many images and people it has."""
    from smallpose.dataset.builder.build import build_dataset
    from smallpose.dataset.builder.manifest import is_synthetic
    from smallpose.dataset.docs.licence_terms import confirm_terms
    from smallpose.dataset.options import BuildOptions
    from smallpose.sources.custom import parse_custom_sources

    if args.leaks_sheet is not None and args.leaks == "off":
        raise InputError(
            "--leaks-sheet", "--leaks off does not look for leaks", "leave one of them out"
        )
    roots = {name: root for name in SOURCES if (root := getattr(args, name)) is not None}
    options = BuildOptions(
        seed=args.seed,
        split=args.split,
        images=args.images,
        missing_images=args.missing_images,
        max_unreadable=args.max_unreadable,
        trust_file=args.trust == "file",
        apply_exif=args.exif == "apply",
        workers=max(args.workers, 1),
        overwrite=args.overwrite,
        derive=args.derive,
        select=args.select,
        hieve_step=args.hieve_step,
        leaks=args.leaks,
    )
    # Synthetic sources have no publisher and no terms.
    published = [name for name, root in roots.items() if not is_synthetic(root)]
    confirm_terms(
        published,
        args.accept,
        copying=args.images == "copy",
        ask=_ask_user if sys.stdin.isatty() and sys.stderr.isatty() else None,
    )
    custom = parse_custom_sources(args.source, args.map, args.category)
    roots |= {name: root for name, (root, _) in custom.items()}
    readers = {name: reader for name, (_, reader) in custom.items()}
    build_dataset(roots, args.out, options, args.from_index, readers)
    if args.leaks_sheet is not None:
        _draw_leaks(args.out, args.leaks_sheet)
    # The first section of the data card is Table 1.
    card = (args.out / "README.md").read_text()
    print("## " + card.split("\n## ")[1].strip())
    print(f"\n{args.out}/README.md describes how the set was built")


def _ask_user(question: str) -> str:
    # On stderr, because stdout is for results.
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline()


def _draw_leaks(built: Path, target: Path) -> None:
    from smallpose.dataset.builder.leak_step import LEAKS_FILE
    from smallpose.report.images.leak_sheet import draw_leak_pairs
    from smallpose.system.progress import print_status

    if (built / LEAKS_FILE).is_file():
        draw_leak_pairs(built, target)
    else:
        print_status(f"{target} is not drawn: the index was made without looking for leaks")
