"""smallpose release SET --out DIR|FILE.zip: a built set without its images, to pass it on."""

import argparse
from pathlib import Path

from smallpose.cli.options import DEMO_SET, add_option

PACKAGES = ("cv2",)
HELP = "Pack a built set without its images: annotations, index, data card and checksums."
EXAMPLE = f"smallpose release {DEMO_SET} --out smallpose-set.zip"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `release`."""
    parser.add_argument("set", type=Path, metavar="SET", help="Folder that 'smallpose build' made.")
    add_option(
        parser,
        "--out",
        type=Path,
        required=True,
        metavar="DIR|FILE.zip",
        help="Folder or .zip file to create.",
    )


def run_command(args: argparse.Namespace) -> None:
    """Write the release and print what it contains."""
    from smallpose.core.table import wrap_text
    from smallpose.dataset.release import write_release

    names = write_release(args.set, args.out)
    print(wrap_text(f"{args.out}: {', '.join(names)}"))
    print("It has no images: they stay under their sources' terms; index.csv lists them.")
