"""Draw statistics of data sets, several side by side (Figs. 1a, 2, 3, 7, 8)."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.density import DENSITIES
from smallpose.core.sizes import SIZES
from smallpose.report.figures.style import (
    DENSITY_COLOURS,
    LIGHT,
    ON_COLOUR,
    ON_PALE,
    SIZE_COLOURS,
    SMALL_TYPE,
    SOURCE_COLOURS,
    add_legend_above,
    apply_theme,
    create_axes,
    create_figure,
    draw_steps,
    get_series_style,
    hide_frame,
    is_dark,
)
from smallpose.report.images.contact_sheet import SOURCE_NAMES
from smallpose.stats.counts import Counts
from smallpose.stats.dataset_counts import Crowding
from smallpose.stats.distributions import AREA_NAMES, Histogram
from smallpose.stats.mean_interval import Estimate

MAX_STEPS = 3  # sets whose steps can be told apart in one figure
MIN_WIDTH = 15  # per cent of a bar that has room for its numbers


def draw_composition(sources: Mapping[str, Counts]) -> Figure:
    """Draw people by source as a ring, with numbers (Fig. 1a)."""
    figure = create_figure(5.8, 3.0)
    axes = figure.add_axes((0.02, 0.04, 0.5, 0.92))
    people = {name: c.people for name, c in sources.items() if c.people}
    total = sum(people.values())
    axes.set_axis_off()
    axes.pie(
        list(people.values()) or [1],
        colors=[SOURCE_COLOURS[name] for name in people] or [LIGHT.grid],
        startangle=90,
        counterclock=False,
        wedgeprops={"width": 0.32, "edgecolor": LIGHT.paper, "linewidth": 2},
    )
    axes.text(0, 0.08, f"{total:,}", ha="center", va="center", size=17, weight="bold")
    axes.text(0, -0.18, "people", ha="center", va="center", color=LIGHT.muted)
    legend = figure.add_axes((0.55, 0.04, 0.44, 0.92))
    legend.set_axis_off()
    legend.set(xlim=(0, 1), ylim=(0, 1))
    step = min(0.17, 0.9 / max(len(people), 1))
    for index, (name, n) in enumerate(people.items()):
        y = 0.5 + step * ((len(people) - 1) / 2 - index)
        legend.scatter([0.03], [y], s=90, color=SOURCE_COLOURS[name], marker="s")
        legend.text(0.10, y, SOURCE_NAMES[name], va="center", color=LIGHT.ink)
        legend.text(0.74, y, f"{n:,}", va="center", ha="right", color=LIGHT.ink)
        legend.text(0.98, y, f"{100 * n / total:.1f} %", va="center", ha="right", color=LIGHT.muted)
    return apply_theme(figure)


def draw_areas(sets: Mapping[str, Histogram]) -> Figure:
    """Draw the share of people by box area (Figs. 2, 8b)."""
    figure, axes = create_axes(5.8, 3.4)
    bins = len(AREA_NAMES) - 1
    width = 0.82 / max(len(sets), 1)
    for index, (name, histogram) in enumerate(sets.items()):
        x = np.arange(bins) + (index - (len(sets) - 1) / 2) * width
        label = f"{name} ({histogram.total:,})"
        axes.bar(
            x,
            100 * histogram.shares,
            width * 0.94,
            label=label,
            **get_series_style(index).bar_options(),
        )
        if len(sets) <= 4:
            # A bin whose bar is too low to be seen may have people, so empty bins are marked.
            for position in x[histogram.counts == 0] if histogram.total else ():
                axes.text(
                    position, 0, "0", ha="center", va="bottom", size=SMALL_TYPE, color=LIGHT.muted
                )
    top = max((100 * h.shares.max() for h in sets.values()), default=1.0) or 1.0
    axes.set(ylim=(0, top * 1.18), xlim=(-0.6, bins - 0.4))
    # The limits of the size classes fall between bins 3 | 4 and 5 | 6.
    for edge in (3.5, 5.5):
        axes.axvline(edge, color=LIGHT.muted, lw=1, ls=(0, (4, 3)), zorder=0)
    for middle, name in zip((1.5, 4.5, 6.0), SIZES, strict=True):
        axes.text(middle, top * 1.11, name, ha="center", color=LIGHT.muted, size=9)
    between = [f"{a}\nto\n{b}" for a, b in pairwise(AREA_NAMES[1:-1])]
    ticks = [f"below\n{AREA_NAMES[1]}", *between, f"from\n{AREA_NAMES[-2]}"]
    axes.set_xticks(range(bins), ticks, fontsize=SMALL_TYPE)
    axes.set_ylabel("people, %")
    axes.set_xlabel("box area, px²")
    add_legend_above(axes)
    return apply_theme(figure)


def draw_crowding(
    sets: Mapping[str, Crowding], means: Mapping[str, Estimate] | None = None
) -> Figure:
    """Draw the share of images by CrowdIndex, with each set's mean and its interval (Fig. 3).

    Args:
        sets: CrowdIndex of the images by name of the set.
        means: of each set (default: of images that are all independent).
    """
    figure, axes = create_axes(5.8, 3.3)
    shares = {name: 100 * crowd.histogram.shares for name, crowd in sets.items()}
    top = max((float(v.max()) for v in shares.values()), default=1.0) or 1.0
    headroom = top * (0.05 + 0.05 * len(sets))
    for index, (name, crowd) in enumerate(sets.items()):
        mean = (means or {}).get(name) or crowd.estimate
        style = get_series_style(index)
        label = (
            f"{name} (mean {_format_interval(mean)}, "
            f"{format_count(crowd.histogram.total, 'image')})"
        )
        draw_steps(axes, crowd.histogram.edges, shares[name], style, label, fill=len(sets) <= 2)
        y = top + headroom * (1 - (index + 0.5) / len(sets))
        axes.plot(
            [max(mean.low, 0.0), mean.high],
            [y, y],
            color=style.colour,
            lw=2.5,
            solid_capstyle="butt",
        )
        axes.plot([mean.value], [y], color=style.colour, marker=style.marker, ms=4.5)
    axes.set(xlim=(0, 1), xlabel="CrowdIndex; marks are means with 95 % intervals")
    axes.set(ylim=(0, top + headroom), ylabel="images, %")
    axes.set_yticks([t for t in axes.get_yticks() if t <= top])
    # The last bin has all images from its lower edge on, also those above 1.
    edges = next((crowd.histogram.edges for crowd in sets.values()), np.linspace(0, 1, 11))
    ticks = [t for t in (0.0, 0.2, 0.4, 0.6, 0.8) if t < edges[-2]]
    axes.set_xticks(
        [*ticks, float(edges[-2:].mean())], [*(f"{t:g}" for t in ticks), f"≥ {edges[-2]:g}"]
    )
    add_legend_above(axes)
    return apply_theme(figure)


def _format_interval(mean: Estimate) -> str:
    if not np.isfinite(mean.value):
        return "–"
    if not np.isfinite(mean.low):
        return f"{mean.value:.2f}"
    return f"{mean.value:.2f} ± {(mean.high - mean.low) / 2:.2f}"


def draw_people_per_image(sets: Mapping[str, NDArray[np.int64]]) -> Figure:
    """Draw the distribution of people per image, on a logarithmic axis for its tail (Fig. 7).

    Up to three sets are drawn as the share of images with each number of people; more, as the
    share with at least that number, because lines that only fall can be told apart.

    Args:
        sets: (n + 1,) numbers of images with 0, 1, 2 … n people, by name of the set.
    """
    is_cumulative = len(sets) > MAX_STEPS
    figure, axes = create_axes(5.8, 3.3 + 0.1 * max(len(sets) - MAX_STEPS, 0))
    max_people = max((len(c) - 1 for c in sets.values()), default=1)
    for index, (name, counts) in enumerate(sets.items()):
        images = int(counts[1:].sum())
        mean = float((counts * np.arange(len(counts))).sum() / max(images, 1))
        shares = 100 * counts[1:] / max(images, 1)
        style = get_series_style(index)
        label = (
            f"{name} (mean {mean:.1f}, maximum {len(counts) - 1}, {format_count(images, 'image')})"
        )
        if is_cumulative:
            at_least = np.cumsum(shares[::-1])[::-1]
            x = np.arange(1, len(counts))
            axes.plot(x, at_least, color=style.colour, ls=style.line, lw=2, label=label, zorder=3)
            continue
        # Numbers of people that no image has are gaps in the line.
        axes.stairs(
            np.where(shares > 0, shares, np.nan),
            np.arange(1, len(counts) + 1, dtype=np.float64) - 0.5,
            baseline=None,
            color=style.colour,
            ls=style.line,
            lw=2,
            label=label,
            zorder=3,
        )
    low, high = (1, max(max_people, 2)) if is_cumulative else (0.5, max(max_people, 2) + 0.5)
    what = "people in an image, or more" if is_cumulative else "people in an image"
    axes.set(xlim=(low, high), xlabel=what, ylabel="images, %")
    if any(counts[1:].any() for counts in sets.values()):
        axes.set_yscale("log")
    if is_cumulative:
        # Sets differ most among few people; a set with one crowd must not squeeze the others.
        axes.set_xscale("log")
        ticks = [t for t in (1, 2, 5, 10, 20, 50, 100, 200, 500) if t <= high]
        axes.set_xticks(ticks, [str(t) for t in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    add_legend_above(axes)
    return apply_theme(figure)


def draw_classes(sets: Mapping[str, Counts]) -> Figure:
    """Draw the size classes, and the density classes of small people (Fig. 8a and c)."""
    rows = max(len(sets), 1)
    figure = create_figure(5.8, 1.25 + 0.78 * rows)
    grid = figure.add_gridspec(1, 2, wspace=0.09)
    for column, (title, names, colours) in enumerate(
        (
            ("people by size", SIZES, SIZE_COLOURS),
            ("small people by keypoint density", DENSITIES, DENSITY_COLOURS),
        )
    ):
        axes = figure.add_subplot(grid[0, column])
        hide_frame(axes)
        axes.set_title(title, loc="left", fontsize=10, color=LIGHT.ink, pad=24)
        for y, counts in enumerate(sets.values()):
            parts = counts.sizes if column == 0 else counts.densities
            _draw_stack(axes, y, dict(zip(names, parts, strict=True)), colours)
        axes.set(xlim=(0, 100), ylim=(rows - 0.45, -0.55))
        axes.set_yticks(range(rows), list(sets) if column == 0 else [""] * rows)
        keys = [Patch(color=colours[name], label=name) for name in names]
        axes.legend(
            handles=keys,
            loc="lower left",
            bbox_to_anchor=(-0.02, 1.0),
            ncols=3,
            frameon=False,
            labelcolor=LIGHT.muted,
            fontsize=8.5,
            handlelength=0.9,
            handleheight=0.9,
            columnspacing=1.2,
            handletextpad=0.5,
            borderaxespad=0.1,
        )
    return apply_theme(figure)


def _draw_stack(axes: Axes, y: float, parts: Mapping[str, int], colours: Mapping[str, str]) -> None:
    """Draw a bar of classes with their numbers; those of narrow classes are below the bar."""
    total, left = max(sum(parts.values()), 1), 0.0
    if not sum(parts.values()):
        axes.text(1, y, "no people", va="center", size=SMALL_TYPE, color=LIGHT.muted)
        return
    below = []
    for name, n in parts.items():
        width = 100 * n / total
        axes.barh(y, width, 0.5, left=left, color=colours[name])
        if width > MIN_WIDTH:
            ink = ON_COLOUR if is_dark(colours[name]) else ON_PALE
            text = f"{n:,}\n{width:.0f} %"
            axes.text(
                left + width / 2, y, text, ha="center", va="center", size=SMALL_TYPE, color=ink
            )
        else:
            below.append(f"{name} {n:,} ({_format_share(width)})")
        left += width
    axes.text(
        100, y + 0.28, " · ".join(below), ha="right", va="top", size=SMALL_TYPE, color=LIGHT.muted
    )


def _format_share(percent: float) -> str:
    """Format a share of a small class, so that people who exist are not 0 %."""
    return "<1 %" if 0 < percent < 0.5 else f"{percent:.0f} %"
