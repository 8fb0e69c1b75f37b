"""smallpose compare TRUTH.json FOUND_1.json FOUND_2.json…: which is better, and how sure."""

import argparse
import sys
from collections import Counter
from pathlib import Path

from smallpose.cli.evaluate import add_scoring, scoring
from smallpose.cli.options import parse_non_negative

HELP = "which of several results is better, and how sure that is"
EXAMPLE = "smallpose compare person_keypoints_val2017.json hrnet.json simcc.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `compare`."""
    parser.add_argument("truth", type=Path, metavar="TRUTH.json", help="COCO keypoint annotations")
    parser.add_argument(
        "found", type=Path, nargs="+", metavar="FOUND.json", help="results; the first is the base"
    )
    add_scoring(parser)
    parser.set_defaults(protocol="coco,owned")
    parser.add_argument(
        "--intervals", type=int, default=1000, metavar="N", help="bootstrap draws (1000)"
    )
    parser.add_argument("--seed", type=parse_non_negative, default=0, help="of the draws (0)")
    parser.add_argument(
        "--json", metavar="FILE", help="write the numbers with all digits ('-': to stdout)"
    )


def run_command(args: argparse.Namespace) -> None:
    """Print each number's difference from the first result, its interval and its p-value."""
    from smallpose.core.errors import InputError
    from smallpose.evaluation.analysis.comparison import compare
    from smallpose.io.coco_results_fast import read_found, read_truth
    from smallpose.system.files import write_atomically

    if len(args.found) < 2:
        raise InputError("smallpose compare", "one result file", "name two or more")
    truth = read_truth(args.truth)
    stems = Counter(path.stem for path in args.found)
    names = [str(path) if stems[path.stem] > 1 else path.stem for path in args.found]
    if len(set(names)) < len(names):
        raise InputError("smallpose compare", "a result file stands twice", "name each once")
    found = {name: read_found(path, truth) for name, path in zip(names, args.found, strict=True)}
    result = compare(truth, found, num_resamples=args.intervals, seed=args.seed, **scoring(args))
    if args.json == "-":
        sys.stdout.write(result.to_json())
        return
    if args.json:
        write_atomically(args.json, result.to_json())
    print(result)
