"""smallpose report RUN… --out DIR: finished runs to tables, figures and one page."""

import argparse
from pathlib import Path

from smallpose.cli.options import parse_non_negative

HELP = "finished runs to one page, the paper's tables with ours beside them, and figures"
EXAMPLE = "smallpose report runs/demo/A runs/demo/B --out report"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `report`."""
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="folders that `smallpose train` made"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for the report")
    parser.add_argument(
        "--latency",
        type=parse_non_negative,
        default=0,
        metavar="N",
        help="also time each run on N images of the test set, on this machine (0: do not)",
    )


def run_command(args: argparse.Namespace) -> None:
    """Read, write, print the main table and the page's name."""
    from smallpose.report import make_report
    from smallpose.report.tables.console import show
    from smallpose.system.progress import print_status

    results = make_report(args.runs, args.out, args.latency)
    for table in results[:1]:
        show(table)
    print_status(f"open {args.out / 'index.html'}")
