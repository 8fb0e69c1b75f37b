"""smallpose select SHARDS… --out DIR: a data set's images, from Parquet of any size."""

import argparse
from pathlib import Path

from smallpose.cli.options import parse_non_negative

HELP = "every image with a small person and a random share of the rest, from Parquet of any size"
EXAMPLE = "smallpose select pool/*.parquet --split train --out chosen"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `select`."""
    parser.add_argument("files", nargs="+", type=Path, metavar="SHARD.parquet", help="all shards")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for the chosen")
    parser.add_argument(
        "--split", choices=("train", "test"), default="train", help="whose mix of sizes to reach"
    )
    parser.add_argument("--seed", type=parse_non_negative, default=0, help="of the draw (0)")
    parser.add_argument(
        "--engine",
        choices=("polars", "ray", "arrow"),
        default="",
        help="what carries the batches: Polars on one machine (default where it is installed), "
        "Ray on many, or a plain loop",
    )


def run_command(args: argparse.Namespace) -> None:
    """Count, choose, write shards of the same names."""
    from smallpose.dataset.parquet_shards import select_shards

    found = select_shards(args.files, args.out, args.split, args.seed, args.engine)
    drawn = len(found.rows) - found.with_small
    print(
        f"{args.out}: {len(found.rows):,} images, {found.with_small:,} with a small person and "
        f"{drawn:,} drawn from {found.pool:,} others"
    )
