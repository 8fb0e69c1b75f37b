"""Draw AP of the same people against their height, one colour per model, one line per sensor."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from smallpose.report.figures.style import (
    LIGHT,
    LINES,
    MARKERS,
    SERIES,
    SMALL_TYPE,
    add_legend_above,
    apply_theme,
    create_axes,
)
from smallpose.resolution.curve_file import CurveFile, CurveRecord

_MAX_EMPTY_RATIO = 2.0  # of the lowest ceiling to the top of the curves
_MAX_BANDS = 2  # curves; the areas of more would hide each other


def draw_resolution(content: CurveFile) -> Figure:
    """Draw the curves; circles on the dotted lines mark where half of the AP is left.

    The dashed grey line is what perfect joints in whole pixels score.
    """
    figure, axes = create_axes(7.2, 4.0)
    num_curves = sum(map(len, content.models.values()))
    for index, (model, sensors) in enumerate(content.models.items()):
        colour = SERIES[index % len(SERIES)]
        for line, (sensor, curve) in enumerate(sensors.items()):
            label = f"{model}, {sensor}" if len(sensors) > 1 else model
            _draw_curve(axes, curve, label, colour, line, num_curves <= _MAX_BANDS)
    top = 1.05 * _find_top(content)
    if content.ceiling:
        top = _draw_ceiling(axes, content, top)
    heights = sorted({p.px for s in content.models.values() for c in s.values() for p in c.heights})
    axes.set_xscale("log")
    axes.set_xticks(heights, [f"{px:g}" for px in heights])
    axes.set_xticks([], minor=True)
    axes.set_ylim(0, top)
    axes.set(xlabel="height of the people in the image, px", ylabel="AP, %")
    add_legend_above(axes)
    return apply_theme(figure)


def _find_top(content: CurveFile) -> float:
    """Return the largest AP of the curves and the ends of their intervals, in percent."""
    points = [point.AP for s in content.models.values() for c in s.values() for point in c.heights]
    values = _list_values([end for one in points for end in (one.value, one.high)])
    return float(max(100 * np.nanmax(values, initial=0.0), 1.0))


def _draw_ceiling(axes: Axes, content: CurveFile, top: float) -> float:
    """Draw what perfect joints in whole pixels score; return the top of the axis.

    Far above the curves it is only named: they would be flat lines at the bottom.
    """
    values = 100 * _list_values([point.AP for point in content.ceiling])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    label = "limit of whole pixels"
    px = [point.px for point in content.ceiling]
    if low > _MAX_EMPTY_RATIO * top:
        ends = f"{low:.0f}" if round(low) == round(high) else f"{low:.0f} to {high:.0f}"
        label, px, values = f"{label}: {ends} %", [], values[:0]
        high = 0.0
    axes.plot(px, values, color=LIGHT.muted, lw=1.2, ls="--", label=label, zorder=1)
    return max(top, 1.02 * high)


def _draw_curve(
    axes: Axes, curve: CurveRecord, label: str, colour: str, line: int, has_band: bool
) -> None:
    px = np.array([point.px for point in curve.heights])
    ap = 100 * _list_values([point.AP.value for point in curve.heights])
    low = 100 * _list_values([point.AP.low for point in curve.heights])
    high = 100 * _list_values([point.AP.high for point in curve.heights])
    axes.plot(
        px,
        ap,
        color=colour,
        ls=LINES[line % len(LINES)],
        marker=MARKERS[line % len(MARKERS)],
        ms=4,
        lw=1.8,
        label=label,
        zorder=3,
    )
    if has_band:
        axes.fill_between(px, low, high, color=colour, alpha=0.10, lw=0, zorder=1)
    else:
        axes.vlines(px, low, high, color=colour, lw=1, alpha=0.6, zorder=2)
    half = curve.half_ap_px
    if half.value is None:
        return
    level = ap[-1] / 2
    axes.plot([half.value], [level], "o", ms=9, mfc="none", mec=colour, mew=1.6, zorder=4)
    left = px[0] if half.low is None else half.low
    right = half.value if half.high is None else half.high
    text = f"{half.value:.0f}"
    if half.high is None and half.between is not None:
        left, right = half.between
        text = f"{left:.0f}–{right:.0f}"
    axes.hlines(level, left, right, color=colour, lw=1.2, ls=":", zorder=3)
    axes.annotate(
        text,
        (half.value, level),
        xytext=(6, -11),
        textcoords="offset points",
        fontsize=SMALL_TYPE,
        color=LIGHT.ink,
    )


def _list_values(values: list[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values])
