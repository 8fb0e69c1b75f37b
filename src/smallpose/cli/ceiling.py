"""smallpose ceiling TRUTH.json: the best AP that rounding, codecs and labels leave."""

import argparse
import sys
from pathlib import Path

from smallpose.cli.options import (
    DEMO_TRUTH,
    add_category_option,
    add_json,
    add_option,
    add_seed,
    add_sigmas_option,
    parse_names,
)
from smallpose.core.errors import InputError
from smallpose.io.result_paths import find_label_path

HELP = (
    "Compute the best possible AP by person height: with joints in whole pixels, through the codec "
    "of each method, and for a second annotator."
)
EXAMPLE = f"""\
smallpose ceiling {DEMO_TRUTH}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `ceiling`."""
    parser.add_argument("truth", type=Path, metavar="TRUTH.json", help="COCO keypoint annotations.")
    add_option(
        parser,
        "--method",
        type=parse_names,
        default=(),
        default_text="all eleven",
        metavar="METHOD[,METHOD]",
        help="Methods whose codec and stride are measured.",
    )
    add_option(
        parser,
        "--heights",
        type=parse_names,
        default=(),
        default_text="12,16,24,32,48,64,96,128",
        metavar="PX[,PX]",
        help="Heights of people's boxes in pixels.",
    )
    add_option(
        parser,
        "--oks-area",
        choices=("file", "box", "0.53box"),
        default="file",
        help="Scale OKS by this area, as 'smallpose evaluate' does.",
    )
    add_sigmas_option(parser)
    add_category_option(parser)
    add_seed(parser, "the places of people and the errors of annotators")
    add_json(parser, "all numbers")


def run_command(args: argparse.Namespace) -> None:
    """Print the best possible AP along height and on the file, and write the JSON."""
    from smallpose.evaluation.ceiling.measure import DEFAULT_HEIGHTS, measure_ceiling
    from smallpose.evaluation.sigma_file import read_sigmas
    from smallpose.io.coco_annotations import read_coco
    from smallpose.system.files import write_atomically

    heights = _parse_heights(args.heights) or DEFAULT_HEIGHTS
    report = measure_ceiling(
        read_coco(find_label_path(args.truth, takes_results=False), category=args.category),
        methods=tuple(dict.fromkeys(args.method)),
        heights=heights,
        oks_area=args.oks_area,
        sigmas=read_sigmas(args.sigmas) if args.sigmas else None,
        seed=args.seed,
    )
    if args.json == "-":
        sys.stdout.write(report.to_json())
        return
    if args.json:
        write_atomically(args.json, report.to_json())
    print(report)


def _parse_heights(words: tuple[str, ...]) -> tuple[float, ...]:
    try:
        return tuple(dict.fromkeys(float(word) for word in words))
    except ValueError:
        raise InputError(
            f"--heights {','.join(words)}", "is not a list of numbers", "write them as in 16,32,64"
        ) from None
