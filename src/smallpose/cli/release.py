"""smallpose release SET --out DIR|FILE.zip: a built set without its pictures, to pass on."""

import argparse
from pathlib import Path

HELP = "a built set to pass on: annotations, index, card, Croissant, checksums; no pictures"
EXAMPLE = "smallpose release set --out smallpose-set.zip"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `release`."""
    parser.add_argument("set", type=Path, metavar="DIR", help="a set that build made")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR|FILE.zip",
        help="a folder to make, or one .zip file",
    )


def run_command(args: argparse.Namespace) -> None:
    """Release, and say what is in it."""
    from smallpose.dataset.release import write_release

    names = write_release(args.set, args.out)
    print(f"{args.out}: {', '.join(names)}")
    print("no pictures: they stay under their sources' terms, and index.csv says which they are")
