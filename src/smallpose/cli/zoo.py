"""smallpose zoo RUN… --out DIR: a page that lists the checkpoints of finished runs."""

import argparse
from pathlib import Path

from smallpose.cli.options import add_option

HELP = "List checkpoints with recipe, hash of the weights, metrics and environment."
EXAMPLE = "smallpose zoo runs/demo/A runs/demo/B --out zoo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `zoo`."""
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="Folders that 'smallpose train' made."
    )
    add_option(
        parser, "--out", type=Path, required=True, metavar="DIR", help="Folder for the page."
    )


def run_command(args: argparse.Namespace) -> None:
    """Write the page and print its table and its name."""
    from smallpose.report.zoo import build_zoo_table, write_zoo
    from smallpose.system.progress import print_status

    print(build_zoo_table(write_zoo(args.runs, args.out)).to_text())
    print_status(f"open {args.out / 'README.md'}")
