"""smallpose zoo RUN… or TRUTH.json PREDICTIONS.json… --out DIR: a page that lists checkpoints."""

import argparse
from pathlib import Path

from smallpose.cli.options import add_category_option, add_names_option, add_option

HELP = "List checkpoints and result files with recipe, hash, metrics and environment."
EXAMPLE = "smallpose zoo runs/demo/A runs/demo/B --out zoo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `zoo`."""
    parser.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="TRUTH.json|PREDICTIONS.json|RUN",
        help="Folders that 'smallpose train' made; or COCO keypoint annotations followed by "
        "result files of any origin and folders of runs.",
    )
    add_option(
        parser, "--out", type=Path, required=True, metavar="DIR", help="Folder for the page."
    )
    add_names_option(parser)
    add_category_option(parser)


def run_command(args: argparse.Namespace) -> None:
    """Write the page and print its table and its name."""
    from smallpose.report.zoo import build_zoo_table, write_zoo
    from smallpose.system.progress import print_status

    entries = write_zoo(args.paths, args.out, names=args.name or (), category=args.category)
    print(build_zoo_table(entries).to_text())
    print_status(f"open {args.out / 'README.md'}")
