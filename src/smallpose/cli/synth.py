"""`smallpose synth OUT`: a small world whose answers are known, in the five published layouts."""

import argparse
import time
from pathlib import Path

from smallpose.cli.options import parse_non_negative

HELP = "a small world whose answers are known, in the five published layouts"
EXAMPLE = "smallpose synth world --size tiny"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write; new or empty")
    parser.add_argument(
        "--size",
        default="small",
        help="tiny (60 pictures, seconds), small (2,000), bench (20,000); default small",
    )
    parser.add_argument(
        "--seed", type=parse_non_negative, default=0, help="same seed, same bytes; default 0"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes; the bytes stay the same")
    parser.add_argument("--overwrite", action="store_true", help="replace what OUT holds")


def run_command(args: argparse.Namespace) -> None:
    """Make the world and say what it holds."""
    from smallpose.core.errors import InputError
    from smallpose.synthetic.world import make_world

    if args.workers < 1:
        raise InputError(f"--workers {args.workers}", "is below one", "use 1 or more")
    start = time.monotonic()
    make_world(args.out, args.size, args.seed, args.workers, args.overwrite)
    print(
        f"{args.out}: the {args.size} world of seed {args.seed}, {time.monotonic() - start:.0f} s"
    )
    print("coco, mpii, aic, hieve, posetrack: as published; truth.json, exact.json: the answers")
