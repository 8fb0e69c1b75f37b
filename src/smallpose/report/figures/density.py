"""Draw AP against keypoint density for several methods, with intervals (Fig. 4a)."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from smallpose.core.counts import format_count
from smallpose.core.density import DENSE_FROM, SPARSE_BELOW
from smallpose.evaluation.analysis.binned_ap import Bin
from smallpose.report.figures.style import (
    DENSITY_COLOURS,
    LIGHT,
    SeriesStyle,
    add_legend_above,
    apply_theme,
    create_axes,
    get_series_style,
)

BANDS = {
    "sparse": (0.0, SPARSE_BELOW),
    "moderate": (SPARSE_BELOW, DENSE_FROM),
    "dense": (DENSE_FROM, 1.0),
}


def draw_ap_against_density(
    methods: Mapping[str, Sequence[Bin]], styles: Sequence[SeriesStyle] = ()
) -> Figure:
    """Draw AP (`owned`) in bins of equally many small people, with 95 % intervals.

    Args:
        methods: bins along the density by label; all methods have the same people in them.
        styles: of the methods (default: a series of colours).
    """
    figure, axes = create_axes(5.8, 3.6)
    top = max(
        (
            b.interval.high if b.interval else b.ap
            for bins in methods.values()
            for b in bins
            if b.ap is not None
        ),
        default=1.0,
    )
    height = max(100 * top * 1.16, 1.0)
    for name, (low, high) in BANDS.items():
        axes.axvspan(low, high, color=DENSITY_COLOURS[name], alpha=0.10, lw=0, zorder=0)
        axes.text(
            (low + high) / 2,
            height * 0.985,
            name,
            ha="center",
            va="top",
            size=8.5,
            color=LIGHT.muted,
            rotation=90 if high - low < 0.1 else 0,
        )
    people = 0
    for index, (label, bins) in enumerate(methods.items()):
        # Methods are shifted within a bin, or their whiskers would hide each other.
        shift = (index - (len(methods) - 1) / 2) * 0.006
        x = np.array([b.mean + shift for b in bins])
        ap = np.array([np.nan if b.ap is None else 100 * b.ap for b in bins])
        style = styles[index] if styles else get_series_style(index)
        axes.plot(
            x,
            ap,
            color=style.colour,
            ls=style.line,
            lw=1.4,
            marker=style.marker,
            ms=4.5,
            label=label,
            zorder=3,
        )
        intervals = [None if b.ap is None else b.interval for b in bins]
        whiskers = [
            (position, 100 * one.low, 100 * one.high)
            for position, one in zip(x, intervals, strict=True)
            if one is not None
        ]
        if whiskers:
            axes.vlines(*zip(*whiskers, strict=True), color=style.colour, lw=1.3, zorder=2)
        people = max(people, sum(b.people for b in bins))
    num_bins = max((len(b) for b in methods.values()), default=0)
    axes.set(xlim=(0, 1), ylim=(0, height), ylabel="AP (owned), points")
    axes.set_xlabel(
        f"keypoint density (Eq. 3)\n{format_count(people, 'small person', 'small people')} in "
        f"{format_count(num_bins, 'bin')} of equally many; "
        "whiskers: 95 % intervals",
        fontsize=8.5,
    )
    add_legend_above(axes)
    return apply_theme(figure)
