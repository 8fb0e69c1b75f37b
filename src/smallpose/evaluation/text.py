"""An evaluation as a table for the terminal: classes as columns, protocols as rows."""

from collections.abc import Mapping, Sequence
from typing import Any

from smallpose.evaluation.protocols import CLASSES


def as_text(
    protocols: Mapping[str, Mapping[str, float | None]],
    people: Mapping[str, int],
    settings: Mapping[str, Any],
    notes: Sequence[str],
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
            row = [protocol if letter == "AP" or protocol == "recall" else "", letter]
            row += [_number(numbers[letter])]
            single = protocol == "recall" or letter == "AP"
            row += [_number(numbers[f"AP{t}"]) if single else "" for t in (50, 75)]
            row += [_number(numbers[f"{letter}{suffix}"]) for _, suffix, _ in CLASSES[1:]]
            rows.append(row)
    counts = ["people", "", f"{people['all']:,}", "", ""]
    counts += [f"{people[name]:,}" for name, _, _ in CLASSES[1:]]
    widths = [max(len(r[i]) for r in (heading, counts, *rows)) for i in range(len(heading))]
    rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
    lines = [_line(heading, widths), rule, *(_line(r, widths) for r in rows), rule]
    lines.append(_line(counts, widths))
    empty = [heading for name, _, heading in CLASSES if people[name] == 0]
    if empty:
        lines.append(f"n/a (0 people): {', '.join(empty)}")
    lines += ["", *_wrapped(settings)]
    lines += [f"note: {note}" for note in notes]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.4f}".replace("0.", ".", 1)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    left = [cell.ljust(w) for cell, w in zip(cells[:2], widths[:2], strict=True)]
    right = [cell.rjust(w) for cell, w in zip(cells[2:], widths[2:], strict=True)]
    return "  ".join(left + right).rstrip()


def _wrapped(settings: Mapping[str, Any]) -> list[str]:
    limits = " and ".join(f"{limit:,.0f}" for limit in settings["size_limits"])
    cap = settings["max_found"]
    return [
        f"{settings['keypoints']}; size and OKS by {settings['area']}, of detections by "
        f"{settings['found_area']}",
        f"S and M end at {limits} px²; K of the density: {settings['density_joints']}; coco counts "
        f"{'all' if cap is None else cap} detections per image",
    ]
