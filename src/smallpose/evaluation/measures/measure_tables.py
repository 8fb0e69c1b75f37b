"""Print measures: the agreement of each class of people, and who could not be read."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from smallpose.core.counts import format_count, format_share
from smallpose.core.instances import Instances
from smallpose.core.interval import Interval
from smallpose.core.predictions import Predictions
from smallpose.evaluation.console_table import WIDTH, format_interval, format_number, format_table
from smallpose.evaluation.measures.definition import Measure
from smallpose.evaluation.measures.measure_people import (
    LARGE_DEGREES,
    LARGE_SHARE,
    ClassAgreement,
    MeasureResult,
    measure_people,
)
from smallpose.evaluation.protocols import CLASSES

FEW_READINGS = 30
MAX_UNREAD_SHARE = 0.3  # of the labelled people, from which on the rest may be the easier ones


def build_measure_section(
    truth: Instances, predictions: Predictions, measures: Sequence[Measure], **options: Any
) -> tuple[dict[str, Any], str]:
    """Measure all people; return the numbers for JSON, by name, and the text.

    Args:
        options: as for `measure_people`.
    """
    results = measure_people(truth, predictions, measures, **options)
    return {one.measure.name: one.to_dict() for one in results}, format_measures(results)


def format_measures(results: Sequence[MeasureResult]) -> str:
    """Format all measures, the first explained."""
    return "\n\n".join(_format_measure(result) for result in results)


def _format_measure(result: MeasureResult) -> str:
    measure = result.measure
    large = f"{LARGE_DEGREES:g} degrees"
    if measure.kind == "length":
        large = f"{LARGE_SHARE:.0%} of the length".replace("%", " %")
    caption = (
        f"{measure.name} ({measure.describe()}), {measure.unit}: predicted minus labelled; limits: "
        f"bias ± 1.96 SD; large: off by {large} or more; slope of predicted on labelled"
    )
    heading = ["", "read", "bias", "limits", "mean |e|", "large", "slope"]
    rows = []
    for one, agreement in zip(CLASSES, result.classes, strict=True):
        rows.append([one.heading, *_format_agreement(agreement)])
        if agreement.intervals:
            rows.append(["95 %", *_format_intervals(agreement.intervals)])
    counts = ["", "people", "read", "not labelled", "not found", "joints not counted", "one spot"]
    unread = [
        [
            one.heading,
            *(
                f"{count:,}"
                for count in (
                    row.people,
                    row.read,
                    row.unlabelled,
                    row.missed,
                    row.uncounted,
                    row.unmeasurable,
                )
            ),
        ]
        for one, row in zip(CLASSES, result.classes, strict=True)
    ]
    return "\n".join(
        [
            *textwrap.wrap(caption, WIDTH, break_on_hyphens=False),
            *format_table(heading, rows, left=1),
            "who could be read, and why the others could not",
            *format_table(counts, unread, left=1),
            *(
                line
                for note in list_measure_notes(result)
                for line in textwrap.wrap(
                    f"note: {note}", WIDTH, subsequent_indent="  ", break_on_hyphens=False
                )
            ),
        ]
    )


def _format_agreement(row: ClassAgreement) -> list[str]:
    agreement = row.agreement
    share = agreement.share_beyond
    return [
        f"{row.read:,}",
        _format_value(agreement.bias),
        _format_ends(*agreement.limits),
        _format_value(agreement.mean_abs_error),
        format_number(None if math.isnan(share) else share, 3),
        _format_value(agreement.slope, digits=2),
    ]


def _format_intervals(intervals: dict[str, Interval | None]) -> list[str]:
    def ends(name: str) -> str:
        one = intervals[name]
        return "n/a" if one is None else _format_ends(one.low, one.high)

    return [
        "",
        ends("bias"),
        "",
        ends("mean_abs_error"),
        format_interval(intervals["share_beyond"]),
        "",
    ]


def _format_value(value: float, digits: int = 1) -> str:
    return "n/a" if math.isnan(value) else f"{value + 0.0:.{digits}f}"


def _format_ends(low: float, high: float) -> str:
    return "n/a" if math.isnan(low) else f"{low:.1f} to {high:.1f}"


def list_measure_notes(result: MeasureResult) -> list[str]:
    """List what a reader should know about the numbers of all people."""
    everyone = result.classes[0]
    notes = []
    if everyone.read < FEW_READINGS:
        people = format_count(everyone.read, "person was", "people were")
        notes.append(f"only {people} read: every number here is fragile")
    labelled = everyone.people - everyone.unlabelled
    lost = labelled - everyone.read
    if labelled and lost >= MAX_UNREAD_SHARE * labelled:
        notes.append(
            f"{format_share(lost, labelled, 'labelled person was', 'labelled people were')} not "
            "read: the numbers describe the others, who are usually easier"
        )
    if result.measure.kind == "tilt" and everyone.steep_share >= 0.1:
        notes.append(
            f"{everyone.steep_share:.0%} of the labelled tilts are within 15 degrees of "
            "horizontal, where +90 and -90 are one axis: errors are taken the short way around, "
            "but slope, ICC and CCC are unreliable".replace("%", " %", 1)
        )
    return notes
