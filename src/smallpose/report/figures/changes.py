"""From setting A to B by class, method by method: the difference and its interval (Fig. 5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from smallpose.core.interval import Interval
from smallpose.report.claims.cells import CellSource
from smallpose.report.figures.style import (
    CLASSES,
    LIGHT,
    SERIES,
    apply_theme,
    create_figure,
    hide_frame,
)

UP, DOWN, UNSURE = SERIES[0], SERIES[1], "#9AA3AE"


@dataclass(frozen=True)
class Change:
    """B minus A of one method.

    Args:
        ours: by metric, points; None where a class has nobody.
        printed: the paper's, likewise.
    """

    label: str
    ours: Mapping[str, Interval | None]
    printed: Mapping[str, float | None]


def compute_changes(
    ours: CellSource, printed: CellSource, methods: Sequence[str]
) -> list[Change]:
    """Compute B minus A of the methods that have both; B is scored on COCO's 17 joints, as A is."""
    out = []
    for method in methods:
        measured: dict[str, Interval | None] = {}
        theirs: dict[str, float | None] = {}
        for metric in CLASSES:
            b, a = (method, "B17", metric), (method, "A", metric)
            measured[metric] = ours.subtract(b, a)
            known = printed.subtract(b, a)
            theirs[metric] = None if known is None else known.value
        if any(measured.values()):
            out.append(Change(ours.label(method), measured, theirs))
    return out


def draw_gains_by_class(changes: list[Change], printed: str = "the paper's") -> Figure:
    """A panel a class, a bar a method: blue up, orange down, grey where the interval holds 0."""
    rows = max(len(changes), 1)
    height = 1.25 + 0.36 * rows
    figure = create_figure(9.2, height)
    grid = figure.add_gridspec(1, len(CLASSES), wspace=0.14)
    reach = [
        v for c in changes for m in c.ours.values() if m is not None for v in (m.low, m.high, 0.0)
    ]
    reach += [v for c in changes for v in c.printed.values()]
    known = [v for v in reach if v is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    room = 0.07 * max(high - low, 1.0)
    for column, (metric, title) in enumerate(CLASSES.items()):
        axes = figure.add_subplot(grid[0, column])
        _draw_panel(axes, [(c.ours[metric], c.printed[metric]) for c in changes])
        axes.set(xlim=(low - room, high + room), ylim=(rows - 0.4, -0.6))
        axes.set_title(title, fontsize=9.5, color=LIGHT.ink, pad=6)
        names = [c.label for c in changes] if column == 0 else [""] * len(changes)
        axes.set_yticks(range(len(changes)), names)
    figure.text(
        0.5,
        -0.08 / height,
        "AP of B minus AP of A, points, both on COCO's 17 joints; whiskers "
        f"95 %; ◇ {printed} (B on 21)",
        ha="center",
        va="top",
        size=8.5,
        color=LIGHT.muted,
    )
    return apply_theme(figure)


def _draw_panel(axes: Axes, values: list[tuple[Interval | None, float | None]]) -> None:
    hide_frame(axes)
    axes.grid(axis="x", color=LIGHT.grid, lw=0.8)
    axes.set_axisbelow(True)
    axes.axvline(0, color=LIGHT.muted, lw=1)
    for y, (ours, printed) in enumerate(values):
        if ours is None:
            axes.text(0, y, " n/a", va="center", size=7.5, color=LIGHT.muted)
        else:
            colour = _choose_colour(ours)
            axes.barh(y, ours.value, 0.56, color=colour, zorder=2)
            axes.hlines(y, ours.low, ours.high, color=LIGHT.ink, lw=1.2, zorder=3)
        if printed is not None:
            axes.plot(
                [printed], [y], marker="D", ms=4.5, mfc=LIGHT.paper, mec=LIGHT.muted, zorder=4
            )
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.tick_params(axis="x", colors=LIGHT.muted, labelbottom=True, labelsize=8)


def _choose_colour(change: Interval) -> str:
    if change.low > 0:
        return UP
    return DOWN if change.high < 0 else UNSURE
