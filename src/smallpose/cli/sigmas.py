"""smallpose sigmas A.json B.json [C.json…]: OKS sigmas from people labelled more than once."""

import argparse
import sys
from collections import Counter
from pathlib import Path

from smallpose.cli.options import DEMO_TRUTH, add_category_option, add_json, add_option, add_switch
from smallpose.core.errors import InputError

HELP = (
    "Measure OKS sigmas per joint on people labelled by two or more annotators; from one file "
    "alone, borrow them by the joints' names."
)
EXAMPLE = f"""\
smallpose sigmas {DEMO_TRUTH} --out sigmas.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sigmas`."""
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="LABELS.json",
        help="COCO keypoint annotations of the same images, one file per annotator.",
    )
    add_option(
        parser,
        "--out",
        type=Path,
        metavar="FILE",
        default_text="not written",
        help="Write the sigmas to this file, which 'smallpose evaluate --sigmas' reads.",
    )
    add_option(
        parser,
        "--oks-area",
        choices=("file", "box", "0.53box"),
        default="file",
        help="Divide distances by the root of this area; use the same in 'smallpose evaluate'.",
    )
    add_switch(
        parser,
        "--keep-outliers",
        help="Count labels that are more than 5 sigmas off or have their sides exchanged.",
    )
    add_switch(
        parser,
        "--pool-sides",
        help="Give a left joint and its right one the same sigma, as in COCO's list.",
    )
    add_category_option(parser, "of the files")
    add_json(parser, "all numbers")


def run_command(args: argparse.Namespace) -> None:
    """Print sigmas, agreement and outliers, and write the files that were asked for."""
    from smallpose.evaluation.annotators.measure import measure_annotators
    from smallpose.io.coco_annotations import read_coco
    from smallpose.system.files import write_atomically

    tables = {
        name: read_coco(path, category=args.category)
        for name, path in _name_files(args.files).items()
    }
    report = measure_annotators(
        tables, oks_area=args.oks_area, keep_outliers=args.keep_outliers, pool_sides=args.pool_sides
    )
    if args.out:
        write_atomically(args.out, report.to_file())
    if args.json == "-":
        sys.stdout.write(report.to_json())
        return
    if args.json:
        write_atomically(args.json, report.to_json())
    print(report)


def _name_files(paths: list[Path]) -> dict[str, Path]:
    """Name each file by its stem, or by its path where two have the same.

    Raises: InputError where a file is given twice.
    """
    stems = Counter(path.stem for path in paths)
    names = {str(path) if stems[path.stem] > 1 else path.stem: path for path in paths}
    if len({path.resolve() for path in paths}) < len(paths) or len(names) < len(paths):
        raise InputError(
            "smallpose sigmas",
            "the same file was given twice",
            "give each annotator's file once",
        )
    return names
