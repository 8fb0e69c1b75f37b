"""Draw what methods gain from setting A to B, by class and with intervals (Fig. 5)."""

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
    SMALL_TYPE,
    apply_theme,
    create_figure,
    hide_frame,
)

GAIN = SERIES[2]
LOSS = SERIES[3]
UNDECIDED = "#9AA3AE"


@dataclass(frozen=True)
class Change:
    """B minus A of one method.

    Args:
        ours: by metric, in points; None for a class without people.
        printed: the paper's, likewise.
    """

    label: str
    ours: Mapping[str, Interval | None]
    printed: Mapping[str, float | None]


def compute_changes(ours: CellSource, printed: CellSource, methods: Sequence[str]) -> list[Change]:
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
    """Draw a panel per class and a bar per method: gain, loss, or grey if undecided.

    Args:
        printed: whose numbers the diamonds are.
    """
    rows = max(len(changes), 1)
    height = 1.25 + 0.36 * rows
    figure = create_figure(9.2, height)
    grid = figure.add_gridspec(1, len(CLASSES), wspace=0.14)
    low, high = _find_limits(changes)
    margin = 0.07 * max(high - low, 1.0)
    for column, (metric, title) in enumerate(CLASSES.items()):
        axes = figure.add_subplot(grid[0, column])
        _draw_panel(axes, [(c.ours[metric], c.printed[metric]) for c in changes])
        axes.set(xlim=(low - margin, high + margin), ylim=(rows - 0.4, -0.6))
        axes.set_title(title, fontsize=9.5, color=LIGHT.ink, pad=6)
        names = [c.label for c in changes] if column == 0 else [""] * len(changes)
        axes.set_yticks(range(len(changes)), names)
    figure.text(
        0.5,
        -0.08 / height,
        "AP of B minus AP of A in points, both on COCO's 17 joints, by protocol owned; whiskers: "
        f"95 % intervals; ◇ {printed}, by protocol coco and with B on 21 joints",
        ha="center",
        va="top",
        size=8.5,
        color=LIGHT.muted,
    )
    return apply_theme(figure)


def _find_limits(changes: list[Change]) -> tuple[float, float]:
    """Find the smallest and the largest number that the figure shows."""
    ours = [change for c in changes for change in c.ours.values() if change is not None]
    printed = [value for c in changes for value in c.printed.values() if value is not None]
    shown = [*printed, *(end for change in ours for end in (change.low, change.high, 0.0))]
    return min(shown, default=0.0), max(shown, default=1.0)


def _draw_panel(axes: Axes, values: list[tuple[Interval | None, float | None]]) -> None:
    hide_frame(axes)
    axes.grid(axis="x", color=LIGHT.grid, lw=0.8)
    axes.set_axisbelow(True)
    axes.axvline(0, color=LIGHT.muted, lw=1)
    for y, (ours, printed) in enumerate(values):
        if ours is None:
            axes.text(0, y, " n/a", va="center", size=SMALL_TYPE, color=LIGHT.muted)
        else:
            colour = _choose_colour(ours)
            axes.barh(y, ours.value, 0.56, color=colour, zorder=2)
            axes.hlines(y, ours.low, ours.high, color=LIGHT.ink, lw=1.2, zorder=3)
        if printed is not None:
            axes.plot(
                [printed], [y], marker="D", ms=4.5, mfc=LIGHT.paper, mec=LIGHT.muted, zorder=4
            )
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.tick_params(axis="x", colors=LIGHT.muted, labelbottom=True, labelsize=SMALL_TYPE)


def _choose_colour(change: Interval) -> str:
    if change.low > 0:
        return GAIN
    return LOSS if change.high < 0 else UNDECIDED
