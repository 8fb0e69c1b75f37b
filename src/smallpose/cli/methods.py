"""smallpose methods: the methods, their parts, recipes and checkpoints."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

HELP = "the methods, their parts, parameters, recipes and published checkpoints"
EXAMPLE = "smallpose methods"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `methods`."""
    parser.add_argument("--json", metavar="FILE", help="the same as JSON; - for stdout")


def run(args: argparse.Namespace) -> None:
    """Print or write the table."""
    from smallpose.core.files import write_whole

    records = _records()
    if args.json:
        text = json.dumps(records, indent=1) + "\n"
        if args.json == "-":
            print(text, end="")
        else:
            write_whole(Path(args.json), text)
        return
    for name, record in records.items():
        print(f"{name}: {record['parts']}")
        width, height = record["input_wh"]
        print(
            f"  {record['paradigm']}, {record['parameters'] / 1e6:.1f} M parameters, "
            f"pictures {width} × {height} (w × h), recipes {', '.join(record['recipes'])}"
        )
        if record["checkpoint"]:
            print(f"  --weights mmpose: {record['checkpoint_url']}")
            print(f"    SHA-256 begins with {record['checkpoint_hash']}")


def _records() -> dict[str, dict[str, Any]]:
    from smallpose.core.skeleton import SMALLPOSE
    from smallpose.methods import METHODS
    from smallpose.methods.published import address

    records = {}
    for name, make in METHODS.items():
        method = make(SMALLPOSE)
        records[name] = {
            **asdict(method.card),
            "checkpoint_url": address(method.card),
            "parameters": method.parameters_count,
            "input_wh": list(method.input_wh),
            "score_rule": method.score_rule,
            "recipes": {key: asdict(recipe) for key, recipe in method.recipes.items()},
        }
    return records
