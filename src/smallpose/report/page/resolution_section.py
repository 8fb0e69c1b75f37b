"""The section on resolution: curves that `smallpose resolution` measured, in its `curve.json`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smallpose.core.interval import Interval
from smallpose.core.table import Cell, Column, Table
from smallpose.report import figures
from smallpose.report.dataset_report import FigureSpec
from smallpose.report.figures.resolution import draw_resolution
from smallpose.report.page.context import render_figure, render_table
from smallpose.report.tables.files import save_table
from smallpose.resolution.curve_file import (
    NAME,
    CurveFile,
    CurveRecord,
    HalfHeightRecord,
    read_curve_file,
)

_ALT = "AP of the same people against their height in px; the tables below have the same numbers"


def split_resolution_folders(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Split the paths of a report into those of results and folders of `smallpose resolution`."""
    folders = [path for path in paths if (path / NAME).is_file()]
    return [path for path in paths if path not in folders], folders


def build_resolution_context(folders: Sequence[Path], out: Path) -> dict[str, Any]:
    """Write the figures and tables of the folders, and build the values of the section."""
    return {
        "resolutions": [_build_study(folder, index, out) for index, folder in enumerate(folders)]
    }


def _build_study(folder: Path, index: int, out: Path) -> Mapping[str, Any]:
    content = read_curve_file(folder)
    name = f"resolution_{index + 1}"
    title = f"AP by height of the same people: {folder.resolve().name}"
    spec = FigureSpec(name, title, _ALT, lambda: draw_resolution(content))
    svg = figures.save_figure(spec.draw(), out / "figures", name, title)
    tables = [_build_half_table(content, f"{name}_half"), _build_curve_table(content, name)]
    for table in tables:
        save_table(table, out / "tables")
    return {
        "figure": render_figure(spec, svg),
        "half": render_table(tables[0]),
        "curves": render_table(tables[1]),
        "notes": content.notes,
    }


def _build_half_table(content: CurveFile, name: str) -> Table:
    """Build the heights at which half of the AP is left, one row per model and sensor."""
    columns = (
        Column("model"),
        Column("sensor"),
        Column("AP at the largest height", "points"),
        Column("half of it is left at, px"),
    )
    rows: list[tuple[Cell, ...]] = [
        (model, sensor, _to_points(curve), describe_half_height(curve.half_ap_px))
        for model, sensors in content.models.items()
        for sensor, curve in sensors.items()
    ]
    return Table(name, "Height at which half of the AP is left", columns, tuple(rows))


def _build_curve_table(content: CurveFile, name: str) -> Table:
    columns = (
        Column("model"),
        Column("sensor"),
        Column("height, px", "count"),
        Column("people", "count"),
        *(Column(metric, "points") for metric in ("AP", "OKS", "found", "PCK")),
    )
    rows: list[tuple[Cell, ...]] = []
    for model, sensors in content.models.items():
        for sensor, curve in sensors.items():
            for p in reversed(curve.heights):
                values = [one.to_interval(100.0) for one in (p.AP, p.OKS, p.found, p.PCK)]
                rows.append((model, sensor, round(p.px), p.people, *values))
    return Table(name, "The same people at every height", columns, tuple(rows))


def _to_points(curve: CurveRecord) -> Interval | None:
    return curve.heights[-1].AP.to_interval(100.0) if curve.heights else None


def describe_half_height(half: HalfHeightRecord) -> str:
    """Describe the height as `58 (51 to 66)`, `less than 16`, or a dash where there is none.

    >>> describe_half_height(HalfHeightRecord(58.2, 51.0, 66.4))
    '58 (51 to 66)'
    >>> describe_half_height(HalfHeightRecord(below=16.0, high=18.0))
    'less than 16 (up to 18)'
    >>> describe_half_height(HalfHeightRecord(68.0, between=(48.0, 96.0)))
    'between 48 and 96'
    """
    if half.value is None:
        if half.below is None:
            return "–"
        return f"less than {half.below:.0f}" + (f" (up to {half.high:.0f})" if half.high else "")
    if half.high is None and half.between is not None:
        return "between {:.0f} and {:.0f}".format(*half.between)
    if half.high is None:
        return f"{half.value:.0f}"
    low = "less" if half.low is None else f"{half.low:.0f}"
    return f"{half.value:.0f} ({low} to {half.high:.0f})"
