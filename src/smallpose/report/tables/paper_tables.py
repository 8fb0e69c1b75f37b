"""Build Tables 1 to 5 of the paper, our numbers beside the printed ones."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from smallpose.core.interval import Interval
from smallpose.core.table import Cell, Column, Table
from smallpose.report.inputs import paper_values
from smallpose.report.inputs.paper_values import Method
from smallpose.report.inputs.runs import METRICS, Run
from smallpose.report.inputs.scores import SeedGroup
from smallpose.stats.counts import Counts, Table1
from smallpose.stats.scene_entropy import SceneStatistics

Runs = Sequence[Run] | Sequence[SeedGroup]
HEADS = dict(zip(METRICS, ("AP", "AP_S", "AP_M", "AP_L", "Sp", "Mo", "De", "AR"), strict=True))
MEANINGS = {
    "AP": "average precision over all people",
    "AP_S": "small people: box below 128 × 96 px²",
    "AP_M": "medium people: box below 256 × 192 px²",
    "AP_L": "large people: box from 256 × 192 px² on",
    "Sp": "small people with sparse keypoints",
    "Mo": "small people with keypoints of moderate density",
    "De": "small people with dense keypoints",
    "AR": "average recall over all people",
}
PRINTED = "paper"

_POINTS = tuple(Column(head, "points", MEANINGS[head]) for head in HEADS.values())
_COUNTS = (
    *(Column(head, "count") for head in ("images", "people", "small", "medium", "large")),
    Column("people per image", "number"),
)

PROTOCOL_NOTES = {
    "coco": "Counted as by pycocotools: at most 20 detections per image, and every unmatched small "
    "detection counts against each density class. Settings: A trains on the COCO part and is "
    "scored on COCO's 17 keypoints, B trains on the full set and is scored on all 21.",
    "owned": "No limit on detections; each unmatched detection counts against one class only.",
    "recall": "Eqs. 2 and 4 as printed: the share of people detected with OKS at least T, averaged "
    "over T.",
}
_COMPARISON_NOTE = (
    "Rows marked paper are printed values on the authors' test set; a dash is a value we do not "
    "have. Ours are on the test set named above, so the two may be read side by side but not "
    "subtracted."
)


def group_runs(runs: Runs) -> list[SeedGroup]:
    """Return groups unchanged, and each run as a group of its own."""
    return [run if isinstance(run, SeedGroup) else SeedGroup((run,)) for run in runs]


def build_results_table(runs: Runs, protocol: str = "coco") -> Table:
    """Build the table of our runs by one protocol, in the paper's columns."""
    metrics, points = _choose_metrics(protocol)
    rows = [
        (
            paper_values.format_method_label(group.first_run.method),
            group.first_run.trained_on,
            *(group.measure(metric, protocol) for metric in metrics),
            describe_run(group),
        )
        for group in group_runs(runs)
    ]
    return Table(
        name=_name_table("results", protocol),
        title=f"Our runs, protocol {protocol}",
        columns=(Column("method"), Column("setting"), *points, Column("run")),
        rows=tuple(rows),
        note=PROTOCOL_NOTES[protocol] + _describe_intervals(rows),
    )


def build_all_results(runs: Runs) -> list[Table]:
    """Build a table of results for each protocol that has numbers, the paper's first."""
    groups = group_runs(runs)
    by_protocol = {p: [g for g in groups if p in g.protocols()] for p in PROTOCOL_NOTES}
    return [build_results_table(scored, p) for p, scored in by_protocol.items() if scored]


def build_other_protocols(runs: Runs) -> list[Table]:
    """Build Tables 2, 3 and 5 by `owned` and `recall`, where they have rows."""
    tables = [
        build(runs, protocol)
        for protocol in ("owned", "recall")
        for build in (build_table2, build_table3, build_table5)
    ]
    return [table for table in tables if table.rows]


def describe_run(run: Run | SeedGroup) -> str:
    """Describe what distinguishes runs of one method: recipe, steps or epochs, seed."""
    group = run if isinstance(run, SeedGroup) else SeedGroup((run,))
    first = group.first_run
    if first.is_untrained:
        return "ours · untrained"
    words = ["ours", first.recipe]
    if first.recipe_fields.get("steps"):
        words.append(f"{first.steps:,} steps")
    elif first.epochs is not None:
        words.append(f"{first.epochs:g} epoch{'' if first.epochs == 1 else 's'}")
    if len(group.runs) > 1:
        words.append(f"{len(group.runs)} {'seeds' if first.subset is None else 'subsets'}")
    elif first.seed is not None:
        words.append(f"seed {first.seed}")
    return " · ".join(word for word in words if word)


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
        muted_rows=_find_printed(rows, 1),
    )


def build_table2(runs: Runs, protocol: str = "coco") -> Table:
    """Build Table 2, paradigms and backbones: the paper's rows, each followed by ours."""
    return _build_comparison(runs, 2, "Table 2: paradigms and backbones", protocol)


def build_table3(runs: Runs, protocol: str = "coco") -> Table:
    """Build Table 3, outputs and architectures: the paper's rows, each followed by ours."""
    return _build_comparison(runs, 3, "Table 3: outputs and architectures", protocol)


def _build_comparison(runs: Runs, number: int, title: str, protocol: str) -> Table:
    """Build Table 2 or 3; the paper prints `coco` alone, so others have our rows only."""
    metrics, points = _choose_metrics(protocol)
    groups = [group for group in group_runs(runs) if protocol in group.protocols()]
    rows: list[tuple[Cell, ...]] = []
    for method in paper_values.METHODS:
        if method.table != number:
            continue
        for setting in ("A", "B"):
            if protocol == "coco":
                rows.append(_build_printed_row(method, setting, metrics))
            rows += [
                _build_our_row(group, method, metrics, protocol)
                for group in groups
                if paper_values.find_paper_method(group.first_run.method) == method.name
                and group.first_run.trained_on == setting
            ]
    heads = ("method", "backbone", "paradigm" if number == 2 else "output", "setting", "from")
    note = _COMPARISON_NOTE if protocol == "coco" else PROTOCOL_NOTES[protocol]
    return Table(
        name=_name_table(f"table{number}", protocol),
        title=title if protocol == "coco" else f"{title}, protocol {protocol}",
        columns=(*(Column(head) for head in heads), *points),
        rows=tuple(rows),
        note=note + _describe_intervals(rows),
        muted_rows=_find_printed(rows, 4),
    )


def _build_printed_row(method: Method, setting: str, metrics: Sequence[str]) -> tuple[Cell, ...]:
    printed = paper_values.ROWS[method.name, setting]
    label = paper_values.format_method_label(method.name)
    values = [printed.metric(metric) for metric in metrics]
    return label, method.backbone, _get_trait(method), setting, PRINTED, *values


def _build_our_row(
    group: SeedGroup, method: Method, metrics: Sequence[str], protocol: str
) -> tuple[Cell, ...]:
    run = group.first_run
    # A variant of ours has another backbone than the paper's method.
    backbone = method.backbone if run.method == method.name else ""
    label = paper_values.format_method_label(run.method)
    values = [group.measure(metric, protocol) for metric in metrics]
    return label, backbone, _get_trait(method), run.trained_on, describe_run(group), *values


def _get_trait(method: Method) -> str:
    """Return what the method's table compares."""
    return method.paradigm if method.table == 2 else method.output


def build_table4(sets: Mapping[str, SceneStatistics]) -> Table:
    """Build Table 4: the scene entropy of data sets, with the paper's variances."""
    text = paper_values.PRINTED.text
    rows: list[tuple[Cell, ...]] = [
        ("SmallPose", PRINTED, None, None, float(text.variance)),
        ("CrowdPose", PRINTED, None, None, float(text.variance_crowdpose)),
    ]
    for name, scenes in sets.items():
        rows.append((name, "ours", len(scenes.entropy), scenes.mean, scenes.variance))
    classes = ", ".join(dict.fromkeys(str(s.classes) for s in sets.values())) or "365"
    columns = (
        Column("set"),
        Column("from"),
        Column("images", "count"),
        Column("mean entropy", "number", "of the scene classes, in nats"),
        Column("variance", "number", "of the entropy over images, in nats²"),
    )
    note = (
        f"Entropy of a scene classifier's probabilities, natural logarithm, {classes} classes (of "
        "365 at most 5.900 nats). What the paper's heading calls variation is the variance."
    )
    return Table(
        name="table4",
        title="Table 4: scene entropy",
        columns=columns,
        rows=tuple(rows),
        note=note + _describe_intervals(rows),
        muted_rows=_find_printed(rows, 1),
    )


def build_table5(runs: Runs, protocol: str = "coco") -> Table:
    """Build Table 5: SimpleBaseline trained on COCO, on subsets and on the full set."""
    rows: list[tuple[Cell, ...]] = []
    if protocol == "coco":
        rows += [
            ("SimpleBaseline R50", row.trained_on, PRINTED, row.ap, row.ap_s, row.ap_l)
            for row in paper_values.TABLE_5
        ]
    names = {"A": "the COCO part", "subset": "subsets", "B": "the whole training set"}
    order = list(names)
    groups = [
        group
        for group in group_runs(runs)
        if protocol in group.protocols()
        and not group.first_run.is_untrained
        and paper_values.find_paper_method(group.first_run.method) == "simple_baseline_r50"
    ]

    def get_position(group: SeedGroup) -> int:
        trained_on = group.first_run.trained_on
        return order.index(trained_on) if trained_on in order else len(order)

    for group in sorted(groups, key=get_position):
        run = group.first_run
        label = paper_values.format_method_label(run.method)
        values = [group.measure(metric, protocol) for metric in ("AP", "AP_S", "AP_L")]
        trained_on = names.get(run.trained_on, run.trained_on)
        rows.append((label, trained_on, describe_run(group), *values))
    points = [Column(head, "points", MEANINGS[head]) for head in ("AP", "AP_S", "AP_L")]
    note = _COMPARISON_NOTE if protocol == "coco" else PROTOCOL_NOTES[protocol]
    return Table(
        name=_name_table("table5", protocol),
        title="Table 5: effect of the amount of training data",
        columns=(Column("method"), Column("trained on"), Column("from"), *points),
        rows=tuple(rows),
        note=note + _describe_intervals(rows),
        muted_rows=_find_printed(rows, 2),
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


def _choose_metrics(protocol: str) -> tuple[tuple[str, ...], tuple[Column, ...]]:
    """Choose metrics and columns; under `recall` AP and AR are one number, printed once."""
    if protocol != "recall":
        return METRICS, _POINTS
    columns = tuple(replace(c, head=c.head.replace("AP", "R")) for c in _POINTS[:-1])
    return METRICS[:-1], columns


def _name_table(name: str, protocol: str) -> str:
    return name if protocol == "coco" else f"{name}_{protocol}"


def _find_printed(rows: Sequence[tuple[Cell, ...]], column: int) -> frozenset[int]:
    """Find the rows that a column marks as the paper's."""
    return frozenset(index for index, row in enumerate(rows) if row[column] == PRINTED)


def _describe_intervals(rows: Sequence[tuple[Cell, ...]]) -> str:
    """Describe the intervals in a note; "" where no cell has one."""
    if not any(isinstance(cell, Interval) and cell.has_ends for row in rows for cell in row):
        return ""
    return (
        " In brackets: 95 % intervals by a bootstrap over test images (or videos); with several "
        "seeds they cover the spread of the seeds, with one they do not."
    )
