"""Draw the latency of methods against their AP of small people."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from smallpose.core.counts import format_count
from smallpose.core.interval import Interval
from smallpose.report.figures.style import (
    LIGHT,
    SeriesStyle,
    add_legend_above,
    apply_theme,
    create_axes,
    get_series_style,
)
from smallpose.report.latency import Latency


@dataclass(frozen=True)
class LatencyPoint:
    """The latency of a run and its AP of small people."""

    label: str
    latency: Latency
    ap_small: Interval


def format_milliseconds(value: float) -> str:
    """Format a duration, such as `8.3 ms` or `1,520 ms`."""
    return f"{value:.1f} ms" if value < 100 else f"{value:,.0f} ms"


def draw_latency_against_ap(
    points: Sequence[LatencyPoint], styles: Sequence[SeriesStyle] = ()
) -> Figure:
    """Draw a point per run; whiskers are quartiles of time and 95 % intervals of AP_S."""
    figure, axes = create_axes(5.8, 3.6)
    axes.grid(axis="x", color=LIGHT.grid, lw=0.8)
    for index, p in enumerate(points):
        style = styles[index] if styles else get_series_style(index)
        ap = p.ap_small
        axes.hlines(ap.value, p.latency.low, p.latency.high, color=style.colour, lw=1.3)
        if ap.has_ends:
            axes.vlines(p.latency.median, ap.low, ap.high, color=style.colour, lw=1.3)
        label = f"{p.label} ({format_milliseconds(p.latency.median)})"
        axes.plot(
            [p.latency.median],
            [ap.value],
            color=style.colour,
            marker=style.marker,
            ms=7,
            ls="",
            label=label,
        )
    first = points[0].latency
    tops = [p.ap_small.high if p.ap_small.has_ends else p.ap_small.value for p in points]
    axes.set(xscale="log", ylim=(0, max(*tops, 1.0) * 1.1), ylabel="AP_S (owned), points")
    ends = [end for p in points for end in (p.latency.low, p.latency.high)]
    axes.set_xlim(min(ends) / 1.5, max(ends) * 1.5)
    ticks = [
        t
        for d in range(-1, 6)
        for m in (1, 2, 5)
        if min(ends) / 1.5 <= (t := m * 10.0**d) <= max(ends) * 1.5
    ]
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(
        f"ms per image of {first.people:.1f} people, {first.device}; median and quartiles of "
        f"{format_count(first.images, 'image')}",
        fontsize=8.5,
    )
    add_legend_above(axes)
    return apply_theme(figure)
