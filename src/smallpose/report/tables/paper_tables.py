"""Tables 1 to 5 of the paper, ours beside the printed values."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from smallpose.core.interval import Interval
from smallpose.core.table import Cell, Column, Table
from smallpose.report.inputs import paper_values
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
    "Sp": "small people whose keypoints lie sparse",
    "Mo": "small people of moderate keypoint density",
    "De": "small people whose keypoints lie dense",
    "AR": "average recall over all people",
}
PRINTED = "paper"


_POINTS = tuple(Column(head, "points", MEANINGS[head]) for head in HEADS.values())


def group_runs(runs: Runs) -> list[SeedGroup]:
    """Groups of runs as they are; runs each as a group of its own."""
    return [run if isinstance(run, SeedGroup) else SeedGroup((run,)) for run in runs]


def _metric_columns(protocol: str) -> tuple[tuple[str, ...], tuple[Column, ...]]:
    """Metrics and their columns; under `recall` AP and AR are one number, printed once."""
    if protocol != "recall":
        return METRICS, _POINTS
    heads = tuple(replace(c, head=c.head.replace("AP", "R")) for c in _POINTS[:-1])
    return METRICS[:-1], heads


def build_results_table(runs: Runs, protocol: str = "coco") -> Table:
    """Our runs by one protocol, in the paper's columns."""
    metrics, points = _metric_columns(protocol)
    rows = [
        (
            paper_values.format_method_label(r.first_run.method),
            r.first_run.trained_on,
            *(r.measure(m, protocol) for m in metrics),
            describe_run(r),
        )
        for r in group_runs(runs)
    ]
    return Table(
        "results" if protocol == "coco" else f"results_{protocol}",
        f"Our runs, protocol {protocol}",
        (Column("method"), Column("setting"), *points, Column("run")),
        tuple(rows),
        PROTOCOL_NOTES[protocol] + _interval_note(rows),
    )


def build_all_results(runs: Runs) -> list[Table]:
    """`results` by every protocol there are numbers of, the paper's first."""
    groups = group_runs(runs)
    by_protocol = {p: [g for g in groups if p in g.protocols()] for p in PROTOCOL_NOTES}
    return [build_results_table(there, p) for p, there in by_protocol.items() if there]


def build_other_protocols(runs: Runs) -> list[Table]:
    """Tables 2, 3 and 5 by `owned` and `recall`, where there are rows."""
    made = [
        make(runs, protocol)
        for protocol in ("owned", "recall")
        for make in (build_table2, build_table3, build_table5)
    ]
    return [table for table in made if table.rows]


def _interval_note(rows: Sequence[tuple[Cell, ...]]) -> str:
    if not any(isinstance(c, Interval) and c.has_ends for row in rows for c in row):
        return ""
    return (
        " In brackets 95 % intervals by a bootstrap over test images (or videos); with several "
        "seeds their spread is in them, with one it is not."
    )


PROTOCOL_NOTES = {
    "coco": "As pycocotools counts: 20 people per image at most, and every unmatched small "
    "detection counts against each density class. Settings: A trains on the COCO part and is "
    "scored on COCO's 17 keypoints, B trains on the whole set and is scored on all 21.",
    "owned": "No cap on detections; each unmatched detection counts against one class only.",
    "recall": "Eqs. 2 and 4 as printed: the share of people found with OKS at least T, averaged "
    "over T.",
}


def describe_run(run: Run | SeedGroup) -> str:
    """What tells runs of one method apart: recipe, steps if they were asked for, epochs, seed."""
    one, number = (run.first_run, len(run.runs)) if isinstance(run, SeedGroup) else (run, 1)
    if one.is_untrained:
        return "ours · untrained"
    words = ["ours", one.recipe]
    if one.recipe_fields.get("steps"):
        words.append(f"{one.steps:,} steps")
    elif one.epochs is not None:
        words.append(f"{one.epochs:g} epoch{'' if one.epochs == 1 else 's'}")
    if number > 1:
        words.append(f"{number} {'seeds' if one.subset is None else 'subsets'}")
    elif one.seed is not None:
        words.append(f"seed {one.seed}")
    return " · ".join(w for w in words if w)


def build_table2(runs: Runs, protocol: str = "coco") -> Table:
    """Paradigms and backbones: the paper's rows, each followed by ours."""
    return _build_comparison(runs, 2, "Table 2: paradigms and backbones", protocol)


def build_table3(runs: Runs, protocol: str = "coco") -> Table:
    """Ways of predicting and architectures: the paper's rows, each followed by ours."""
    return _build_comparison(runs, 3, "Table 3: ways of predicting and architectures", protocol)


def _build_comparison(runs: Runs, number: int, title: str, protocol: str) -> Table:
    """The paper prints `coco` alone; by other protocols only our rows are there."""
    metrics, points = _metric_columns(protocol)
    groups = [g for g in group_runs(runs) if protocol in g.protocols()]
    rows: list[tuple[Cell, ...]] = []
    quiet = set()
    for method in paper_values.METHODS:
        if method.table != number:
            continue
        traits = (method.backbone, method.paradigm if number == 2 else method.output)
        for setting in ("A", "B"):
            if protocol == "coco":
                quiet.add(len(rows))
                printed = paper_values.ROWS[method.name, setting]
                values = [printed.metric(m) for m in metrics]
                rows.append(
                    (
                        paper_values.format_method_label(method.name),
                        *traits,
                        setting,
                        PRINTED,
                        *values,
                    )
                )
            for group in groups:
                run = group.first_run
                if (
                    paper_values.find_paper_method(run.method) == method.name
                    and run.trained_on == setting
                ):
                    # A variant of ours has another backbone than the paper's method.
                    own = traits if run.method == method.name else ("", traits[1])
                    mine = [group.measure(m, protocol) for m in metrics]
                    rows.append(
                        (
                            paper_values.format_method_label(run.method),
                            *own,
                            setting,
                            describe_run(group),
                            *mine,
                        )
                    )
    second = Column("paradigm") if number == 2 else Column("output")
    columns = (Column("method"), Column("backbone"), second, Column("setting"), Column("from"))
    note = _OTHER_DATA if protocol == "coco" else PROTOCOL_NOTES[protocol]
    return Table(
        f"table{number}" + ("" if protocol == "coco" else f"_{protocol}"),
        title + ("" if protocol == "coco" else f", protocol {protocol}"),
        (*columns, *points),
        tuple(rows),
        note + _interval_note(rows),
        frozenset(quiet),
    )


_OTHER_DATA = (
    "Rows marked paper are printed values on the authors' test set; a dash is a value we do not "
    "have. Ours are on the test set named above, so the two may be read beside each other but not "
    "subtracted."
)


def build_table1(ours: Table1 | None) -> Table:
    """Images and people by split and size, the paper's and ours."""
    rows: list[tuple[Cell, ...]] = []
    quiet = set()
    for split, printed in paper_values.TABLE_1.items():
        quiet.add(len(rows))
        mean = printed.people_per_image
        rows.append((split, PRINTED, printed.images, printed.people, *printed.sizes, mean))
        if ours is not None and split in ours.rows:
            rows.append((split, "ours", *_count_cells(ours.rows[split])))
    return Table(
        "table1",
        "Table 1: images and people by split and size",
        (Column("split"), Column("from"), *_COUNTS),
        tuple(rows),
        "Images are those with at least one labelled person.",
        frozenset(quiet),
    )


_COUNTS = (
    *(Column(head, "count") for head in ("images", "people", "small", "medium", "large")),
    Column("people per image", "number"),
)


def _count_cells(counts: Counts) -> tuple[Cell, ...]:
    return counts.images, counts.people, *counts.sizes, counts.people_per_image


def build_table4(sets: Mapping[str, SceneStatistics]) -> Table:
    """How varied the scenes of several data sets are, the paper's variances among them."""
    text = paper_values.PRINTED.text
    rows: list[tuple[Cell, ...]] = [
        ("SmallPose", PRINTED, None, None, float(text.variance)),
        ("CrowdPose", PRINTED, None, None, float(text.variance_crowdpose)),
    ]
    quiet = frozenset(range(len(rows)))
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
        "365 at most 5.900 nats). What the paper's head calls variation is the variance."
    )
    title = "Table 4: scene entropy"
    return Table("table4", title, columns, tuple(rows), note + _interval_note(rows), quiet)


def build_table5(runs: Runs, protocol: str = "coco") -> Table:
    """How much training data matters: SimpleBaseline on COCO, on subsets, on everything."""
    rows: list[tuple[Cell, ...]] = []
    if protocol == "coco":
        rows += [
            ("SimpleBaseline R50", s.trained_on, PRINTED, s.ap, s.ap_s, s.ap_l)
            for s in paper_values.TABLE_5
        ]
    quiet = frozenset(range(len(rows)))
    trained_on = {"A": "the COCO part", "subset": "subsets", "B": "the whole training set"}
    groups = [
        g for g in group_runs(runs) if protocol in g.protocols() and not g.first_run.is_untrained
    ]
    own = [
        g
        for g in groups
        if paper_values.find_paper_method(g.first_run.method) == "simple_baseline_r50"
    ]
    order = list(trained_on)
    for group in sorted(
        own,
        key=lambda g: (
            order.index(g.first_run.trained_on) if g.first_run.trained_on in order else len(order)
        ),
    ):
        values = [group.measure(m, protocol) for m in ("AP", "AP_S", "AP_L")]
        where = trained_on.get(group.first_run.trained_on, group.first_run.trained_on)
        rows.append(
            (
                paper_values.format_method_label(group.first_run.method),
                where,
                describe_run(group),
                *values,
            )
        )
    points = [Column(head, "points", MEANINGS[head]) for head in ("AP", "AP_S", "AP_L")]
    columns = (Column("method"), Column("trained on"), Column("from"), *points)
    title = "Table 5: how much training data matters"
    note = _OTHER_DATA if protocol == "coco" else PROTOCOL_NOTES[protocol]
    name = "table5" + ("" if protocol == "coco" else f"_{protocol}")
    return Table(name, title, columns, tuple(rows), note + _interval_note(rows), quiet)


def build_counts_table(
    sets: Mapping[str, Counts], name: str = "counts", first: str = "set"
) -> Table:
    """Several sets, or the parts of one, side by side: sizes and densities (Fig. 8)."""
    heads = ("images", "with people", "people", "small", "medium", "large")
    columns = tuple(Column(h, "count") for h in (*heads, "sparse", "moderate", "dense"))
    rows = tuple(
        (
            set_name,
            c.images_in_file,
            c.images,
            c.people,
            *c.sizes,
            *c.densities,
            c.people_per_image,
        )
        for set_name, c in sets.items()
    )
    return Table(
        name,
        f"Images and people by {first}",
        (Column(first), *columns, Column("people per image", "number")),
        rows,
        "With people: images with at least one labelled person; the mean is over these. Sparse, "
        "moderate and dense are the small people.",
    )
