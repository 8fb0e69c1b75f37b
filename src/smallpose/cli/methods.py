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
    parser.add_argument(
        "--recipes", metavar="METHOD", help="how the recipes of a method (or of 'all') differ"
    )
    parser.add_argument("--json", metavar="FILE", help="the same as JSON; - for stdout")


def run_command(args: argparse.Namespace) -> None:
    """Print or write the table."""
    from smallpose.system.files import write_atomically

    records = _recipes(args.recipes) if args.recipes else _records()
    if args.json:
        text = json.dumps(records, indent=1) + "\n"
        if args.json == "-":
            print(text, end="")
        else:
            write_atomically(Path(args.json), text)
        return
    if args.recipes:
        _print_recipes(records)
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


def _recipes(name: str) -> dict[str, dict[str, Any]]:
    """For each method its recipes, the default first, and the fields that are not alike."""
    from smallpose.methods import METHODS, create_method
    from smallpose.training.recipe_overrides import compare_recipes

    names = [n for n in METHODS if "tiny" not in n] if name == "all" else [name]
    table = {}
    for one in names:
        recipes = create_method(one).recipes
        table[one] = {"recipes": list(recipes), "differences": compare_recipes(recipes)}
    return table


def _print_recipes(records: dict[str, dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    for name, record in records.items():
        table = Table(title=f"{name} (default: {record['recipes'][0]})", title_justify="left")
        for heading in ("", *record["recipes"]):
            table.add_column(heading, overflow="fold")
        for key, row in record["differences"].items():
            table.add_row(key, *(_short(row[recipe]) for recipe in record["recipes"]))
        Console().print(table)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple | list):
        return ", ".join(_short(v) for v in value)
    return str(value)


def _records() -> dict[str, dict[str, Any]]:
    from smallpose.core.skeleton import SMALLPOSE
    from smallpose.methods import METHODS
    from smallpose.methods.checkpoints.mmpose_zoo import address

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
