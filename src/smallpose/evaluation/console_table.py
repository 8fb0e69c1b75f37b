"""An evaluation as a table for the terminal: classes as columns, protocols as rows."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from smallpose.core.counts import format_count
from smallpose.core.interval import Interval
from smallpose.core.table import build_text_table
from smallpose.evaluation.areas import OKS_AREAS
from smallpose.evaluation.comparability import format_comparability
from smallpose.evaluation.protocols import CLASSES

Metrics = Mapping[str, float | None]

WIDTH = 80  # of settings and notes, columns


def format_evaluation(
    protocols: Mapping[str, Metrics],
    people: Mapping[str, int],
    settings: Mapping[str, Any],
    notes: Sequence[str],
    intervals: Mapping[str, Mapping[str, Interval | None]],
) -> str:
    """Format the areas used, the metrics, the number of people, then settings and notes.

    AP at single thresholds is beside `all`; classes without people are listed.
    """
    heading = ["", "", "all", "@.50", "@.75", *(one.heading for one in CLASSES[1:])]
    rows: list[list[str]] = []
    for protocol, metrics in protocols.items():
        # Under `recall` AP and AR are equal; the same number twice would look like two.
        kinds = ("AR",) if protocol == "recall" else ("AP", "AR")
        for letters in kinds:
            names = _list_columns(protocol, letters)
            label = protocol if letters == kinds[0] else ""
            cells = [format_number(metrics[name]) if name else "" for name in names]
            rows.append([label, letters, *cells])
            if intervals:
                ends = intervals[protocol]
                cells = [format_interval(ends[name]) if name else "" for name in names]
                rows.append(["", "95 %", *cells])
    counts = ["people", "", f"{people['all']:,}", "", ""]
    counts += [f"{people[one.name]:,}" for one in CLASSES[1:]]
    table = build_text_table(heading, rows, counts, 2).to_text(names_unknown=False)
    lines = [*format_areas(settings), table]
    empty = [one.heading for one in CLASSES if people[one.name] == 0]
    if empty:
        lines.append(f"n/a (0 people): {', '.join(empty)}")
    lines.append("")
    for sentence in (*_format_settings(settings), *(f"note: {note}" for note in notes)):
        lines += textwrap.wrap(sentence, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(lines)


def fill_text(text: str) -> str:
    """Wrap a sentence at the width of settings and notes."""
    return textwrap.fill(text, WIDTH, break_on_hyphens=False)


def format_areas(settings: Mapping[str, Any]) -> list[str]:
    """Say in the header of a table which area scales OKS and which decides sizes."""
    return [
        f"{label} {OKS_AREAS.get(settings[key], settings[key])} (--{flag} {settings[key]})"
        for label, key, flag in (
            ("OKS scaled by", "oks_area", "oks-area"),
            ("Sizes by", "size_area", "size-area"),
        )
    ]


def _list_columns(protocol: str, letters: str) -> list[str]:
    """List the metric of each column; "" where there is none."""
    has_thresholds = protocol == "recall" or letters == "AP"
    names = [letters, *(["AP50", "AP75"] if has_thresholds else ["", ""])]
    return names + [f"{letters}{one.suffix}" for one in CLASSES[1:]]


def format_table(
    heading: Sequence[str], rows: Sequence[Sequence[str]], foot: Sequence[str] = (), left: int = 2
) -> list[str]:
    """Format lines of a table, the first `left` columns flush left and the others right."""
    return build_text_table(heading, rows, foot, left).to_text().splitlines()


def format_number(value: float | None, digits: int = 4, sign: bool = False) -> str:
    """Format a share without its leading zero, or n/a.

    >>> format_number(0.5), format_number(1.0), format_number(-0.125, 3, sign=True)
    ('.5000', '1.0000', '-.125')
    >>> format_number(None)
    'n/a'
    """
    if value is None:
        return "n/a"
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 and text.lstrip("+-")[0] == "0" else text


def format_interval(interval: Interval | None) -> str:
    """Format both ends with three digits, or n/a."""
    if interval is None:
        return "n/a"
    return f"{format_number(interval.low, 3)}–{format_number(interval.high, 3)}"


def _format_settings(settings: Mapping[str, Any]) -> list[str]:
    limits = " and ".join(f"{limit:,.0f}" for limit in settings["size_limits"])
    max_detections = settings["max_detections"]
    counted = "all detections"
    if max_detections is not None:
        counted = format_count(max_detections, "detection")
    return [
        f"Keypoints: {settings['keypoints']}. Area of detections: {settings['detection_area']}.",
        f"Small and medium people are below {limits} px². K of the keypoint density: "
        f"{settings['density_joints']}.",
        f"The protocol coco counts {counted} per image.",
        format_comparability(settings["comparable_to"]),
    ]
