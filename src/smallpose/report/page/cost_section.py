"""Make the figure and the table of what methods cost for an image, against AP of small people."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from smallpose.core.table import Cell, Column, Table
from smallpose.report.cost.costs import MethodCost, find_frontier, read_costs
from smallpose.report.cost.measure import measure_costs
from smallpose.report.dataset_report import FigureSpec
from smallpose.report.figures.cost import BY_PEOPLE, BY_SIDE, CostPoint, draw_cost_frontier
from smallpose.report.figures.style import SeriesStyle
from smallpose.report.images.encode import open_image_reader
from smallpose.report.inputs.run_labels import label_run
from smallpose.report.inputs.scores import group_scores
from smallpose.report.page.summary import choose_styles
from smallpose.report.report_data import ReportData
from smallpose.system.files import write_atomically
from smallpose.system.progress import print_status

COST_FILE = "cost.json"


@dataclass(frozen=True)
class CostOptions:
    """Where costs come from.

    Args:
        is_measured: measure the runs on this machine.
        file: `cost.json` of an earlier report, by the names of methods, or of result files.
    """

    is_measured: bool = False
    file: Path | None = None


@dataclass(frozen=True)
class CostSection:
    """What the page has on costs; empty where none are known."""

    figures: tuple[FigureSpec, ...] = ()
    tables: tuple[Table, ...] = ()


def build_cost_section(data: ReportData, options: CostOptions | None, out: Path) -> CostSection:
    """Read or measure the costs, write them to `cost.json`, and make the figure and the table."""
    costs = _collect_costs(data, options) if options else {}
    if not costs:
        return CostSection()
    styles = choose_styles(data)
    rows = [cost.to_dict() for cost in costs.values()]
    write_atomically(out / COST_FILE, json.dumps(_drop_unknown(rows), indent=1) + "\n")
    points: list[CostPoint] = []
    drawn: list[SeriesStyle] = []
    for group in group_scores(data.runs, data.scores):
        run = group.first_run
        cost = costs.get(run.method or run.name or run.title)
        ap_small = group.measure("AP_S", "owned")
        is_elsewhere = run.data != data.data  # its AP is of other people
        if cost is None or ap_small is None or run.is_untrained or is_elsewhere:
            continue
        points.append(CostPoint(label_run(run, data.runs), cost, ap_small))
        index = data.runs.index(run)
        drawn += [styles[index]] if index in styles else []
    if not points:
        print_status("costs: none of these methods has an AP of small people beside its costs")
        return CostSection()
    spec = FigureSpec(
        name="cost_frontier",
        title="Costs of an image against AP of small people",
        alt=f"Milliseconds and MB an image ({points[0].cost.device}) and AP_S: "
        + "; ".join(_describe_point(p) for p in points),
        draw=partial(draw_cost_frontier, points, drawn if len(drawn) == len(points) else ()),
    )
    return CostSection((spec,), (build_cost_table(points),))


def _collect_costs(data: ReportData, options: CostOptions) -> dict[str, MethodCost]:
    costs = {} if options.file is None else read_costs(options.file)
    if not options.is_measured:
        return costs
    if data.test is None or data.images is None:
        print_status("--cost: there are no images, so no run is measured; name them by --images")
        return costs
    read = open_image_reader(data.images, [data.test.images])
    return costs | measure_costs(data.runs, data.test, read)


def _drop_unknown(rows: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    """Replace numbers that are not known, which JSON lacks."""
    text = json.dumps(rows).replace("NaN", "null")
    result: list[dict[str, object]] = json.loads(text)
    return result


def _describe_point(point: CostPoint) -> str:
    cheap, dear = (point.cost.find_cell(*BY_PEOPLE[i]) for i in (0, -1))
    return (
        f"{point.label} {cheap.ms:.0f} to {dear.ms:.0f} ms, {cheap.mb:.0f} to {dear.mb:.0f} MB, "
        f"{point.ap_small.value:.1f}"
    )


def build_cost_table(points: Sequence[CostPoint]) -> Table:
    """Build the table of costs: a row for each method, the best AP_S first."""
    columns = [Column("method", "text"), Column("AP_S", "points", "protocol owned")]
    by_people = [f"{people} at {side} px" for people, side in BY_PEOPLE]
    by_side = [
        f"{people} at {side} px" for people, side in BY_SIDE if (people, side) not in BY_PEOPLE
    ]
    cells = [*BY_PEOPLE, *(cell for cell in BY_SIDE if cell not in BY_PEOPLE)]
    for unit, meaning in (("ms", "time"), ("MB", "memory")):
        columns += [
            Column(f"{unit}, {name}", "points", f"{meaning} for an image with so many people")
            for name in (*by_people, *by_side)
        ]
    columns += [
        Column("ms fixed", "points", "of the model of the time"),
        Column("ms a person", "number", "of the model of the time"),
        Column("ms a megapixel", "number", "of the model of the time"),
        Column("error %", "points", "largest error of the model on images it was not fitted to"),
        Column(
            "cheapest for its AP_S", "text", "numbers of people; no method is faster and better"
        ),
    ]
    frontier = _list_frontiers(points)
    order = sorted(range(len(points)), key=lambda i: -points[i].ap_small.value)
    rows: list[tuple[Cell, ...]] = []
    for index in order:
        cost = points[index].cost
        measured = [cost.find_cell(*cell) for cell in cells]
        model = cost.model
        rows.append(
            (
                points[index].label,
                points[index].ap_small,
                *(cell.ms for cell in measured),
                *(cell.mb for cell in measured),
                model.fixed_ms,
                model.ms_per_person,
                model.ms_per_megapixel,
                100 * model.error,
                ", ".join(str(people) for people in frontier[index]) or "–",
            )
        )
    return Table(
        name="costs",
        title="Costs of an image",
        columns=tuple(columns),
        rows=tuple(rows),
        note=_describe_measurement(points[0].cost.device),
    )


def _list_frontiers(points: Sequence[CostPoint]) -> list[list[int]]:
    """List for each method the numbers of people at which no other is faster and better."""
    numbers: list[list[int]] = [[] for _ in points]
    gains = [p.ap_small.value for p in points]
    for people, side in BY_PEOPLE:
        ms = [p.cost.find_cell(people, side).ms for p in points]
        for index in find_frontier(ms, gains):
            numbers[index].append(people)
    return numbers


def _describe_measurement(device: str) -> str:
    return (
        f"Measured on {device}: processor time on a CPU, else time; the least of three or more; "
        "images in memory, with the flip test where the method has it. A top-down method gets the "
        "boxes. MB is the largest growth of a process since before the method was created."
    )
