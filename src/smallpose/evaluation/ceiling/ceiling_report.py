"""The result of `smallpose ceiling` as JSON and as tables."""

import json
import textwrap
from dataclasses import dataclass
from typing import Any

from smallpose.core.counts import format_count
from smallpose.evaluation.areas import OKS_AREAS
from smallpose.evaluation.console_table import WIDTH, format_number, format_table

_CLASSES = ("AP", "AP50", "AP75", "AP_S", "AP_M", "AP_L")


@dataclass(frozen=True)
class CeilingPoint:
    """The best possible at one height.

    Args:
        px: height of the box.
        ap: with equal scores.
        ap_best_order: where every detection's score is its OKS.
        oks: mean over all people; 0 for those who are not detected.
        detected: share of people who are detected.
    """

    px: float
    ap: float | None
    ap_best_order: float | None
    oks: float | None
    detected: float | None

    def to_dict(self, people: int) -> dict[str, Any]:
        """Return the point for JSON."""
        return {
            "px": self.px,
            "people": people,
            "AP": self.ap,
            "AP_best_order": self.ap_best_order,
            "OKS": self.oks,
            "found": self.detected,
        }


@dataclass(frozen=True, eq=False)
class Curve:
    """One cause of imprecision along height, and on the file as it is.

    Args:
        name, label, title: for JSON, for the table and in words.
        points: by height.
        on_file: metrics of the people at their own size.
    """

    name: str
    label: str
    title: str
    points: tuple[CeilingPoint, ...]
    on_file: dict[str, float | None]


@dataclass(frozen=True)
class CeilingReport:
    """All curves.

    Args:
        curves: in the order of the table.
        people: who are scaled.
        placed: people at each height; each of them is placed several times where they are few.
        settings, notes: what the numbers depend on, and what a reader should know.
    """

    curves: tuple[Curve, ...]
    people: int
    placed: int
    settings: dict[str, Any]
    notes: tuple[str, ...]

    def to_json(self) -> str:
        """Return all numbers as JSON text."""
        content = {
            "curves": {
                curve.name: {
                    "title": curve.title,
                    "heights": [point.to_dict(self.placed) for point in curve.points],
                    "file": curve.on_file,
                }
                for curve in self.curves
            },
            "people": self.people,
            "settings": self.settings,
            "notes": list(self.notes),
        }
        return json.dumps(content, indent=1) + "\n"

    def __str__(self) -> str:
        return _format_report(self)


def _format_report(report: CeilingReport) -> str:
    heading = ["height, px", *(f"{height:g}" for height in report.settings["heights"])]
    merged = _merge_equal(report.curves)
    blocks = []
    for title, key in (
        ("Best possible AP by height of the box, all scores equal", "ap"),
        ("The same with the best order of scores", "ap_best_order"),
    ):
        rows = [
            [curve.label, *(format_number(getattr(point, key), 3) for point in curve.points)]
            for curve in merged
        ]
        if report.settings["heights"]:
            blocks.append("\n".join([title, *format_table(heading, rows, left=1)]))
    rows = [
        [curve.label, *(format_number(curve.on_file[name], 3) for name in _CLASSES)]
        for curve in merged
    ]
    title = "On the file as it is, all scores equal"
    blocks.append("\n".join([title, *format_table(["", *_CLASSES], rows, left=1)]))
    area = report.settings["oks_area"]
    sentences = [
        *(f"{curve.label}: {curve.title}{names}" for curve, names in merged.items()),
        f"{format_count(report.people, 'person', 'people')}, "
        f"{format_count(report.placed, 'placement')} at each height; OKS scaled by "
        f"{OKS_AREAS[area]} (--oks-area {area}). All people are detected in their own box, unless "
        "the codec loses them.",
        *(f"note: {note}" for note in report.notes),
    ]
    lines: list[str] = []
    for sentence in sentences:
        lines += textwrap.wrap(sentence, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    return "\n\n".join([*blocks, "\n".join(lines)])


def _merge_equal(curves: tuple[Curve, ...]) -> dict[Curve, str]:
    """Return the curves that differ, each with the methods that share it in brackets."""
    names: dict[str, list[str]] = {}
    for curve in curves:
        names.setdefault(curve.title, []).append(curve.name)
    first = {curve.title: curve for curve in reversed(curves)}
    causes = ("whole_pixels", "second_annotator", "two_annotators")
    return {
        first[title]: "" if shared[0] in causes else f" ({', '.join(shared)})"
        for title, shared in names.items()
    }
