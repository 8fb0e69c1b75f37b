"""smallpose export DIR --to FORMAT --out DIR: a built set for other tools."""

import argparse
from pathlib import Path

HELP = "a built set for Ultralytics, Hugging Face, WebDataset, MMPose or FiftyOne"
EXAMPLE = "smallpose export set --to yolo --out set-yolo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `export`."""
    parser.add_argument("set", type=Path, metavar="DIR", help="a set that build made")
    parser.add_argument(
        "--to",
        required=True,
        choices=("yolo", "parquet", "webdataset", "mmpose", "fiftyone"),
        help="the format",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to make")
    parser.add_argument(
        "--images",
        choices=("link", "copy", "none"),
        help="pictures as links (yolo, fiftyone by default), as copies (webdataset), or not at all "
        "(parquet, mmpose)",
    )


def run(args: argparse.Namespace) -> None:
    """Export, and say what the format could not hold."""
    from smallpose.dataset.export import export_set

    written = export_set(args.set, args.to, args.out, args.images)
    head, *rest = written.lines()
    print(f"{head} in {args.out}")
    for line in rest:
        print(f"  {line}")
