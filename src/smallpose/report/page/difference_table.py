"""Split the difference of the best run from its nearest rival into its causes, as a small table."""

from smallpose.core.errors import InputError
from smallpose.core.interval import Interval
from smallpose.core.table import Cell, Column, Table
from smallpose.evaluation.difference.correspondence import CAUSES
from smallpose.evaluation.difference.split import (
    MAX_RESAMPLES,
    DifferenceSplit,
    split_difference,
)
from smallpose.evaluation.difference.split_table import LABELS
from smallpose.report.page.summary import RunSummary, Summary, describe_doubt_of_pair
from smallpose.report.page.summary_statistics import CONSTANT, PROTOCOL
from smallpose.report.report_data import ReportData

# Of both results together; with more, intervals take more time than the rest of the page.
MAX_DETECTIONS_FOR_INTERVALS = 10_000
_NOTE = (
    "Parts of the lead in points of AP ({protocol}): people that only one of them found, joints "
    "that one placed better on people whom both found, the order of the scores, and detections of "
    "nobody. A negative part is in favour of {other}. The parts add up to the difference. {rest}"
)


def build_difference_table(data: ReportData, summary: Summary) -> Table | None:
    """Build the table of where the lead of the best run comes from; None without a rival."""
    rival = next((run for run in summary.runs[1:] if run.lead is not None), None)
    if rival is None or data.test is None:
        return None
    best = summary.runs[0]
    base, other = (data.results[run.index].predictions for run in (rival, best))
    has_intervals = len(base) + len(other) <= MAX_DETECTIONS_FOR_INTERVALS
    try:
        split = split_difference(
            data.test,
            {
                f"{number}: {run.single_label}": predictions
                for number, run, predictions in ((1, rival, base), (2, best, other))
            },
            protocol=PROTOCOL,
            num_resamples=MAX_RESAMPLES if has_intervals else 0,
        )
    except InputError:  # joints that cannot be compared
        return None
    return _format_table(split, best, rival, has_intervals)


def _format_table(
    split: DifferenceSplit, best: RunSummary, rival: RunSummary, has_intervals: bool
) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            LABELS[cause],
            *(_to_points(one.parts[cause], one.intervals[cause]) for one in split.metrics),
        )
        for cause in CAUSES
    ]
    rows.append(("difference", *(_to_points(one.difference, None) for one in split.metrics)))
    rest = "The intervals are 95 % ones over images or videos."
    if any(_is_constant(one.intervals[cause]) for one in split.metrics for cause in CAUSES):
        rest += f" A part of 0.0 without an interval is {CONSTANT}."
    if not has_intervals:
        rest = "smallpose compare adds 95 % intervals."
    if best.num_seeds > 1 or rival.num_seeds > 1:
        rest += " Of several seeds, the middle one is split."
    doubt = describe_doubt_of_pair(best, rival)
    rest += f" {doubt}" if doubt else ""
    return Table(
        "difference",
        f"Where the lead of {best.single_label} over {rival.single_label} comes from",
        (Column("part"), *(Column(one.name, "points") for one in split.metrics)),
        tuple(rows),
        _NOTE.format(protocol=split.protocol, other=rival.single_label, rest=rest),
    )


def _is_constant(interval: Interval | None) -> bool:
    return interval is not None and interval.low == interval.high == 0


def _to_points(value: float | None, interval: Interval | None) -> Cell:
    if value is None:
        return None
    if interval is None or _is_constant(interval):
        return 100 * value
    return Interval(100 * value, 100 * interval.low, 100 * interval.high)
