"""Build the values of the page's curves: their data, their table and what a reader should know."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from smallpose.core.counts import format_count, format_part
from smallpose.core.sizes import SIZES
from smallpose.core.table import Cell, Column, Table
from smallpose.evaluation.analysis.binned_ap import Bin
from smallpose.evaluation.analysis.half_detected import MAX_OUTSIDE, MIN_PARTIAL
from smallpose.report.inputs.selections import Selection
from smallpose.report.page.curves import compute_curves
from smallpose.report.page.result_figures import MAX_CURVES
from smallpose.report.page.summary import Summary
from smallpose.report.report_data import ReportData

_ALT = (
    "Share of people that each run detects, or its AP, along the height of people, their keypoint "
    "density, or the crowding of their image; the table below has the same numbers along height"
)
_NOTE = (
    "Points are at the mean of their bin. Bins have equally many people, and those of a wide range "
    "of heights are split. AP by protocol owned, so that each false positive counts in one bin. "
    "Pale areas are 95 % intervals over images or videos, of two runs where more than three are "
    "shown: a click on a name hides a run. AP has none along the density of medium "
    "and large people, pixels per joint and labelled share. The triangle marks the height from "
    "which half of the people are detected, with its interval. People of different heights differ "
    "in crowding, source and box as well: smallpose resolution shows the same people at falling "
    "heights."
)


@dataclass(frozen=True)
class CurveSection:
    """The section of the curves.

    Args:
        values: of the page's template; none without ground truth or results.
        density: AP along density by run, where it has intervals.
    """

    values: dict[str, Any]
    density: dict[int, list[Bin]]


def build_curve_section(
    data: ReportData, summary: Summary, selections: Sequence[Selection]
) -> CurveSection:
    """Compute the curves of the best runs."""
    runs = summary.runs[:MAX_CURVES]
    if data.test is None or not runs:
        return CurveSection({"curves": None}, {})
    results = [data.results[run.index] for run in runs]
    colours, limits = [run.colour for run in runs], [run.limit for run in runs]
    computed = compute_curves(selections, results, colours, limits)
    curves = computed.data
    values = {
        "curves": encode_for_script(curves),
        "axis_names": list(dict.fromkeys(axis["name"] for axis in curves["axes"])),
        "axis_sizes": [
            size for size in SIZES if any(axis["size"] == size for axis in curves["axes"])
        ],
        "curves_runs": curves["runs"],
        "curves_alt": _ALT,
        "curves_table": Markup(build_curve_table(curves["runs"]).to_html()),
        "curves_note": _describe_part(len(runs), len(summary.runs))
        + _NOTE
        + describe_partial_boxes(curves["runs"][0]["along"]["all"]["height"]),
    }
    indices = [run.index for run in runs]
    return CurveSection(values, dict(zip(indices, computed.density, strict=False)))


def _describe_part(num_shown: int, num_runs: int) -> str:
    return (
        f"The best {num_shown} of {format_count(num_runs, 'run')}. " if num_shown < num_runs else ""
    )


def build_curve_table(runs: Sequence[Mapping[str, Any]]) -> Table:
    """Build the table of the numbers along height, of all people."""
    columns = (
        Column("run"),
        Column("from, px", "count"),
        Column("to, px", "count"),
        Column("mean, px", "count"),
        Column("people", "count"),
        Column("partial boxes", "count", "over 30 % of the labelled joints are outside the box"),
        Column("AP", "points"),
        Column("AP, 95 %"),
        Column("detected, %", "points"),
        Column("detected, 95 %"),
    )
    rows: list[tuple[Cell, ...]] = []
    for run in runs:
        for row in run["along"]["all"]["height"]:
            low, high, mean, people, partial, ap, ap_low, ap_high, share, from_, to = row
            place = (round(low), round(high), round(mean), people, partial)
            rows.append((run["label"], *place, ap, _join(ap_low, ap_high), share, _join(from_, to)))
    return Table("along_height", "Along height", columns, tuple(rows))


def _join(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.1f}–{high:.1f}"


def describe_partial_boxes(bins: Sequence[Sequence[Any]]) -> str:
    """Say up to which height many boxes hold a part of the person; "" where they are few."""
    total_people = total_partial = 0
    limit = None
    for _, high, _, people, partial, *_ in bins:
        if partial < MIN_PARTIAL * people:
            break
        total_people, total_partial, limit = total_people + people, total_partial + partial, high
    if limit is None:
        return ""
    part = format_part(total_partial, total_people, f"up to {limit:.0f} px", "have")
    return (
        f" {part[0].upper()}{part[1:]} over {100 * MAX_OUTSIDE:.0f} % of their labelled joints "
        "outside the box: it holds the visible part, so these people are taller than their box."
    )


def encode_for_script(data: Mapping[str, Any]) -> Markup:
    """Encode JSON for a script element, which no "<" can end."""
    return Markup(json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"))
