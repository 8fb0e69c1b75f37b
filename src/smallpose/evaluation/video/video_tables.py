"""The evaluation of videos as JSON and as text."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smallpose.core.counts import format_count
from smallpose.core.instances import Instances
from smallpose.core.interval import Interval
from smallpose.core.predictions import Predictions
from smallpose.evaluation.console_table import WIDTH, format_number, format_table
from smallpose.evaluation.video.evaluate_video import VideoEvaluation, evaluate_video
from smallpose.evaluation.video.scene import Number, Rows
from smallpose.io.track_records import read_result_tracks, read_video_records

_IDENTITY = ("HOTA", "DetA", "AssA", "DetRe", "DetPr", "AssRe", "AssPr", "LocA", "IDF1")
_COLUMNS = {
    "tracks": "tracks",
    "windows": "windows",
    "jitter": "jitter, px",
    "jitter_of_height": "% of height",
    "acceleration": "acceler., px",
    "acceleration_of_height": "% of height",
}
_LABELLED_COLUMNS = {
    "tracks": "people",
    "windows": "windows",
    "jitter": "jitter, px",
    "label_jitter": "labels",
    "acceleration": "acceler., px",
    "label_acceleration": "labels",
    "acceleration_error": "error",
}
_SIZES = {"all": "all", "small": "S", "medium": "M", "large": "L"}


def build_video_section(
    truth: Instances, predictions: Predictions, paths: tuple[Path, Path], **options: Any
) -> tuple[dict[str, Any], str]:
    """Evaluate videos; return the numbers for JSON, and the text.

    Args:
        paths: of the ground truth and of the results, which have what the tables lack.
        options: as for `evaluate_video`.
    """
    records = read_video_records(paths[0], truth)
    tracks = read_result_tracks(paths[1], truth, predictions)
    result = evaluate_video(truth, predictions, records, tracks, **options)
    return to_dict(result), format_video(result, has_labels=bool(len(truth)))


def to_dict(result: VideoEvaluation) -> dict[str, Any]:
    """Return the numbers for JSON; a number with an interval is an object of the three."""
    return {
        "videos": result.videos,
        "frames": result.frames,
        "gaps": result.gaps,
        "identity": None if result.identity is None else _convert_row(result.identity),
        "posetrack": None if result.posetrack is None else _convert_row(result.posetrack),
        "joints": [{"name": name} | _convert_row(row) for name, row in result.joints.items()],
        "steadiness": {
            whose: {size: _convert_row(row) for size, row in rows.items()}
            for whose, rows in result.steadiness.items()
        },
        "notes": [*result.notes, *result.posetrack_notes],
    }


def _convert_row(row: Mapping[str, Number]) -> dict[str, Any]:
    return {
        name: {"value": one.value, "low": one.low, "high": one.high}
        if isinstance(one, Interval)
        else one
        for name, one in row.items()
    }


def format_video(result: VideoEvaluation, has_labels: bool = True) -> str:
    """Format all numbers for the terminal.

    Args:
        has_labels: there are people in the ground truth, and not frames alone.
    """
    videos = format_count(result.videos, "video", "videos")
    if has_labels:
        frames = format_count(result.frames, "labelled frame", "labelled frames")
        blocks = [_wrap(f"{videos}, {frames}")]
    else:
        frames = format_count(result.frames, "frame", "frames")
        left = "of the numbers only the steadiness of the tracks is measured"
        blocks = [_wrap(f"{videos}, {frames} without labels: {left}")]
    if result.identity is not None:
        blocks.append(_format_identity(result.identity))
    if result.posetrack is not None:
        notes = [_wrap(f"note: {note}", "  ") for note in result.posetrack_notes]
        blocks.append("\n".join([_format_posetrack(result.posetrack, result.joints), *notes]))
    titles = {
        "tracks": "steadiness of the tracks of the results with 3 frames in a row, sizes by boxes",
        "people": "steadiness of the predictions matched with labelled people (OKS .5)",
    }
    for whose, rows in result.steadiness.items():
        columns = _COLUMNS if whose == "tracks" else _LABELLED_COLUMNS
        blocks.append("\n".join([_wrap(titles[whose]), *_format_steadiness(rows, columns)]))
    if result.notes:
        blocks.append("\n".join(_wrap(f"note: {note}", "  ") for note in result.notes))
    return "\n\n".join(blocks)


def _wrap(text: str, indent: str = "") -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent=indent, break_on_hyphens=False)


def _get_value(one: Number) -> float | None:
    return one.value if isinstance(one, Interval) else one


def _format_identity(identity: Mapping[str, Number]) -> str:
    caption = "identity: HOTA with OKS as the similarity, and IDF1 at OKS .5"
    cells = [format_number(_get_value(identity[name]), 3) for name in _IDENTITY]
    rows = [["", *cells]]
    if any(isinstance(one, Interval) for one in identity.values()):
        rows.append(["95 % from", *(_format_end(identity[name], "low") for name in _IDENTITY)])
        rows.append(["to", *(_format_end(identity[name], "high") for name in _IDENTITY)])
    return "\n".join([_wrap(caption), *format_table(["", *_IDENTITY], rows, left=1)])


def _format_end(one: Number, end: str) -> str:
    return format_number(getattr(one, end), 3) if isinstance(one, Interval) else "n/a"


def _format_posetrack(averages: Mapping[str, Number], joints: Rows) -> str:
    caption = (
        "PoseTrack's AP and MOTA, joints within half a head, as poseval computes them; missed, "
        "false and switches: of all frames"
    )
    kinds = ("labelled", "missed", "false", "switches")
    rows = [
        [
            name,
            format_number(_get_value(row["AP"]), 3),
            format_number(_get_value(row["MOTA"]), 3),
            *("n/a" if row[kind] is None else f"{row[kind]:,}" for kind in kinds),
        ]
        for name, row in joints.items()
    ]
    mean = [format_number(_get_value(averages[name]), 3) for name in ("AP", "MOTA")]
    rows.append(["mean", *mean, "", "", "", ""])
    for end, label in (("low", "95 % from"), ("high", "to")):
        if isinstance(averages["AP"], Interval):
            ends = [_format_end(averages[name], end) for name in ("AP", "MOTA")]
            rows.append([label, *ends, "", "", "", ""])
    lines = [_wrap(caption), *format_table(["joint", "AP", "MOTA", *kinds], rows, left=1)]
    whole = _get_value(averages["MOTA_all_frames"])
    if whole is not None:
        lines.append(
            _wrap(
                f"MOTA of all frames: {format_number(whole, 3)} (poseval leaves out the last frame "
                "of a video, and counts a frame without predictions as one missed and one false "
                "joint)"
            )
        )
    return "\n".join(lines)


def _format_steadiness(rows: Rows, columns: Mapping[str, str]) -> list[str]:
    body: list[list[str]] = []
    for size, row in rows.items():
        body.append([_SIZES[size], *(_format_steady(name, row[name]) for name in columns)])
        if any(isinstance(row[name], Interval) for name in columns):
            body.append(["95 %", *(_format_steady_ends(name, row[name]) for name in columns)])
    return format_table(["", *columns.values()], body, left=1)


def _format_steady(name: str, one: Number) -> str:
    value = _get_value(one)
    if value is None:
        return "n/a"
    if name in ("tracks", "windows"):
        return f"{value:,}"
    return f"{100 * value:.2f}" if name.endswith("of_height") else f"{value:.2f}"


def _format_steady_ends(name: str, one: Number) -> str:
    if not isinstance(one, Interval):
        return ""
    factor = 100 if name.endswith("of_height") else 1
    return f"{factor * one.low:.2f}–{factor * one.high:.2f}"
