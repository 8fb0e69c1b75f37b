"""Build Tables 1 to 5 of the paper, our numbers beside the printed ones."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from smallpose.catalog.methods import read_catalog
from smallpose.core.interval import Interval
from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.core.table import Cell, Column, Table
from smallpose.report.inputs import paper_values
from smallpose.report.inputs.paper_values import Method, ResultRow
from smallpose.report.inputs.runs import Run
from smallpose.report.inputs.scores import SeedGroup
from smallpose.report.tables.results_tables import build_all_results, build_results_table
from smallpose.report.tables.table_parts import (
    HEADS,
    PRINTED,
    PROTOCOL_NOTES,
    Runs,
    add_on_coco17,
    choose_metrics,
    describe_intervals,
    describe_run,
    find_printed,
    group_runs,
    name_table,
)
from smallpose.stats.counts import Counts, Table1
from smallpose.stats.scene_entropy import SceneStatistics

__all__ = [
    "HEADS",
    "PRINTED",
    "build_all_results",
    "build_counts_table",
    "build_other_protocols",
    "build_results_table",
    "build_table1",
    "build_table2",
    "build_table3",
    "build_table4",
    "build_table5",
    "describe_run",
]

PLACES_CLASSES = 365

_COUNTS = (
    *(Column(head, "count") for head in ("images", "people", "small", "medium", "large")),
    Column("people per image", "number"),
)

_NUM_COCO, _NUM_ALL = len(COCO17), len(SMALLPOSE)
_COMPARISON_NOTE = (
    "Rows marked paper are printed values on the authors' test set. Ours are on the test set named "
    "above, so the two may be read side by side but not subtracted. A is scored on COCO's "
    f"{_NUM_COCO} joints, B on all {_NUM_ALL}, in the paper as well, so that a gain from A to B "
    f"contains the change of joints. B17 is B scored on the {_NUM_COCO}: only B17 compares with A."
)
_TABLE_5_NOTE = (
    "Rows marked paper are printed values on the authors' test set. Ours are on the test set named "
    "above, so the two may be read side by side but not subtracted. Rows of "
    f"{_NUM_COCO} joints compare with each other, and so do rows of {_NUM_ALL}; what was trained "
    f"on more than COCO is printed on {_NUM_ALL} joints only, and ours is in both."
)


def build_other_protocols(runs: Runs) -> list[Table]:
    """Build Tables 2, 3 and 5 by `owned` and `recall`, where they have rows."""
    tables = [
        build(runs, protocol)
        for protocol in ("owned", "recall")
        for build in (build_table2, build_table3, build_table5)
    ]
    return [table for table in tables if table.rows]


def build_table1(ours: Table1 | None) -> Table:
    """Build Table 1: images and people by split and size, the paper's and ours."""
    rows: list[tuple[Cell, ...]] = []
    for split, printed in paper_values.TABLE_1.items():
        mean = printed.people_per_image
        rows.append((split, PRINTED, printed.images, printed.people, *printed.sizes, mean))
        if ours is not None and split in ours.rows:
            counts = ours.rows[split]
            numbers = (counts.images, counts.people, *counts.sizes, counts.people_per_image)
            rows.append((split, "ours", *numbers))
    return Table(
        name="table1",
        title="Table 1: images and people by split and size",
        columns=(Column("split"), Column("from"), *_COUNTS),
        rows=tuple(rows),
        note="Images are those with at least one labelled person.",
        muted_rows=find_printed(rows, 1),
    )


def build_table2(runs: Runs, protocol: str = "coco") -> Table:
    """Build Table 2, paradigms and backbones: the paper's rows, each followed by ours."""
    return _build_comparison(
        runs,
        name="table2",
        title="Table 2: paradigms and backbones",
        trait="paradigm",
        groups=paper_values.TABLE_2_GROUPS,
        protocol=protocol,
    )


def build_table3(runs: Runs, protocol: str = "coco") -> Table:
    """Build Table 3, kinds of prediction and architectures: the paper's rows, then ours."""
    return _build_comparison(
        runs,
        name="table3",
        title="Table 3: kinds of prediction and architectures",
        trait="prediction",
        groups=paper_values.TABLE_3_GROUPS,
        protocol=protocol,
    )


def _build_comparison(
    runs: Runs,
    *,
    name: str,
    title: str,
    trait: str,
    groups: Mapping[str, Sequence[str]],
    protocol: str,
) -> Table:
    """Build Table 2 or 3; the paper prints `coco` alone, so others have our rows only.

    Args:
        trait: heading of what the groups are.
        groups: names of methods by group, in the order printed.
    """
    metrics, points = choose_metrics(protocol)
    ours = [group for group in group_runs(runs) if protocol in group.protocols()]
    ours = add_on_coco17(ours, protocol)
    methods = {method.name: method for method in paper_values.METHODS}
    rows: list[tuple[Cell, ...]] = []
    group_of = {name: group for group, names in groups.items() for name in names}
    for name_of_method, group_name in group_of.items():
        method = methods[name_of_method]
        own = [g for g in ours if paper_values.find_paper_method(g.first_run.method) == method.name]
        for setting, settings in (("A", ["A"]), ("B", ["B", "B17"])):
            if protocol == "coco":
                values = _list_printed(paper_values.ROWS[method.name, setting], metrics)
                start = method.printed, method.backbone, group_name, setting, PRINTED
                rows.append((*start, *values))
            rows += [
                _build_our_row(group, method, group_name, metrics, protocol)
                for group in own
                if group.first_run.trained_on in settings
            ]
    if name == "table2":
        rows += _build_other_rows(ours, metrics, protocol)
    heads = ("method", "backbone", trait, "setting", "from")
    note = _COMPARISON_NOTE if protocol == "coco" else PROTOCOL_NOTES[protocol]
    return Table(
        name=name_table(name, protocol),
        title=title if protocol == "coco" else f"{title}, protocol {protocol}",
        columns=(*(Column(head) for head in heads), *points),
        rows=tuple(rows),
        note=note + describe_intervals(rows),
        muted_rows=find_printed(rows, 4),
    )


def _list_printed(row: ResultRow, metrics: Sequence[str]) -> list[float | None]:
    return [row.metric(metric) for metric in metrics]


def _build_our_row(
    group: SeedGroup, method: Method, group_name: str, metrics: Sequence[str], protocol: str
) -> tuple[Cell, ...]:
    run = group.first_run
    label = paper_values.format_method_label(run.method)
    values = [group.measure(metric, protocol) for metric in metrics]
    backbone = _name_backbone(run, method)
    return label, backbone, group_name, run.trained_on, describe_run(group), *values


def _build_other_rows(
    groups: Sequence[SeedGroup], metrics: Sequence[str], protocol: str
) -> list[tuple[Cell, ...]]:
    """Build the rows of methods that are not the paper's, which follow its rows."""
    rows: list[tuple[Cell, ...]] = []
    for group in groups:
        run = group.first_run
        if (
            run.is_result_file
            or run.own_set
            or paper_values.find_paper_method(run.method) is not None
        ):
            continue
        facts = run.card or read_catalog().get(run.method, {})
        paradigm = str(facts.get("paradigm", ""))
        label = paper_values.format_method_label(run.method)
        start = label, "", paradigm, run.trained_on, describe_run(group)
        rows.append((*start, *(group.measure(metric, protocol) for metric in metrics)))
    return rows


def _name_backbone(run: Run, method: Method) -> str:
    """Return the paper's backbone; "" for a variant of ours, which has another one."""
    return method.backbone if run.method == method.name else ""


def build_table4(sets: Mapping[str, SceneStatistics]) -> Table:
    """Build Table 4: the scene entropy of data sets, the paper's first."""
    rows: list[tuple[Cell, ...]] = [
        (name, PRINTED, None, printed.mean, printed.variance)
        for name, printed in paper_values.TABLE_4.items()
    ]
    for name, scenes in sets.items():
        maximum = math.log(scenes.classes)
        mean = _clip_ends(scenes.mean, maximum)
        variance = _clip_ends(scenes.variance, maximum**2 / 4)
        rows.append((name, "ours", len(scenes.entropy), mean, variance))
    classes = sorted({s.classes for s in sets.values()} or {PLACES_CLASSES})
    limits = " and ".join(f"ln {n} = {math.log(n):.3f}" for n in classes)
    columns = (
        Column("set"),
        Column("from"),
        Column("images", "count"),
        Column("mean entropy", "number", "of the scene classes, in nats"),
        Column("variance", "number", "of the entropy over images, in nats²"),
    )
    note = (
        "Entropy of a scene classifier's probabilities, natural logarithm; ours of "
        f"{' and '.join(f'{n:,}' for n in classes)} classes, which is at most {limits} nats. The "
        "paper used a ResNet trained on Places365 (at most ln 365 = 5.900) and names neither the "
        "logarithm nor the number of images. Its heading says variation, its caption variance, "
        "which is what we compute. Of entropies between 0 and the maximum M with a mean of m, the "
        "variance is at most m × (M − m): 8.4 to 8.7 nats² for the printed means."
    )
    return Table(
        name="table4",
        title="Table 4: scene entropy",
        columns=columns,
        rows=tuple(rows),
        note=note + describe_intervals(rows),
        muted_rows=find_printed(rows, 1),
    )


def _clip_ends(estimate: Interval, maximum: float) -> Interval:
    """Return the interval without what no entropy or variance can be."""
    if not estimate.has_ends:
        return estimate
    return replace(estimate, low=max(estimate.low, 0.0), high=min(estimate.high, maximum))


# What runs were trained on, in the order of Table 5, and the joints that they are scored on.
_TRAINED_ON = {
    "A": ("COCO part", len(COCO17)),
    "B": ("full set", len(SMALLPOSE)),
    "B17": ("full set", len(COCO17)),
    "subset": ("subsets", len(SMALLPOSE)),
    "subset17": ("subsets", len(COCO17)),
}


def build_table5(runs: Runs, protocol: str = "coco") -> Table:
    """Build Table 5: SimpleBaseline trained on COCO, on the full set and on subsets of it."""
    metrics, points = choose_metrics(protocol)
    metrics, points = metrics[:7], points[:7]  # Table 5 has no AR.
    method = next(m for m in paper_values.METHODS if m.name == paper_values.TABLE_5_METHOD)
    rows: list[tuple[Cell, ...]] = []
    for trained_on, printed in paper_values.TABLE_5.items() if protocol == "coco" else ():
        num_joints = len(COCO17 if trained_on == "COCO" else SMALLPOSE)
        start = method.printed, method.backbone, trained_on, num_joints, PRINTED
        rows.append((*start, *_list_printed(printed, metrics)))
    groups = [
        group
        for group in group_runs(runs)
        if protocol in group.protocols()
        and not group.first_run.is_untrained
        and paper_values.find_paper_method(group.first_run.method) == method.name
        and group.first_run.trained_on in _TRAINED_ON
    ]
    order = list(_TRAINED_ON)
    ours = add_on_coco17(groups, protocol)
    for group in sorted(ours, key=lambda group: order.index(group.first_run.trained_on)):
        run = group.first_run
        label = paper_values.format_method_label(run.method)
        start = (
            label,
            _name_backbone(run, method),
            *_TRAINED_ON[run.trained_on],
            describe_run(group),
        )
        rows.append((*start, *(group.measure(metric, protocol) for metric in metrics)))
    columns = (
        Column("method"),
        Column("backbone"),
        Column("trained on"),
        Column("joints", "count", "keypoints scored"),
        Column("from"),
    )
    note = _TABLE_5_NOTE if protocol == "coco" else PROTOCOL_NOTES[protocol]
    title = "Table 5: effect of the amount of training data"
    return Table(
        name=name_table("table5", protocol),
        title=title if protocol == "coco" else f"{title}, protocol {protocol}",
        columns=(*columns, *points),
        rows=tuple(rows),
        note=note + describe_intervals(rows),
        muted_rows=find_printed(rows, 4),
    )


def build_counts_table(
    sets: Mapping[str, Counts], name: str = "counts", first: str = "set"
) -> Table:
    """Build a table of the sizes and densities of several sets, or parts of one (Fig. 8).

    Args:
        first: heading of the first column.
    """
    heads = ("images", "with people", "people", "small", "medium", "large")
    columns = [Column(head, "count") for head in (*heads, "sparse", "moderate", "dense")]
    rows = []
    for set_name, c in sets.items():
        totals = (c.images_in_file, c.images, c.people)
        rows.append((set_name, *totals, *c.sizes, *c.densities, c.people_per_image))
    return Table(
        name=name,
        title=f"Images and people by {first}",
        columns=(Column(first), *columns, Column("people per image", "number")),
        rows=tuple(rows),
        note="With people: images with at least one labelled person; the mean is over these. "
        "Sparse, moderate and dense are the small people.",
    )
