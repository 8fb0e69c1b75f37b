"""smallpose select SHARDS… --out DIR: the images of a data set, from Parquet of any size."""

import argparse
from pathlib import Path

from smallpose.cli.options import DEMO_SET, add_backend_option, add_option, add_seed
from smallpose.core.counts import format_count

HELP = "Select every image with a small person and a random share of the others."
EXAMPLE = f"""\
smallpose export {DEMO_SET} --to parquet --out set-parquet
smallpose select set-parquet/data/*.parquet --out selected"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `select`."""
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="SHARD.parquet", help="All shards of the data set."
    )
    add_option(
        parser,
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="Folder for the shards with the selected images.",
    )
    add_option(
        parser,
        "--split",
        choices=("train", "test"),
        default="train",
        help="Split of the paper whose mix of person sizes is aimed at.",
    )
    add_seed(parser, "the selection")
    add_backend_option(parser)


def run_command(args: argparse.Namespace) -> None:
    """Select images and write them into shards of the same names."""
    from smallpose.core.table import wrap_text
    from smallpose.dataset.parquet_shards import select_shards

    selection = select_shards(args.files, args.out, args.split, args.seed, args.backend)
    num_selected, num_small = len(selection.rows), selection.num_with_small
    line = (
        f"{args.out}: {format_count(num_selected, 'image')}, {num_small:,} with a small person and "
        f"{num_selected - num_small:,} drawn from {format_count(selection.pool, 'other')}"
    )
    print(wrap_text(line))
