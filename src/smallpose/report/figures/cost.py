"""Draw what methods cost for an image against their AP of small people."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.typing import FillStyleType

from smallpose.core.counts import format_count
from smallpose.core.interval import Interval
from smallpose.report.cost.costs import SHOWN_CELLS, CostCell, MethodCost, find_frontier
from smallpose.report.figures.style import (
    LIGHT,
    LINES,
    RC,
    SMALL_TYPE,
    SeriesStyle,
    apply_theme,
    create_figure,
    get_series_style,
    label_log_axis,
    style_panel,
)

PEOPLE_SIDE = 1280  # px, of the images with different numbers of people
SIDE_PEOPLE = 4  # in the images of different sizes
_NUMBERS = sorted(people for people, side in SHOWN_CELLS if side == PEOPLE_SIDE)
_SIDES = sorted(side for people, side in SHOWN_CELLS if people == SIDE_PEOPLE)
BY_PEOPLE = [(people, PEOPLE_SIDE) for people in _NUMBERS]
BY_SIDE = [(SIDE_PEOPLE, side) for side in _SIDES]
MARKERS = ("o", "s", "^")
FILLS: tuple[FillStyleType, ...] = ("full", "none", "bottom", "right")  # of markers, as `LINES`


@dataclass(frozen=True)
class CostPoint:
    """The costs of a method and its AP of small people."""

    label: str
    cost: MethodCost
    ap_small: Interval


def draw_cost_frontier(
    points: Sequence[CostPoint], styles: Sequence[SeriesStyle] = (), protocol: str = "owned"
) -> Figure:
    """Draw ms and MB of an image against AP_S, over people (left) and sizes of images (right).

    A method is a row of three markers at its AP_S. The stairs join those markers of one kind than
    which no method is both cheaper and better.

    Args:
        protocol: of the AP of small people.
    """
    styles = styles or [get_series_style(index) for index in range(len(points))]
    figure = create_figure(9.2, 6.4)
    with matplotlib.rc_context({**RC, "text.color": LIGHT.ink}):
        grid = figure.subplots(2, 2, sharey=True, sharex="row")
    for row, (get_value, unit) in enumerate(((_get_ms, "ms"), (_get_mb, "MB"))):
        for axes, cells, names in (
            (grid[row, 0], BY_PEOPLE, [format_count(n, "person", "people") for n in _NUMBERS]),
            (grid[row, 1], BY_SIDE, [f"{side} px" for side in _SIDES]),
        ):
            _draw_panel(axes, points, styles, cells, get_value)
            axes.set_xscale("log")
            label_log_axis(axes.xaxis)
            fixed = f"{PEOPLE_SIDE} px" if cells is BY_PEOPLE else f"{SIDE_PEOPLE} people"
            axes.set_xlabel(f"{unit} an image of {fixed}", fontsize=SMALL_TYPE)
            if row == 0:
                _add_kinds(axes, names)
    top = max(p.ap_small.high if p.ap_small.has_ends else p.ap_small.value for p in points)
    grid[0, 0].set_ylim(0, max(top, 1.0) * 1.1)
    for axes in grid[:, 0]:
        axes.set_ylabel(f"AP_S ({protocol}), points")
    handles = [
        matplotlib.lines.Line2D(
            [],
            [],
            color=style.colour,
            ls=style.line,
            marker=MARKERS[0],
            fillstyle=_get_fill(style),
            markerfacecoloralt=LIGHT.paper,
            label=p.label,
        )
        for p, style in zip(points, styles, strict=True)
    ]
    figure.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0.04, 0.955),
        ncols=min(len(points), 4),
        frameon=False,
        fontsize=SMALL_TYPE,
        labelcolor=LIGHT.ink,
    )
    figure.subplots_adjust(hspace=0.3, wspace=0.08)
    return apply_theme(figure)


def _get_fill(style: SeriesStyle) -> FillStyleType:
    """Return how markers are filled, so that series of one colour differ."""
    return FILLS[LINES.index(style.line)]


def _get_ms(cell: CostCell) -> float:
    return cell.ms


def _get_mb(cell: CostCell) -> float:
    return max(cell.mb, 0.1)  # the axis is logarithmic


def _draw_panel(
    axes: Axes,
    points: Sequence[CostPoint],
    styles: Sequence[SeriesStyle],
    cells: Sequence[tuple[int, int]],
    get_value: Callable[[CostCell], float],
) -> None:
    style_panel(axes)
    gains = [p.ap_small.value for p in points]
    values = np.array([[get_value(p.cost.find_cell(*cell)) for cell in cells] for p in points])
    for index, marker in enumerate(MARKERS):
        kept = find_frontier(values[:, index].tolist(), gains)
        axes.step(
            values[kept, index],
            [gains[k] for k in kept],
            where="post",
            color=LIGHT.muted,
            lw=1,
            ls=("solid", (0, (5, 2)), (0, (1.2, 1.2)))[index],
            zorder=2,
        )
        for p, style, value in zip(points, styles, values[:, index], strict=True):
            axes.plot(
                [value],
                [p.ap_small.value],
                marker=marker,
                ms=6,
                color=style.colour,
                fillstyle=_get_fill(style),
                markerfacecoloralt=LIGHT.paper,
                zorder=4,
            )
    for p, style, row in zip(points, styles, values, strict=True):
        ends = (p.ap_small.value, row.min(), row.max())
        axes.hlines(*ends, color=style.colour, ls=style.line, lw=1.3, zorder=3)
        if p.ap_small.has_ends:
            middle = row[len(row) // 2]
            axes.vlines(middle, p.ap_small.low, p.ap_small.high, color=style.colour, lw=1, zorder=3)


def _add_kinds(axes: Axes, names: Sequence[str]) -> None:
    """Explain the markers above the axes."""
    handles = [
        matplotlib.lines.Line2D([], [], color=LIGHT.muted, marker=marker, ls="", label=name)
        for marker, name in zip(MARKERS, names, strict=True)
    ]
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.0),
        ncols=3,
        frameon=False,
        fontsize=SMALL_TYPE,
        labelcolor=LIGHT.ink,
        columnspacing=1.2,
        handletextpad=0.2,
    )
