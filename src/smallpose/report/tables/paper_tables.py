"""Build Tables 1 to 5 of the paper, our numbers beside the printed ones.

Tables 1 and 4 and the counts are of data sets; those of methods are in `method_tables`.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

from smallpose.core.interval import Interval
from smallpose.core.table import Cell, Column, Table
from smallpose.report.inputs import paper_values
from smallpose.report.tables.method_tables import (
    build_other_protocols,
    build_table2,
    build_table3,
    build_table5,
)
from smallpose.report.tables.results_tables import build_all_results, build_results_table
from smallpose.report.tables.table_parts import (
    HEADS,
    PRINTED,
    describe_intervals,
    describe_run,
    find_printed,
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
