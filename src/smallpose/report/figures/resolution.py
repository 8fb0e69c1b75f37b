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
    add_legend_above,
    apply_theme,
    create_axes,
)
from smallpose.resolution.curve_file import CurveFile, CurveRecord

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
    if content.ceiling:
        axes.plot(
            [point.px for point in content.ceiling],
            100 * _list_values([point.AP for point in content.ceiling]),
            color=LIGHT.muted,
            lw=1.2,
            ls="--",
            label="perfect joints in whole pixels",
            zorder=1,
        )
    heights = sorted({p.px for s in content.models.values() for c in s.values() for p in c.heights})
    axes.set_xscale("log")
    axes.set_xticks(heights, [f"{px:g}" for px in heights])
    axes.set_xticks([], minor=True)
    axes.set_ylim(0, None)
    axes.set(xlabel="height of the people in the image, px", ylabel="AP, %")
    add_legend_above(axes)
    return apply_theme(figure)


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
    axes.hlines(level, left, right, color=colour, lw=1.2, ls=":", zorder=3)
    axes.annotate(
        f"{half.value:.0f}",
        (half.value, level),
        xytext=(6, -11),
        textcoords="offset points",
        fontsize=8,
        color=LIGHT.ink,
    )


def _list_values(values: list[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values])
