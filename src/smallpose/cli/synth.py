"""smallpose synth OUT: synthetic data with known labels, in the five published layouts."""

import argparse
import time
from pathlib import Path

from smallpose.cli.options import add_option, add_seed, add_switch
from smallpose.core.errors import InputError

PACKAGES = ("cv2", "scipy")
HELP = "Write synthetic images with known labels in the layouts of the five sources."
EXAMPLE = "smallpose synth synthetic --size tiny"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `synth`."""
    parser.add_argument(
        "out", nargs="?", type=Path, metavar="OUT", help="Folder to create; new or empty."
    )
    add_option(
        parser,
        "--out",
        dest="out_option",
        type=Path,
        metavar="OUT",
        default_text="the argument OUT",
        help="The same folder, for those who name it by an option, as in other verbs.",
    )
    add_option(
        parser,
        "--size",
        default="small",
        metavar="tiny|small|bench",
        help="Number of images: 60 (tiny, takes seconds), 2,000 (small) or 20,000 (bench).",
    )
    add_seed(parser, "the data; the same seed writes the same bytes")
    add_option(
        parser,
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="Number of processes; it does not change the bytes.",
    )
    add_switch(parser, "--overwrite", help="Replace the contents of OUT.")


def run_command(args: argparse.Namespace) -> None:
    """Write the synthetic data and print where each part is."""
    from smallpose.synthetic.generate import make_synthetic_dataset

    if (args.out is None) == (args.out_option is None):
        what = "no folder was named" if args.out is None else "the folder was named twice"
        raise InputError("smallpose synth", what, f"name it once, as in: {EXAMPLE}")
    args.out = args.out or args.out_option
    if args.workers < 1:
        raise InputError(f"--workers {args.workers}", "is below 1", "use 1 or more")
    start = time.monotonic()
    make_synthetic_dataset(args.out, args.size, args.seed, args.workers, args.overwrite)
    seconds = time.monotonic() - start
    print(f"{args.out}: synthetic data of size {args.size}, seed {args.seed}, {seconds:.0f} s")
    print("coco, mpii, aic, hieve, posetrack: in the published layouts")
    print("truth.json, exact.json: the ground truth of all of them")
