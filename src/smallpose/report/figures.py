"""Figures: data in, a matplotlib Figure back, all in one style.

The colours can be told apart by colour-blind readers (Okabe and Ito's) and mean the same thing in
every figure. Figures are drawn for paper; `by_night` turns an SVG of ours dark without drawing it
again. The same data give the same bytes.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from smallpose.core.density import DENSITIES
from smallpose.core.files import write_whole
from smallpose.core.sizes import SIZES
from smallpose.core.skeleton import SMALLPOSE, Skeleton
from smallpose.report import paper
from smallpose.report.drawing import joint_side, limbs
from smallpose.report.people import Curve
from smallpose.report.results import Run
from smallpose.report.sheets import SOURCE_NAMES
from smallpose.stats.counts import Counts
from smallpose.stats.distributions import AREA_NAMES, Histogram

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Theme:
    """What changes between day and night."""

    ink: str
    quiet: str
    grid: str
    paper: str


LIGHT = Theme(ink="#1b1f24", quiet="#5b6470", grid="#dfe3e8", paper="#ffffff")
DARK = Theme(ink="#e8eaed", quiet="#a3acb8", grid="#353b44", paper="#15181d")

# Letters on coloured areas stay as they are by night, so they are none of the four of the theme.
ON_COLOUR, ON_PALE = "#fefefe", "#101418"

SIZE_COLOURS = dict(zip(SIZES, ("#0072B2", "#56B4E9", "#B5BDC8"), strict=True))
DENSITY_COLOURS = dict(zip(DENSITIES, ("#F0C36D", "#E69F00", "#B4530A"), strict=True))
SETTING_COLOURS = {"A": "#8C96A3", "B": "#009E73"}
SOURCE_COLOURS = {
    "coco": "#0072B2",
    "mpii": "#E69F00",
    "aic": "#009E73",
    "hieve": "#CC79A7",
    "posetrack": "#56B4E9",
    "": "#8C96A3",
}
# Sets side by side; also runs that are neither A nor B.
SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C96A3")
CLASSES = {
    "AP": "all",
    "AP_S": "small",
    "AP_M": "medium",
    "AP_L": "large",
    "AP_S_sparse": "sparse",
    "AP_S_moderate": "moderate",
    "AP_S_dense": "dense",
}
_RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "svg.hashsalt": "smallpose",
    "svg.fonttype": "path",
    "axes.unicode_minus": True,
}


def composition(sources: Mapping[str, Counts]) -> Figure:
    """People by source as a ring, with numbers (Fig. 1a)."""
    figure = _figure(5.8, 3.0)
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
    axes.text(0, -0.18, "people", ha="center", va="center", color=LIGHT.quiet)
    legend = figure.add_axes((0.55, 0.04, 0.44, 0.92))
    legend.set_axis_off()
    legend.set(xlim=(0, 1), ylim=(0, 1))
    step = min(0.17, 0.9 / max(len(people), 1))
    for number, (name, n) in enumerate(people.items()):
        y = 0.5 + step * ((len(people) - 1) / 2 - number)
        legend.scatter([0.03], [y], s=90, color=SOURCE_COLOURS[name], marker="s")
        legend.text(0.10, y, SOURCE_NAMES[name], va="center", color=LIGHT.ink)
        legend.text(0.74, y, f"{n:,}", va="center", ha="right", color=LIGHT.ink)
        legend.text(0.98, y, f"{100 * n / total:.1f} %", va="center", ha="right", color=LIGHT.quiet)
    return finished(figure)


# A standing figure seen from the front: its left side is on our right.
_STANDING = {
    "nose": (0, 8.35),
    "head_top": (0, 9.3),
    "left_eye": (0.28, 8.65),
    "right_eye": (-0.28, 8.65),
    "left_ear": (0.62, 8.45),
    "right_ear": (-0.62, 8.45),
    "head_bottom": (0, 7.5),
    "chest": (0, 6.75),
    "left_shoulder": (1.15, 6.75),
    "right_shoulder": (-1.15, 6.75),
    "left_elbow": (1.75, 5.45),
    "right_elbow": (-1.75, 5.45),
    "left_wrist": (2.2, 4.25),
    "right_wrist": (-2.2, 4.25),
    "left_hip": (0.68, 4.35),
    "right_hip": (-0.68, 4.35),
    "pelvis": (0, 4.35),
    "left_knee": (0.85, 2.35),
    "right_knee": (-0.85, 2.35),
    "left_ankle": (0.95, 0.35),
    "right_ankle": (-0.95, 0.35),
}
_SIDE_INK = {"left": "#E69F00", "right": "#0072B2", "middle": "#8C96A3"}


def skeleton_drawing(skeleton: Skeleton = SMALLPOSE) -> Figure:
    """The joints, numbered in the paper's order, and what joins them (Fig. 1c)."""
    figure = _figure(5.8, 4.4)
    axes = figure.add_axes((0.02, 0.02, 0.5, 0.96))
    axes.set_axis_off()
    axes.set(xlim=(-2.9, 2.9), ylim=(-0.2, 9.8), aspect="equal")
    at = np.array([_STANDING[name] for name in skeleton.joints], dtype=np.float64)
    for a, b, side in limbs(skeleton, np.ones(len(skeleton), dtype=bool)):
        axes.plot(*at[[a, b]].T, color=_SIDE_INK[side], lw=3, solid_capstyle="round", zorder=1)
    for number, (name, (x, y)) in enumerate(zip(skeleton.joints, at, strict=True), 1):
        colour = _SIDE_INK[joint_side(name)]
        axes.scatter([x], [y], s=115, color=colour, edgecolor=LIGHT.paper, lw=1.2, zorder=2)
        axes.text(
            x, y - 0.01, str(number),
            ha="center", va="center", size=6, color=ON_COLOUR, weight="bold",
        )  # fmt: skip
    words = figure.add_axes((0.54, 0.04, 0.45, 0.92))
    words.set_axis_off()
    words.set(xlim=(0, 1), ylim=(len(skeleton) + 0.5, 0))
    for number, name in enumerate(skeleton.joints, 1):
        words.scatter([0.05], [number], s=42, color=_SIDE_INK[joint_side(name)])
        words.text(0.17, number, str(number), va="center", ha="right", size=8, color=LIGHT.quiet)
        words.text(0.22, number, name.replace("_", " "), va="center", size=8, color=LIGHT.ink)
    return finished(figure)


def areas(sets: Mapping[str, Histogram]) -> Figure:
    """The share of people by box area, several sets side by side (Figs. 2, 8b)."""
    figure, axes = new_axes(5.8, 3.4)
    bins = len(AREA_NAMES) - 1
    width = 0.82 / max(len(sets), 1)
    for number, (name, histogram) in enumerate(sets.items()):
        x = np.arange(bins) + (number - (len(sets) - 1) / 2) * width
        colour = SERIES[number % len(SERIES)]
        label = f"{name} ({histogram.total:,})"
        axes.bar(x, 100 * histogram.shares, width * 0.94, color=colour, label=label)
    top = max((100 * h.shares.max() for h in sets.values()), default=1.0) or 1.0
    axes.set(ylim=(0, top * 1.18), xlim=(-0.6, bins - 0.4))
    # The limits of the size classes fall between bins 3 | 4 and 5 | 6.
    for edge in (3.5, 5.5):
        axes.axvline(edge, color=LIGHT.quiet, lw=1, ls=(0, (4, 3)), zorder=0)
    for middle, name in zip((1.5, 4.5, 6.0), SIZES, strict=True):
        axes.text(middle, top * 1.11, name, ha="center", color=LIGHT.quiet, size=9)
    ticks = [f"{a} –\n{b}" for a, b in pairwise(AREA_NAMES)]
    axes.set_xticks(range(bins), ticks, fontsize=7)
    axes.set_ylabel("people, %")
    axes.set_xlabel("box area, px²")
    legend_above(axes)
    return finished(figure)


def crowding(sets: Mapping[str, Floats]) -> Figure:
    """The share of images by CrowdIndex, with each set's mean (Fig. 3).

    Args:
        sets: name to (m,) CrowdIndex of each image; NaN without people.
    """
    figure, axes = new_axes(5.8, 3.1)
    # The formula has no upper end; the few images above 1 stand in the last bin.
    edges = np.linspace(0, 1, 11)
    for number, (name, values) in enumerate(sets.items()):
        values = values[np.isfinite(values)]
        counts = np.histogram(np.clip(values, 0, 1), edges)[0]
        mean = float(values.mean()) if len(values) else 0.0
        colour = SERIES[number % len(SERIES)]
        shares = 100 * counts / max(len(values), 1)
        label = f"{name} (mean {mean:.2f}, {len(values):,} images)"
        _steps(axes, edges, shares, colour, label)
    axes.set(xlim=(0, 1), xlabel="CrowdIndex", ylabel="images, %")
    axes.set_ylim(bottom=0)
    axes.set_xticks(np.linspace(0, 1, 6), ["0", "0.2", "0.4", "0.6", "0.8", "≥ 1"])
    legend_above(axes)
    return finished(figure)


def people_in_images(sets: Mapping[str, NDArray[np.int64]]) -> Figure:
    """How many people images show, with the tail (Fig. 7).

    Args:
        sets: name to (most + 1,) numbers of images with 0, 1, 2 … people.
    """
    figure, axes = new_axes(5.8, 3.1)
    most = max((len(c) - 1 for c in sets.values()), default=1)
    for number, (name, counts) in enumerate(sets.items()):
        images = counts[1:].sum()
        mean = float((counts * np.arange(len(counts))).sum() / max(images, 1))
        shares = 100 * counts[1:] / max(images, 1)
        edges = np.arange(1, len(counts) + 1, dtype=np.float64) - 0.5
        colour = SERIES[number % len(SERIES)]
        label = f"{name} (mean {mean:.1f}, most {len(counts) - 1})"
        _steps(axes, edges, shares, colour, label)
    axes.set(xlim=(0.5, max(most, 2) + 0.5), xlabel="people in an image", ylabel="images, %")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_above(axes)
    return finished(figure)


def classes(sets: Mapping[str, Counts]) -> Figure:
    """Size classes, and density classes of the small, of several sets (Fig. 8a and c)."""
    rows = max(len(sets), 1)
    figure = _figure(5.8, 1.25 + 0.62 * rows)
    grid = figure.add_gridspec(1, 2, wspace=0.09)
    for column, (title, names, colours) in enumerate(
        (
            ("people by size", SIZES, SIZE_COLOURS),
            ("small people by keypoint density", DENSITIES, DENSITY_COLOURS),
        )
    ):
        axes = figure.add_subplot(grid[0, column])
        _bare(axes)
        axes.set_title(title, loc="left", fontsize=10, color=LIGHT.ink, pad=24)
        for y, counts in enumerate(sets.values()):
            parts = counts.sizes if column == 0 else counts.densities
            _stack(axes, y, parts, [colours[n] for n in names])
        axes.set(xlim=(0, 100), ylim=(rows - 0.45, -0.55))
        axes.set_yticks(range(rows), list(sets) if column == 0 else [""] * rows)
        keys = [Patch(color=colours[name], label=name) for name in names]
        axes.legend(
            handles=keys, loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=3, frameon=False,
            labelcolor=LIGHT.quiet, fontsize=8.5, handlelength=0.9, handleheight=0.9,
            columnspacing=1.2, handletextpad=0.5, borderaxespad=0.1,
        )  # fmt: skip
    return finished(figure)


def _stack(axes: Axes, y: float, parts: Sequence[int], colours: Sequence[str]) -> None:
    total, left = max(sum(parts), 1), 0.0
    for n, colour in zip(parts, colours, strict=True):
        width = 100 * n / total
        axes.barh(y, width, 0.62, left=left, color=colour)
        text = f"{n:,}\n{width:.0f} %"
        if width > 13:
            ink = ON_COLOUR if _is_dark(colour) else ON_PALE
            axes.text(left + width / 2, y, text, ha="center", va="center", size=7.5, color=ink)
        left += width


def _is_dark(colour: str) -> bool:
    r, g, b = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return 0.299 * r + 0.587 * g + 0.114 * b < 150


def ap_by_class(runs: Sequence[Run], protocol: str = "coco") -> Figure:
    """AP by size and density class, runs side by side: what setting B gains over A (Fig. 5)."""
    figure, axes = new_axes(5.8, 3.4)
    names = [n for n in CLASSES if any(r.metric(n, protocol) is not None for r in runs)]
    width = 0.8 / max(len(runs), 1)
    top = 1.0
    colours = run_colours(runs)
    for number, run in enumerate(runs):
        values = [run.metric(n, protocol) for n in names]
        x = np.arange(len(names)) + (number - (len(runs) - 1) / 2) * width
        heights = [v or 0.0 for v in values]
        top = max(top, *heights)
        axes.bar(x, heights, width * 0.92, color=colours[number], label=run_label(run, runs))
        if len(runs) <= 4:
            for at, value in zip(x, values, strict=True):
                text = "–" if value is None else f"{value:.1f}"
                axes.text(
                    at, (value or 0) + top * 0.012, text, ha="center", size=6.5, color=LIGHT.quiet
                )
    axes.set_xticks(range(len(names)), [CLASSES[n] for n in names])
    if "AP_S_sparse" in names or "AP_S_dense" in names:
        first = next(i for i, n in enumerate(names) if n.startswith("AP_S_"))
        axes.axvline(first - 0.5, color=LIGHT.grid, lw=1)
        axes.text(
            first - 0.42, top * 1.13, "of the small", color=LIGHT.quiet, size=8.5, va="center"
        )
    axes.set(ylim=(0, top * 1.18), xlim=(-0.55, len(names) - 0.45), ylabel=f"AP ({protocol})")
    legend_above(axes)
    return finished(figure)


def gains(pairs: Mapping[str, tuple[Run, Run]], protocol: str = "coco") -> Figure:
    """From setting A to B, method by method: all people, and the small ones (Fig. 5).

    Args:
        pairs: a method's label to its runs under A and B.
    """
    rows = max(len(pairs), 1)
    figure = _figure(5.8, 1.2 + 0.34 * rows)
    grid = figure.add_gridspec(1, 2, wspace=0.08)
    every = [
        r.metric(m, protocol) or 0.0 for p in pairs.values() for r in p for m in ("AP", "AP_S")
    ]
    top = max([*every, 1.0])
    keys = [
        Line2D([], [], ls="", marker="o", color=colour, label=f"setting {name}")
        for name, colour in SETTING_COLOURS.items()
    ]
    for column, (metric, title) in enumerate((("AP", "all people"), ("AP_S", "small people"))):
        axes = figure.add_subplot(grid[0, column])
        _bare(axes)
        axes.grid(axis="x", color=LIGHT.grid, lw=0.8)
        axes.set_axisbelow(True)
        axes.set_title(title, loc="left", fontsize=10, color=LIGHT.ink, pad=24)
        for y, runs in enumerate(pairs.values()):
            a, b = (run.metric(metric, protocol) for run in runs)
            if a is not None and b is not None:
                axes.plot([a, b], [y, y], color=LIGHT.grid, lw=3, zorder=1)
            for setting, value in (("A", a), ("B", b)):
                if value is not None:
                    axes.scatter([value], [y], s=52, color=SETTING_COLOURS[setting], zorder=2)
        axes.set(xlim=(0, top * 1.08), ylim=(rows - 0.4, -0.6))
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.tick_params(axis="x", colors=LIGHT.quiet, labelbottom=True)
        axes.set_yticks(range(rows), list(pairs) if column == 0 else [""] * rows)
        axes.set_xlabel(f"AP ({protocol})", color=LIGHT.quiet)
        if column == 0:
            axes.legend(
                handles=keys, loc="lower left", bbox_to_anchor=(-0.03, 1.0), ncols=2,
                frameon=False, labelcolor=LIGHT.quiet, fontsize=8.5, handletextpad=0.1,
                borderaxespad=0.1, columnspacing=1.0,
            )  # fmt: skip
    return finished(figure)


def found_along_height(curves: Mapping[str, Curve], colours: Sequence[str]) -> Figure:
    """The share of people found against their height: how small may a person get?"""
    figure, axes = new_axes(5.8, 3.4)
    for (name, curve), colour in zip(curves.items(), colours, strict=True):
        # Two standard errors of a share of this many people.
        error = 2 * np.sqrt(curve.share * (1 - curve.share) / np.maximum(curve.people, 1))
        low, high = np.clip(curve.share - error, 0, 1), np.clip(curve.share + error, 0, 1)
        axes.fill_between(curve.x, 100 * low, 100 * high, color=colour, alpha=0.16, lw=0)
        axes.plot(curve.x, 100 * curve.share, color=colour, lw=2, marker="o", ms=4, label=name)
    axes.set(xscale="log", ylim=(-1, 102), xlabel="height of the person's box, px")
    axes.set_ylabel("people found (OKS ≥ 0.5), %")
    low = min((c.x.min() for c in curves.values() if len(c.x)), default=10.0)
    high = max((c.x.max() for c in curves.values() if len(c.x)), default=1000.0)
    ticks = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
    axes.set_xlim(low * 0.88, high * 1.14)
    inside = [t for t in ticks if low * 0.88 <= t <= high * 1.14]
    axes.set_xticks(inside, [str(t) for t in inside])
    axes.set_xticks([], minor=True)
    legend_above(axes)
    return finished(figure)


def run_label(run: Run, runs: Sequence[Run]) -> str:
    """What a legend calls a run: as short as it can be told apart from the others."""
    words = [paper.label(run.method)] if len({r.method for r in runs}) > 1 else []
    words.append("untrained" if run.untrained else run.setting)
    short = " ".join(w for w in words if w)
    alike = [
        r for r in runs
        if (r.method, r.setting, r.untrained) == (run.method, run.setting, run.untrained)
    ]  # fmt: skip
    return f"{short} ({run.folder.name})" if len(alike) > 1 else short or run.folder.name


def run_colours(runs: Sequence[Run]) -> list[str]:
    """A grey, B green, untrained pale; otherwise one after the other."""
    if len({r.method for r in runs}) <= 1:
        own = ["#D3D8DE" if r.untrained else SETTING_COLOURS.get(r.setting, "") for r in runs]
        if len(set(own)) == len(own) and all(own):
            return own
    return [SERIES[i % len(SERIES)] for i in range(len(runs))]


def _steps(axes: Axes, edges: Floats, values: Floats, colour: str, label: str) -> None:
    axes.stairs(values, edges, color=colour, lw=2, label=label, zorder=3)
    axes.stairs(values, edges, color=colour, fill=True, alpha=0.10, zorder=2)


def _figure(width: float, height: float) -> Figure:
    with matplotlib.rc_context({**_RC, "text.color": LIGHT.ink}):
        return Figure(figsize=(width, height))


def new_axes(width: float, height: float) -> tuple[Figure, Axes]:
    figure = _figure(width, height)
    with matplotlib.rc_context({**_RC, "text.color": LIGHT.ink}):
        axes = figure.add_subplot()
    axes.grid(axis="y", color=LIGHT.grid, lw=0.8)
    axes.set_axisbelow(True)
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom")
        spine.set_color(LIGHT.grid)
    axes.tick_params(length=0, colors=LIGHT.quiet)
    axes.xaxis.label.set_color(LIGHT.quiet)
    axes.yaxis.label.set_color(LIGHT.quiet)
    return figure, axes


def _bare(axes: Axes) -> None:
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xticks([])
    axes.tick_params(length=0, colors=LIGHT.ink)


def legend_above(axes: Axes) -> None:
    """Above the axes, where it covers nothing."""
    labels = axes.get_legend_handles_labels()[1]
    longest = max((len(label) for label in labels), default=0)
    columns = max(1, min(len(labels), 70 // (longest + 6)))
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=columns,
        frameon=False, labelcolor=LIGHT.ink, fontsize=9, borderaxespad=0.3,
        handlelength=1.2, handleheight=0.8, columnspacing=1.6,
    )  # fmt: skip


def finished(figure: Figure) -> Figure:
    figure.set_facecolor(LIGHT.paper)
    for axes in figure.axes:
        axes.set_facecolor("none")
        for text in axes.texts:
            if text.get_color() in ("black", "k"):
                text.set_color(LIGHT.ink)
    return figure


def svg(figure: Figure) -> bytes:
    """The figure as SVG, letters as outlines, no date."""
    return _saved(figure, "svg", {"Date": None, "Creator": None})


def by_night(drawn: bytes) -> bytes:
    """An SVG of ours with the dark theme's colours."""
    for day, night in zip(astuple(LIGHT), astuple(DARK), strict=True):
        drawn = drawn.replace(day.encode(), night.encode())
    return drawn


def png(figure: Figure, *, dpi: int = 200) -> bytes:
    """The figure as PNG."""
    return _saved(figure, "png", {"Software": None}, dpi=dpi)


def _saved(figure: Figure, kind: str, metadata: dict[str, None], **more: Any) -> bytes:
    out = io.BytesIO()
    with matplotlib.rc_context(_RC):
        figure.savefig(
            out, format=kind, metadata=metadata, bbox_inches="tight", pad_inches=0.08, **more
        )
    return out.getvalue()


def save(figure: Figure, folder: Path, name: str) -> bytes:
    """`folder/name.png` and `folder/name.svg`; gives back the SVG."""
    drawn = svg(figure)
    write_whole(folder / f"{name}.svg", drawn)
    write_whole(folder / f"{name}.png", png(figure))
    return drawn
