"""smallpose report RUN… --out DIR: tables, figures and one page of finished runs."""

import argparse
from pathlib import Path

from smallpose.cli.options import add_option, parse_non_negative

HELP = "Turn finished runs into one page, the paper's tables with yours beside them, and figures."
EXAMPLE = "smallpose report runs/demo/A runs/demo/B --out report"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `report`."""
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="Folders that 'smallpose train' made."
    )
    add_option(
        parser, "--out", type=Path, required=True, metavar="DIR", help="Folder for the report."
    )
    add_option(
        parser,
        "--latency",
        type=parse_non_negative,
        default=0,
        default_text="0, not timed",
        metavar="N",
        help="Number of test images on which each run is timed on this machine.",
    )


def run_command(args: argparse.Namespace) -> None:
    """Write the report and print its main table and its name."""
    from smallpose.report import make_report
    from smallpose.system.progress import print_status

    main_table, *_ = make_report(args.runs, args.out, args.latency)
    print(main_table.to_text())
    print_status(f"open {args.out / 'index.html'}")
