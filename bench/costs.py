"""What an image costs: the tiny variants by number of people and size of the image, beside AP_S.

    OMP_NUM_THREADS=1 python bench/costs.py --data SET --out OUT [--methods LIST]
        [--trained NAME=RUN ...] [--ap-small FILE]

Measured as by `smallpose report --cost` (docs/cost.md), with people cut from the test part of SET,
a built set. A method without a run in --trained has random weights, which cost the same for given
boxes; full-image methods need trained ones, or they do not see the people. OUT/cost.json keeps what
was measured: methods that it has are not measured again. FILE has AP_S by method, in points, as
numbers or as [value, low, high]; with it, OUT/cost_frontier.png is drawn as in the report. Printed
are the table of docs/cost.md, and at which numbers of people a method is on the frontier.
"""

import argparse
import json
from pathlib import Path

from smallpose.cli.benchmark import TINY_METHODS
from smallpose.core.interval import Interval
from smallpose.io.coco_annotations import read_coco
from smallpose.methods import create_method
from smallpose.methods.full_image import FullImageMethod
from smallpose.report.cost.costs import SHOWN_CELLS, read_costs
from smallpose.report.cost.measure import measure_costs
from smallpose.report.figures import save_figure
from smallpose.report.figures.cost import CostPoint, draw_cost_frontier
from smallpose.report.images.encode import open_image_reader
from smallpose.report.inputs.runs import Run
from smallpose.report.page.cost_section import build_cost_table
from smallpose.training.checkpoint import save_model

METHODS = (*TINY_METHODS, "expected_oks_tiny")


def describe_run(name, folder):
    """Return a run of which only the method and the weights are known."""
    known = {"folder": folder, "method": name, "setting": "B", "recipe": "quick"}
    unknown = ("recipe_fields", "seed", "parameters", "steps", "epochs", "seconds", "data")
    unknown += ("subset", "weights", "environment", "evaluation")
    return Run(**known, **dict.fromkeys(unknown))


def save_random_weights(name, skeleton, folder):
    """Write a method as a training would before its first step."""
    folder.mkdir(parents=True, exist_ok=True)
    method = create_method(name, skeleton)
    recipe = method.recipes["quick"]
    if isinstance(method, FullImageMethod):
        method.test_side = recipe.test_side  # as after a training
    save_model(method, folder, recipe, setting="B", seed=0)


def measure_missing(names, trained, data, out):
    """Measure the methods that OUT/cost.json lacks; return all costs by name."""
    path = out / "cost.json"
    costs = read_costs(path) if path.is_file() else {}
    people = read_coco(data / "annotations" / "test.json")
    read = open_image_reader(data / "images")
    for name in names:
        if name in costs:
            continue
        folder = trained.get(name, out / "random" / name)
        if name not in trained:
            save_random_weights(name, people.skeleton, folder)
        costs |= measure_costs([describe_run(name, folder)], people, read)
        rows = [cost.to_dict() for cost in costs.values()]
        path.write_text(json.dumps(rows, indent=1).replace("NaN", "null") + "\n")
    return costs


def print_table(costs, names, gains):
    """Print the rows of docs/cost.md."""
    for name in names:
        cost, gain = costs[name], gains.get(name)
        cells = [cost.find_cell(*cell) for cell in (*SHOWN_CELLS[1:4], SHOWN_CELLS[0], (4, 1920))]
        ms = " | ".join(f"{cell.ms:.0f}" for cell in cells)
        mb = f"{min(c.mb for c in cells):.0f} to {max(c.mb for c in cells):.0f}"
        model = cost.model
        parts = f"{model.fixed_ms:.0f} | {model.ms_per_person:.1f} | {model.ms_per_megapixel:.1f}"
        shown = "not measured" if gain is None else f"{gain.value:.1f}"
        error = f"{100 * model.error:.0f} %"
        print(f"| `{name}` | {shown} | {ms} | {mb} | {parts} | {error} |")


def read_gains(path):
    """Read AP_S by method."""
    stored = json.loads(path.read_text()) if path else {}
    rows = {name: value if isinstance(value, list) else [value] for name, value in stored.items()}
    return {name: Interval(*row) for name, row in rows.items()}


def main():
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="Built set.")
    parser.add_argument("--out", type=Path, required=True, help="Folder of what is written.")
    parser.add_argument("--methods", default=",".join(METHODS), help="Methods to measure.")
    parser.add_argument("--trained", action="append", default=[], help="NAME=folder of a run.")
    parser.add_argument("--ap-small", type=Path, help="JSON of AP_S by method.")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    names = args.methods.split(",")
    trained = {name: Path(folder) for name, folder in (t.split("=", 1) for t in args.trained)}
    costs = measure_missing(names, trained, args.data, args.out)
    names = [name for name in names if name in costs]  # what fails is printed
    gains = read_gains(args.ap_small)
    print_table(costs, names, gains)
    points = [CostPoint(name, costs[name], gains[name]) for name in names if name in gains]
    if points:
        figure = draw_cost_frontier(points, protocol="coco")
        save_figure(figure, args.out, "cost_frontier", "Costs and AP of small people", "")
        table = build_cost_table(points)
        for row in table.rows:
            print(row[0], "is cheapest for its AP_S at", row[-1])


if __name__ == "__main__":
    main()
