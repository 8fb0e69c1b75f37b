"""smallpose zoo RUN… --out DIR: finished runs to a page of checkpoints."""

import argparse
from pathlib import Path

HELP = "a page of checkpoints: recipe, weights' hash, metrics with intervals, environment"
EXAMPLE = "smallpose zoo runs/demo/A runs/demo/B --out zoo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `zoo`."""
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="folders that `smallpose train` made"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for the page")


def run_command(args: argparse.Namespace) -> None:
    """Read, write, print the table and the page's name."""
    from smallpose.report.tables.console import show
    from smallpose.report.zoo import build_zoo_table, write_zoo
    from smallpose.system.progress import print_status

    show(build_zoo_table(write_zoo(args.runs, args.out)))
    print_status(f"open {args.out / 'README.md'}")
