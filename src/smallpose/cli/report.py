"""smallpose report RUN… or TRUTH.json PREDICTIONS.json… --out DIR: tables, figures and one page."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from smallpose.cli.options import (
    add_category_option,
    add_names_option,
    add_option,
    add_sigmas_option,
    add_switch,
    add_unknown_images_option,
    parse_non_negative,
)
from smallpose.cli.paths import find_predictions_in
from smallpose.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smallpose.core.table import Table

HELP = "Turn result files, or finished runs, into one page with tables, figures and people."
EXAMPLE = """\
smallpose report runs/demo/set/annotations/test.json \\
    runs/demo/predictions_B.json --images runs/demo/set/images --out report"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `report`."""
    parser.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="TRUTH.json|PREDICTIONS.json|RUN",
        help="COCO keypoint annotations followed by up to 20 result files of any origin and "
        "folders of runs, or folders that 'smallpose train' made alone; folders of "
        "'smallpose resolution' add its curves.",
    )
    add_option(
        parser, "--out", type=Path, required=True, metavar="DIR", help="Folder for the report."
    )
    add_option(
        parser,
        "--images",
        type=Path,
        metavar="DIR",
        default_text="those of the built set, else people are drawn without their image",
        help="Folder that the file names in the ground truth start from.",
    )
    add_names_option(parser)
    add_option(
        parser,
        "--latency",
        type=parse_non_negative,
        default=0,
        default_text="0, not timed",
        metavar="N",
        help="Number of test images on which each run is timed on this machine.",
    )
    add_switch(
        parser,
        "--cost",
        help="Measure ms and MB an image of each run's method on this machine, over numbers of "
        "people and sizes of images, and show them against AP_S; 10 s to minutes a method.",
    )
    add_option(
        parser,
        "--cost-file",
        type=Path,
        metavar="cost.json",
        help="Show the costs that 'report --cost' wrote earlier; those measured now take the place "
        "of those in the file.",
    )
    add_category_option(parser)
    add_sigmas_option(parser)
    add_unknown_images_option(parser)


def _refuse_foreign_page(out: Path) -> None:
    """Raise InputError when the folder has a page that is no report."""
    page = out / "index.html"
    if page.is_file():
        with page.open("rb") as file:
            is_report = b"<title>SmallPose report</title>" in file.read(4096)
        if not is_report:
            raise InputError(
                f"--out {out}",
                "has an index.html that is no report, which would be overwritten",
                "name another folder",
            )


def run_command(args: argparse.Namespace) -> None:
    """Write the report and print its main table and its name."""
    from smallpose.system.matplotlib_import import skip_artist_documentation
    from smallpose.system.memory import exempt_imports
    from smallpose.system.packages import require_packages
    from smallpose.system.progress import print_status

    _refuse_foreign_page(args.out)
    of_images = ("cv2",) if args.images or args.cost else ()
    require_packages("smallpose report", "matplotlib", "jinja2", *of_images)
    with exempt_imports(), skip_artist_documentation():
        from smallpose.report.page.build import write_report
        from smallpose.report.page.cost_section import CostOptions
    report = write_report(
        [find_predictions_in(path, takes_runs=True) for path in args.paths],
        args.out,
        args.latency,
        names=args.name or (),
        images=args.images,
        category=args.category,
        sigmas=args.sigmas,
        unknown_images=args.unknown_images,
        costs=CostOptions(is_measured=args.cost, file=args.cost_file),
    )
    print_main_table(report.results[0])
    print_notes(report.notes)
    print_status(f"open {args.out / 'index.html'}")


def print_main_table(table: "Table") -> None:
    """Print the table of all runs, and what its abbreviated columns are."""
    print(table.to_text())
    if "Sp" in table.heads:
        print("Sp, Mo, De: AP of small people with sparse, moderate and dense keypoints")


def print_notes(notes: "Sequence[str]") -> None:
    """Print what a reader of the numbers should know, the doubts first."""
    from smallpose.core.table import wrap_text
    from smallpose.report.page.doubts import choose_shown_notes

    for note in choose_shown_notes(notes):
        print(wrap_text(f"note: {note}"))
