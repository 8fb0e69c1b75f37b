"""smallpose methods: the methods, their parts, recipes, the paper's numbers and checkpoints."""

import argparse
import json
import sys
from typing import Any

from smallpose.cli.options import add_json, add_option

HELP = (
    "List the methods with their parts, parameters, recipes, the paper's numbers and published "
    "checkpoints."
)
EXAMPLE = "smallpose methods"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `methods`."""
    add_option(
        parser,
        "--recipes",
        metavar="METHOD",
        default_text="methods are listed",
        help="Print where the recipes of this method, or of 'all', differ.",
    )
    add_json(parser, "the list")


def run_command(args: argparse.Namespace) -> None:
    """Print the list, or write it as JSON."""
    from smallpose.system.files import write_atomically
    from smallpose.system.progress import print_written

    records = _compare_recipes(args.recipes) if args.recipes else _describe_methods()
    text = json.dumps(records, indent=1) + "\n"
    if args.json == "-":
        sys.stdout.write(text)
    elif args.json:
        write_atomically(args.json, text)
        print_written(args.json)
    elif args.recipes:
        _print_recipes(records)
    else:
        _print_methods(records)


def _print_methods(records: dict[str, dict[str, Any]]) -> None:
    from smallpose.core.table import wrap_text

    for name, record in records.items():
        width, height = record["input_wh"]
        print(wrap_text(f"{name}: {record['parts']}"))
        sizes = (
            f"  {record['paradigm']}, {record['parameters'] / 1e6:.1f} M parameters for the 21 "
            f"joints ({record['parameters_coco17'] / 1e6:.1f} M for COCO's 17), "
            f"input {width} × {height} px (w × h), recipes {', '.join(record['recipes'])}"
        )
        print(wrap_text(sizes))
        if record["paper_ap"]:
            print(wrap_text(f"  in the paper: {_format_paper_numbers(record['paper_ap'])}"))
        elif not record["in_paper"]:
            print("  not in the paper's tables")
        if record["checkpoint"]:
            print(wrap_text(f"  --weights mmpose: {record['checkpoint_url']}"))
            print(f"    SHA-256 begins with {record['checkpoint_hash']}")
            sets = ", ".join(record["checkpoint_trained_on"])
            print(f"    trained on {sets or 'sets that are not declared'}")
        for file in record["other_checkpoints"]:
            print(wrap_text(f"  --weights {file}"))


def _list_paper_numbers(name: str) -> dict[str, dict[str, float | None]]:
    """Return the paper's row of this very method by setting; other sizes and variants have none."""
    from smallpose.report.inputs.paper_values import ROWS

    return {setting: ROWS[name, setting].to_dict() for setting in "AB" if (name, setting) in ROWS}


def _format_paper_numbers(numbers: dict[str, dict[str, float]]) -> str:
    """Format AP of both settings; JSON has the other columns as well."""
    parts = [f"{setting} {row['AP']} AP, {row['AP_S']} AP_S" for setting, row in numbers.items()]
    return "; ".join(parts)


def _compare_recipes(name: str) -> dict[str, dict[str, Any]]:
    """Collect each method's recipes, the default first, and the fields in which they differ."""
    from smallpose.methods import METHODS, create_method
    from smallpose.training.recipe_overrides import compare_recipes

    names = [n for n in METHODS if "tiny" not in n] if name == "all" else [name]
    records = {}
    for method_name in names:
        recipes = create_method(method_name).recipes
        records[method_name] = {"recipes": list(recipes), "differences": compare_recipes(recipes)}
    return records


def _print_recipes(records: dict[str, dict[str, Any]]) -> None:
    from smallpose.core.table import Column, Table

    for name, record in records.items():
        recipes = record["recipes"]
        rows = tuple(
            (field, *(_format_value(values[recipe]) for recipe in recipes))
            for field, values in record["differences"].items()
        )
        columns = (Column("", width=30), *(Column(recipe) for recipe in recipes))
        title = f"{name} (default: {recipes[0]})"
        print(Table("recipes", title, columns, rows).to_text(wrap=True) + "\n")


def _format_value(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple | list):
        return ", ".join(_format_value(v) for v in value)
    return str(value)


def _describe_methods() -> dict[str, dict[str, Any]]:
    from smallpose.catalog.methods import read_catalog
    from smallpose.report.inputs.paper_values import find_paper_method

    return {
        name: facts
        | {
            "in_paper": find_paper_method(name) is not None,
            "paper_ap": _list_paper_numbers(name),
        }
        for name, facts in read_catalog().items()
    }
