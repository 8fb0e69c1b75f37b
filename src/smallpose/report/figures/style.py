"""Define one style for all figures: colours, axes, legends.

Colour-blind readers can distinguish the colours (Okabe and Ito's), and they mean the same in every
figure. Figures are drawn with a light theme; `files.recolour_dark` recolours an SVG.
"""

from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogFormatter, NullLocator
from numpy.typing import NDArray

from smallpose.core.density import DENSITIES
from smallpose.core.instances import CUSTOM_SOURCE_JOINTS
from smallpose.core.sizes import SIZES

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Theme:
    """The colours that differ between the light and the dark theme."""

    ink: str
    muted: str
    grid: str
    paper: str


LIGHT = Theme(ink="#1b1f24", muted="#5b6470", grid="#dfe3e8", paper="#ffffff")

DARK = Theme(ink="#e8eaed", muted="#a3acb8", grid="#353b44", paper="#15181d")

# Letters on coloured areas are the same in both themes, so they are none of the theme's four.
ON_COLOUR = "#fefefe"
ON_PALE = "#101418"

SIZE_COLOURS = dict(zip(SIZES, ("#0072B2", "#56B4E9", "#B5BDC8"), strict=True))

DENSITY_COLOURS = dict(zip(DENSITIES, ("#F0C36D", "#E69F00", "#B4530A"), strict=True))

SETTING_COLOURS = {"A": "#8C96A3", "B": "#009E73", "B17": "#009E73"}

SOURCE_COLOURS = {
    "coco": "#0072B2",
    "mpii": "#E69F00",
    "aic": "#009E73",
    "hieve": "#CC79A7",
    "posetrack": "#56B4E9",
    "": "#8C96A3",
    **{f"own{k}": "#D55E00" for k in CUSTOM_SOURCE_JOINTS},
}

# For data sets side by side, and for runs that are neither A nor B.
SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#646C78")

# From the eighth series on colours repeat, with another line, marker and hatch.
LINES = ("solid", (0, (5, 1.6)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
MARKERS = ("o", "s", "^", "D")
HATCHES = ("", "////", "....", "xxxx")


@dataclass(frozen=True)
class SeriesStyle:
    """How one of several series is drawn; all of them can be distinguished.

    Args:
        line, marker, hatch: as matplotlib has them.
    """

    colour: str
    line: Any = "solid"
    marker: str = "o"
    hatch: str = ""

    def bar_options(self) -> dict[str, Any]:
        """Return the options of `Axes.bar`; a hatch is drawn in white over the colour."""
        if not self.hatch:
            return {"color": self.colour}
        return {"color": self.colour, "hatch": self.hatch, "edgecolor": LIGHT.paper, "lw": 0}


def get_series_style(index: int) -> SeriesStyle:
    """Return the style of a series by its index; the first 28 differ."""
    repeat = index // len(SERIES) % len(LINES)
    return SeriesStyle(SERIES[index % len(SERIES)], LINES[repeat], MARKERS[repeat], HATCHES[repeat])


CLASSES = {
    "AP": "all",
    "AP_S": "small",
    "AP_M": "medium",
    "AP_L": "large",
    "AP_S_sparse": "sparse",
    "AP_S_moderate": "moderate",
    "AP_S_dense": "dense",
}

# Points of the smallest type: 11 px on the page, where figures keep their size.
SMALL_TYPE = 8.5

RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "svg.hashsalt": "smallpose",
    "svg.fonttype": "path",
    "axes.unicode_minus": True,
}


class _PlainLogFormatter(LogFormatter):
    """Labels the ticks that matplotlib's formatter labels, with plain numbers."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Return the label of a tick; "" where it has none."""
        return f"{x:,.15g}" if super().__call__(x, pos) else ""


def label_log_axis(axis: Axis) -> None:
    """Label a logarithmic axis, whose data are drawn, with plain numbers.

    Powers of ten are higher than the labels of axes beside them, and take a parser of formulas.
    Values between them are ticks only where the data span less than two of them.
    """
    axis.set_major_formatter(_PlainLogFormatter())
    low, high = axis.get_view_interval()
    if high >= 100 * low:
        axis.set_minor_locator(NullLocator())
    else:
        axis.set_minor_formatter(_PlainLogFormatter(labelOnlyBase=False))


def create_figure(width: float, height: float) -> Figure:
    """Create an empty figure of a size in inches."""
    with matplotlib.rc_context({**RC, "text.color": LIGHT.ink}):
        return Figure(figsize=(width, height))


def create_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """Create a figure with one pair of axes and horizontal grid lines."""
    figure = create_figure(width, height)
    with matplotlib.rc_context({**RC, "text.color": LIGHT.ink}):
        axes = figure.add_subplot()
    axes.grid(axis="y", color=LIGHT.grid, lw=0.8)
    axes.set_axisbelow(True)
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom")
        spine.set_color(LIGHT.grid)
    axes.tick_params(which="both", length=0, colors=LIGHT.muted)
    axes.xaxis.label.set_color(LIGHT.muted)
    axes.yaxis.label.set_color(LIGHT.muted)
    return figure, axes


def style_panel(axes: Axes) -> None:
    """Give one of several panels a grid in both directions, no frame, and small type."""
    axes.grid(color=LIGHT.grid, lw=0.8)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(which="both", length=0, colors=LIGHT.muted, labelsize=SMALL_TYPE)
    axes.xaxis.label.set_color(LIGHT.muted)
    axes.yaxis.label.set_color(LIGHT.muted)


def hide_frame(axes: Axes) -> None:
    """Hide the frame and the ticks of axes."""
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xticks([])
    axes.tick_params(length=0, colors=LIGHT.ink)


def draw_steps(
    axes: Axes, edges: Floats, values: Floats, style: SeriesStyle, label: str, fill: bool = True
) -> None:
    axes.stairs(values, edges, color=style.colour, ls=style.line, lw=2, label=label, zorder=3)
    if fill:
        axes.stairs(values, edges, color=style.colour, fill=True, alpha=0.10, zorder=2)


def is_dark(colour: str) -> bool:
    """Return whether a colour needs light letters on it."""
    r, g, b = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return 0.299 * r + 0.587 * g + 0.114 * b < 150


def add_legend_above(axes: Axes) -> None:
    """Add a legend above the axes, where it hides nothing."""
    handles, labels = axes.get_legend_handles_labels()
    is_dashed = [isinstance(one, Line2D) and one.get_linestyle() == "--" for one in handles]
    longest = max((len(label) for label in labels), default=0)
    columns = max(1, min(len(labels), 70 // (longest + 6)))
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.0),
        ncols=columns,
        frameon=False,
        labelcolor=LIGHT.ink,
        fontsize=9,
        borderaxespad=0.3,
        # Dashed lines can be distinguished only if the samples are long.
        handlelength=3.0 if any(is_dashed) or len(labels) > len(SERIES) else 1.2,
        handleheight=0.8,
        columnspacing=1.6,
    )


def apply_theme(figure: Figure) -> Figure:
    """Set the theme's colours of background and text."""
    figure.set_facecolor(LIGHT.paper)
    for axes in figure.axes:
        axes.set_facecolor("none")
        for text in axes.texts:
            if text.get_color() in ("black", "k"):
                text.set_color(LIGHT.ink)
    return figure
