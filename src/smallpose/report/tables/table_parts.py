"""What the tables of results share: columns, notes, and the rows' names and joints."""

from collections.abc import Sequence
from dataclasses import replace

from smallpose.core.counts import format_count
from smallpose.core.interval import Interval
from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.core.table import Cell, Column
from smallpose.report.inputs.runs import METRICS, NO_NETWORK, Run
from smallpose.report.inputs.scores import SeedGroup

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
TEST_SET = Column("test set", meaning="whose people the row is scored on")
AUTHORS_SET = "the authors'"

_POINTS = tuple(Column(head, "points", MEANINGS[head]) for head in HEADS.values())

_NUM_COCO, _NUM_ALL = len(COCO17), len(SMALLPOSE)
COUNTED_AS_COCO = (
    "Counted as by pycocotools: at most 20 detections per image, and every unmatched small "
    "detection counts against each density class."
)
PROTOCOL_NOTES = {
    "coco": f"{COUNTED_AS_COCO} Settings: A trains on the COCO part and is scored on COCO's "
    f"{_NUM_COCO} keypoints, B trains on the full set and is scored on all {_NUM_ALL}. B17 is B "
    f"scored on the {_NUM_COCO}: only B17 compares with A.",
    "owned": "No limit on detections; each unmatched detection counts against one class only.",
    "recall": "Eqs. 2 and 4 as printed: the share of people detected with OKS at least T, averaged "
    "over T.",
}


def group_runs(runs: Runs) -> list[SeedGroup]:
    """Return groups unchanged, and each run as a group of its own."""
    return [run if isinstance(run, SeedGroup) else SeedGroup((run,)) for run in runs]


def add_on_coco17(groups: Sequence[SeedGroup], protocol: str) -> list[SeedGroup]:
    """Add each group of setting B once more, as scored on A's 17 joints, where this is known."""
    every = []
    for group in groups:
        on_17 = group.on_coco17()
        has_scores = on_17 is not None and protocol in on_17.protocols()
        every += [group, on_17] if on_17 is not None and has_scores else [group]
    return every


def describe_run(run: Run | SeedGroup) -> str:
    """Describe what distinguishes runs of one method: recipe, steps or epochs, seed."""
    group = run if isinstance(run, SeedGroup) else SeedGroup((run,))
    first = group.first_run
    if first.is_result_file:
        return f"file {first.file_facts['file']}"
    if not first.has_network:
        return f"ours · {NO_NETWORK}"
    if first.is_untrained:
        return "ours · untrained"
    words = ["ours", first.recipe]
    if first.recipe_fields.get("steps"):
        words.append(format_count(first.steps or 0, "step"))
    elif first.epochs is not None:
        words.append(f"{first.epochs:g} {'epoch' if first.epochs == 1 else 'epochs'}")
    if len(group.runs) > 1:
        words.append(f"{len(group.runs)} {'seeds' if first.subset is None else 'subsets'}")
    elif first.seed is not None:
        words.append(f"seed {first.seed}")
    return " · ".join(word for word in words if word)


def choose_metrics(protocol: str) -> tuple[tuple[str, ...], tuple[Column, ...]]:
    """Choose metrics and columns; under `recall` AP and AR are one number, printed once."""
    if protocol != "recall":
        return METRICS, _POINTS
    columns = tuple(replace(c, head=c.head.replace("AP", "R")) for c in _POINTS[:-1])
    return METRICS[:-1], columns


def name_table(name: str, protocol: str) -> str:
    """Return the name of a table by one protocol; the paper's, `coco`, is not named."""
    return name if protocol == "coco" else f"{name}_{protocol}"


def find_printed(rows: Sequence[tuple[Cell, ...]], column: int) -> frozenset[int]:
    """Find the rows that a column marks as the paper's."""
    return frozenset(index for index, row in enumerate(rows) if row[column] == PRINTED)


def describe_intervals(rows: Sequence[tuple[Cell, ...]]) -> str:
    """Describe the intervals in a note; "" where no cell has one."""
    if not any(isinstance(cell, Interval) and cell.has_ends for row in rows for cell in row):
        return ""
    return (
        " The intervals are 95 % ones by a bootstrap over test images (or videos); with several "
        "seeds they cover the spread of the seeds, with one they do not."
    )
