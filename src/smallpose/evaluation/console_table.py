"""An evaluation as a table for the terminal: classes as columns, protocols as rows."""

from collections.abc import Mapping, Sequence
from typing import Any

from smallpose.evaluation.protocols import CLASSES

Numbers = Mapping[str, float | None]


def format_evaluation(
    protocols: Mapping[str, Numbers],
    people: Mapping[str, int],
    settings: Mapping[str, Any],
    notes: Sequence[str],
    intervals: Mapping[str, Mapping[str, Sequence[float] | None]] | None = None,
) -> str:
    """The table, people counts beneath it, then what the numbers depend on.

    AP at single thresholds stands beside `all`; a class without people says so.
    """
    heading = ["", "", "all", "@.50", "@.75", *(h for _, _, h in CLASSES[1:])]
    rows: list[list[str]] = []
    for protocol, numbers in protocols.items():
        for letter in ("AP", "AR"):
            if protocol == "recall" and letter == "AP":
                continue  # the same number twice would look like two
            names = _columns(protocol, letter)
            first = letter == "AP" or protocol == "recall"
            rows.append(
                [protocol if first else "", letter]
                + [format_number(numbers[name]) if name else "" for name in names]
            )
            if intervals:
                ends = intervals[protocol]
                rows.append(["", "95 %", *(_ends(ends[name]) if name else "" for name in names)])
    counts = ["people", "", f"{people['all']:,}", "", ""]
    counts += [f"{people[name]:,}" for name, _, _ in CLASSES[1:]]
    lines = format_table(heading, rows, counts)
    empty = [title for name, _, title in CLASSES if people[name] == 0]
    if empty:
        lines.append(f"n/a (0 people): {', '.join(empty)}")
    lines += ["", *_settings(settings)]
    lines += [f"note: {note}" for note in notes]
    return "\n".join(lines)


def _columns(protocol: str, letter: str) -> list[str]:
    """The metric of each column; "" where there is none."""
    single = protocol == "recall" or letter == "AP"
    names = [letter, *(["AP50", "AP75"] if single else ["", ""])]
    return names + [f"{letter}{suffix}" for _, suffix, _ in CLASSES[1:]]


def format_table(
    heading: Sequence[str], rows: Sequence[Sequence[str]], foot: Sequence[str] = (), left: int = 2
) -> list[str]:
    """Lines of a table, the first `left` columns flush left and the others right."""
    everything = [heading, *rows, *([foot] if foot else [])]
    widths = [max(len(row[i]) for row in everything) for i in range(len(heading))]
    rule = "─" * (sum(widths) + 2 * (len(widths) - 1))

    def line(cells: Sequence[str]) -> str:
        pairs = enumerate(zip(cells, widths, strict=True))
        return "  ".join(c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in pairs).rstrip()

    lines = [line(heading), rule, *(line(row) for row in rows), rule]
    return [*lines, line(foot)] if foot else lines


def format_number(value: float | None, digits: int = 4, sign: bool = False) -> str:
    """A share without its leading zero, or n/a.

    >>> number(0.5), number(1.0), number(-0.125, 3, sign=True), number(None)
    ('.5000', '1.0000', '-.125', 'n/a')
    """
    if value is None:
        return "n/a"
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 and text.lstrip("+-")[0] == "0" else text


def _ends(ends: Sequence[float] | None) -> str:
    return "n/a" if ends is None else f"{format_number(ends[0], 3)}–{format_number(ends[1], 3)}"


def _settings(settings: Mapping[str, Any]) -> list[str]:
    limits = " and ".join(f"{limit:,.0f}" for limit in settings["size_limits"])
    cap = settings["max_detections"]
    return [
        f"{settings['keypoints']}; size and OKS by {settings['area']}, of detections by "
        f"{settings['detection_area']}",
        f"S and M end at {limits} px²; K of the density: {settings['density_joints']}; coco counts "
        f"{'all' if cap is None else cap} detections per image",
    ]
