"""The parts of a difference as a table for the terminal."""

from typing import TYPE_CHECKING

from smallpose.core.counts import format_count
from smallpose.core.interval import Interval
from smallpose.evaluation.console_table import format_number, format_table
from smallpose.evaluation.difference.correspondence import CAUSES
from smallpose.evaluation.protocols import CLASSES

if TYPE_CHECKING:
    from smallpose.evaluation.difference.split import DifferenceSplit

LABELS = {
    "found": "people found",
    "placed": "joints placed",
    "ranking": "ranking",
    "false_positives": "false positives",
}


def format_split(split: "DifferenceSplit") -> str:
    """Format the parts with their intervals, their sum, and who was found by which result."""
    headings = {f"AP{one.suffix}": one.heading for one in CLASSES}
    rows = []
    for cause in CAUSES:
        values = [_format_part(one.parts[cause]) for one in split.metrics]
        rows.append([LABELS[cause], *values])
        ends = [_format_ends(one.intervals[cause]) for one in split.metrics]
        rows.append(["  95 %", *ends])
    differences = [format_number(one.difference, sign=True) for one in split.metrics]
    heading = ["", *(headings[one.name] for one in split.metrics)]
    lines = [
        f"Where the difference of {split.other} from {split.base} comes from: parts of AP "
        f"({split.protocol})",
        *format_table(heading, rows, ["difference", *differences], left=1),
        "",
    ]
    labels = {
        "both": "found by both",
        "base_only": f"only by {split.base}",
        "other_only": f"only by {split.other}",
        "neither": "by neither",
    }
    counts = [
        [label, *(f"{one.people[key]:,}" for one in split.metrics)] for key, label in labels.items()
    ]
    lines += format_table(["people", *heading[1:]], counts, left=1)
    lines.append("(found here: by a detection of OKS .1 or more, else of a box IoU of .5 or more)")
    false = split.false_positives
    total = format_count(sum(false.values()), "detection belongs", "detections belong")
    lines.append(
        f"{total} to no person: {false['both']:,} of both, {false['base_only']:,} of {split.base} "
        f"only, {false['other_only']:,} of {split.other} only"
    )
    if split.num_resamples:
        lines.append(f"intervals of the parts: {format_count(split.num_resamples, 'resample')}")
    return "\n".join(lines)


def _format_part(value: float | None) -> str:
    return "0" if value == 0 else format_number(value, sign=True)


def _format_ends(interval: Interval | None) -> str:
    if interval is None:
        return "n/a"
    if interval.low == interval.high == 0:
        return ""
    low, high = (format_number(end, 3, sign=True) for end in (interval.low, interval.high))
    return f"{low}…{high}"
