"""smallpose evaluate TRUTH.json FOUND.json: AP and AR by person size and keypoint density."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from smallpose.cli.options import parse_non_negative
from smallpose.core.errors import InputError

HELP = "AP and AR by person size and keypoint density"
EXAMPLE = "smallpose evaluate person_keypoints_val2017.json results.json --protocol coco,owned"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `evaluate`."""
    parser.add_argument("truth", type=Path, metavar="TRUTH.json", help="COCO keypoint annotations")
    parser.add_argument("found", type=Path, metavar="FOUND.json", help="COCO keypoint results")
    add_scoring(parser)
    parser.add_argument(
        "--intervals",
        type=int,
        default=0,
        metavar="N",
        help="95 %% intervals by N bootstrap draws of images, or of videos (0: none; 1000 is good)",
    )
    parser.add_argument("--seed", type=parse_non_negative, default=0, help="of the draws (0)")
    parser.add_argument(
        "--diagnose", action="store_true", help="which kinds of error cost how much AP"
    )
    parser.add_argument(
        "--breakdown",
        default="",
        metavar="LIST",
        help="break it down by any of source, crowding, joint, visibility, density, height, image",
    )
    for kind in ("csv", "markdown", "latex"):
        parser.add_argument(f"--{kind}", metavar="FILE", help=f"write the table as {kind}")
    parser.add_argument(
        "--figures", type=Path, metavar="DIR", help="AP by class, along density and height, drawn"
    )
    parser.add_argument(
        "--json", metavar="FILE", help="write the numbers with all digits ('-': to stdout)"
    )


def add_scoring(parser: argparse.ArgumentParser) -> None:
    """The flags that decide what a number means; `compare` has them too."""
    parser.add_argument(
        "--protocol",
        default="coco,owned,recall",
        metavar="LIST",
        help="which of coco, owned, recall, with commas between (all three)",
    )
    parser.add_argument(
        "--area",
        choices=("box", "file"),
        default="box",
        help="person size and OKS scale by width × height of bbox, or by the area field (box)",
    )
    parser.add_argument(
        "--max-detections",
        type=int,
        default=20,
        metavar="N",
        help="detections per image in coco (20)",
    )
    parser.add_argument(
        "--keypoints",
        choices=("coco17", "all"),
        help="score COCO's 17 or all of the truth's (what the results have)",
    )
    parser.add_argument(
        "--sigmas", type=Path, metavar="FILE", help="a JSON list, one OKS sigma per keypoint"
    )
    parser.add_argument(
        "--size-limits", metavar="S,M", help="where small and medium end, px² (12288,49152)"
    )
    parser.add_argument(
        "--density-joints", type=int, metavar="N", help="K of the density for everybody (source's)"
    )


def scoring(args: argparse.Namespace) -> dict[str, Any]:
    """The same flags as arguments of `smallpose.evaluate`."""
    from smallpose.system.json_decode import read_json

    limits = {"size_limits": _limits(args.size_limits)} if args.size_limits else {}
    return limits | {
        "protocols": tuple(word.strip() for word in args.protocol.split(",") if word.strip()),
        "area": args.area,
        "max_detections": args.max_detections,
        "keypoints": args.keypoints,
        "sigmas": read_json(args.sigmas, list[float]) if args.sigmas else None,
        "density_joints": args.density_joints,
    }


def _limits(text: str) -> tuple[float, float]:
    """Two areas in px² with a comma between.

    Raises: InputError for anything else.
    """
    words = text.split(",")
    try:
        small, medium = (float(word) for word in words)
    except ValueError:
        raise InputError(
            f"--size-limits {text}", "not two numbers", "write them like 1024,9216"
        ) from None
    return small, medium


def run_command(args: argparse.Namespace) -> None:
    """Print the table, or the JSON, of one evaluation."""
    from smallpose.evaluation.evaluate import evaluate
    from smallpose.evaluation.evaluator import Evaluator
    from smallpose.io.coco_results_fast import (
        exceeds_free_memory,
        read_found,
        read_truth,
        stream_results,
    )
    from smallpose.system.files import write_atomically

    rules = scoring(args)
    truth = read_truth(args.truth)
    more: dict[str, tuple[Any, str]] = {}
    if exceeds_free_memory(args.found) and not (args.diagnose or args.breakdown):
        evaluator = Evaluator(truth, **rules)
        for part in stream_results(args.found, truth):
            evaluator.add(part)
        result = evaluator.result(args.intervals, args.seed)
    else:
        found = read_found(args.found, truth)
        result = evaluate(truth, found, intervals=args.intervals, seed=args.seed, **rules)
        if args.diagnose or args.breakdown:
            from smallpose.evaluation.analysis.breakdown_tables import build_breakdowns

            asked = [word.strip() for word in args.breakdown.split(",") if word.strip()]
            asked += ["diagnosis"] if args.diagnose else []
            more = build_breakdowns(asked, truth, found, result, rules, args.intervals, args.seed)
    _export(args, result)
    if args.figures:
        _draw(args, truth, result, rules)
    text = result.to_json()
    if more:
        whole = result.to_dict() | {name: data for name, (data, _) in more.items()}
        text = json.dumps(whole, indent=1) + "\n"
    if args.json == "-":
        sys.stdout.write(text)
        return
    if args.json:
        write_atomically(args.json, text)
    print("\n\n".join([str(result), *(words for _, words in more.values())]))


def _draw(args: argparse.Namespace, truth: Any, result: Any, rules: dict[str, Any]) -> None:
    from smallpose.evaluation.analysis.binned_ap import (
        compute_binned_ap,
        measure_density,
        measure_height,
    )
    from smallpose.io.coco_results_fast import read_found
    from smallpose.report.figures.evaluation import save_figures

    found = read_found(args.found, truth)
    plain = {key: value for key, value in rules.items() if key != "protocols"} | {
        "draws": args.intervals,
        "seed": args.seed,
    }
    values = {
        "density": measure_density(truth, args.density_joints),
        "height": measure_height(truth),
    }
    along = {name: compute_binned_ap(truth, found, v, **plain) for name, v in values.items()}
    save_figures(result, along, args.figures)


def _export(args: argparse.Namespace, result: Any) -> None:
    if not (args.csv or args.markdown or args.latex):
        return
    from smallpose.evaluation.csv_latex import format_csv, format_latex, format_markdown
    from smallpose.system.files import write_atomically

    for path, made in (
        (args.csv, format_csv),
        (args.markdown, format_markdown),
        (args.latex, format_latex),
    ):
        if path:
            write_atomically(path, made(result))
