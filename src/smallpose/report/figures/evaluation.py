"""Draw one evaluation: AP by class under each protocol, AP along density or height (Fig. 4a).

Whiskers are 95 % intervals, where the evaluation has them; a class or bin without people is a gap
and not a zero.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from smallpose.core.counts import format_count
from smallpose.core.density import DENSE_FROM, SPARSE_BELOW
from smallpose.evaluation.analysis.binned_ap import Bin
from smallpose.evaluation.evaluate import Evaluation
from smallpose.report.figures import (
    LIGHT,
    SERIES,
    add_legend_above,
    apply_theme,
    create_axes,
    save_figure,
)

# Metric, label, and the name of the class in `Evaluation.people`.
CLASSES = (
    ("AP", "all", "all"),
    ("AP_S", "small", "small"),
    ("AP_M", "medium", "medium"),
    ("AP_L", "large", "large"),
    ("AP_S_sparse", "sparse", "sparse"),
    ("AP_S_moderate", "moderate", "moderate"),
    ("AP_S_dense", "dense", "dense"),
)
AXES = {"density": "keypoint density (Eq. 3)", "height": "height of the person's box, px"}


def draw_class_bars(result: Evaluation) -> Figure:
    """Draw bars by class, one colour per protocol, with the number of people below."""
    figure, axes = create_axes(7.2, 3.6)
    width = 0.8 / len(result.protocols)
    for index, (protocol, metrics) in enumerate(result.protocols.items()):
        intervals = result.intervals.get(protocol, {})
        positions = np.arange(len(CLASSES)) + (index - (len(result.protocols) - 1) / 2) * width
        values = [metrics[key] for key, *_ in CLASSES]
        heights = [np.nan if value is None else 100 * value for value in values]
        colour = SERIES[index]
        axes.bar(positions, heights, width * 0.92, color=colour, label=protocol, zorder=2)
        for x, height, (key, *_) in zip(positions, heights, CLASSES, strict=True):
            interval = intervals.get(key)
            if interval is not None:
                low, high = 100 * interval.low, 100 * interval.high
                axes.vlines(x, low, high, color=LIGHT.ink, lw=1.2, zorder=3)
            elif np.isnan(height):
                axes.text(x, 1, "n/a", ha="center", fontsize=8.5, color=LIGHT.muted, rotation=90)
    labels = [f"{name}\n{result.people[key]:,}" for _, name, key in CLASSES]
    axes.set_xticks(range(len(CLASSES)), labels)
    axes.axvline(3.5, color=LIGHT.grid, lw=1)
    tops = [bar.get_height() for bar in axes.patches if isinstance(bar, Rectangle)]
    tops += [100 * ends.high for one in result.intervals.values() for ends in one.values() if ends]
    axes.set(ylim=(0, _fit_top(tops)), ylabel="AP, %")
    axes.set_xlabel(
        "class and number of people; the last three are small people by keypoint density"
    )
    add_legend_above(axes)
    return apply_theme(figure)


def draw_ap_along_scale(name: str, bins: Sequence[Bin], ceiling: Sequence[Bin] = ()) -> Figure:
    """Draw AP (`owned`) in bins of people, each over its range of values, with their mean.

    Args:
        ceiling: the best AP that joints in whole pixels leave in the same bins; a grey line.
    """
    figure, axes = create_axes(6.2, 3.6)
    shown = [b for b in bins if b.ap is not None]
    for b in shown:
        axes.hlines(100 * (b.ap or 0.0), b.low, b.high, color=SERIES[0], lw=3, zorder=3)
        if b.interval is not None:
            low, high = 100 * b.interval.low, 100 * b.interval.high
            axes.vlines(b.mean, low, high, color=SERIES[0], lw=1.2, zorder=2)
    axes.plot(
        [b.mean for b in shown],
        [100 * (b.ap or 0.0) for b in shown],
        color=SERIES[0],
        lw=1,
        alpha=0.5,
        zorder=1,
    )
    tops = [100 * (b.interval.high if b.interval else b.ap or 0.0) for b in shown]
    top = _fit_top(tops)
    axes.set(ylim=(0, top), xlabel=AXES[name], ylabel="AP (owned), %")
    ceiling_label = _draw_ceiling(axes, [b for b in ceiling if b.ap is not None], top)
    if name == "density":
        _draw_density_bands(axes, top)
    else:
        axes.set_xscale("log")
        ticks = [t for t in (8, 16, 32, 64, 128, 256, 512, 1024) if shown and t <= shown[-1].high]
        axes.set_xticks(ticks, [str(t) for t in ticks])
        axes.set_xticks([], minor=True)
    people = sum(b.people for b in bins)
    title = (
        f"{format_count(people, 'person', 'people')} in "
        f"{format_count(len(bins), 'bin')}{ceiling_label}"
    )
    axes.set_title(title, loc="left", fontsize=9, color=LIGHT.muted)
    return apply_theme(figure)


def _draw_ceiling(axes: Axes, ceiling: Sequence[Bin], top: float) -> str:
    """Draw the grey line of what whole pixels leave, and return a line for the title."""
    if not ceiling:
        return ""
    values = [100 * (b.ap or 0.0) for b in ceiling]
    axes.plot([b.mean for b in ceiling], values, color=LIGHT.muted, lw=1.2, ls="--", zorder=1)
    low, high = (f"{value:.0f}" for value in (min(values), max(values)))
    label = f"dashed: perfect joints in whole pixels, {low} to {high} %"
    if low == high:
        label = f"dashed: perfect joints in whole pixels, {low} %"
    return f"\n{label}, above this axis" if min(values) > top else f"\n{label}"


def _fit_top(values: Iterable[float]) -> float:
    """Return the upper end of an axis in percent: a little above the largest value."""
    known = [value for value in values if np.isfinite(value)]
    return min(max(1.12 * max(known, default=0.0), 5.0), 100.0)


def _draw_density_bands(axes: Axes, top: float) -> None:
    axes.set_xlim(0, 1)
    for edge in (SPARSE_BELOW, DENSE_FROM):
        axes.axvline(edge, color=LIGHT.grid, lw=1)
    for x, word in ((SPARSE_BELOW / 2, "sparse"), (0.65, "moderate"), (0.975, "dense")):
        axes.text(x, 0.97 * top, word, ha="center", va="top", fontsize=8.5, color=LIGHT.muted)


def save_figures(
    result: Evaluation,
    along: Mapping[str, Sequence[Bin]],
    folder: Path,
    ceilings: Mapping[str, Sequence[Bin]] | None = None,
    model: str = "",
) -> None:
    """Write `ap_by_class` and `ap_along_<scale>` as PNG and SVG.

    Args:
        along: bins of AP by scale.
        ceilings: the best AP that joints in whole pixels leave, by scale.
        model: the name in the titles; without it the figures have none.
    """
    title = f"{model}: AP by class" if model else ""
    save_figure(draw_class_bars(result), folder, "ap_by_class", title)
    for name, bins in along.items():
        if bins:
            ceiling = (ceilings or {}).get(name, ())
            figure = draw_ap_along_scale(name, bins, ceiling)
            title = f"{model}: AP along {name}" if model else ""
            save_figure(figure, folder, f"ap_along_{name}", title)
