"""Draw which joints fail first, precision against recall, scores and density of all sizes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from smallpose.core.sizes import SIZES
from smallpose.evaluation.analysis.density_axes import DensityBreakdown
from smallpose.evaluation.analysis.joint_failures import JointFailure, rank_joints
from smallpose.evaluation.analysis.score_quality import Calibration, PrecisionCurve
from smallpose.evaluation.scoring.precision_recall import RECALLS
from smallpose.report.figures.files import save_figure
from smallpose.report.figures.style import (
    LIGHT,
    ON_COLOUR,
    ON_PALE,
    SERIES,
    SIZE_COLOURS,
    SMALL_TYPE,
    add_legend_above,
    apply_theme,
    create_axes,
    create_figure,
    get_series_style,
    hide_frame,
    label_log_axis,
)

_COLUMNS = (
    ("small", "hidden", "small,\nhidden"),
    ("small", "seen", "small,\nseen"),
    ("medium", "hidden", "medium,\nhidden"),
    ("medium", "seen", "medium,\nseen"),
    ("large", "hidden", "large,\nhidden"),
    ("large", "seen", "large,\nseen"),
)
_SCALE = ("#B4530A", "#E69F00", "#F0C36D", "#BFD9EA", "#56B4E9", "#0072B2")  # low to high PCK
_CELL_CORNERS = ((-0.48, -0.46), (0.48, -0.46), (0.48, 0.46), (-0.48, 0.46))
_MIN_LABELS = 10  # below, a share is mostly chance and is drawn in grey letters
AXIS_LABELS = {
    "density": "keypoint density, own size class",
    "pixels_per_joint": "px² per labelled joint",
    "labelled_share": "labelled share of the joints",
}


def draw_joint_failures(failures: Sequence[JointFailure]) -> Figure:
    """Draw PCK of each joint by size and visibility, the joint that fails first on top.

    Args:
        failures: from `joint_failures.tabulate_failures`.
    """
    joints = rank_joints(list(failures))
    by_place = {(one.joint, one.size, one.visibility): one for one in failures}
    figure = create_figure(5.8, 1.0 + 0.24 * max(len(joints), 1))
    axes = figure.add_subplot()
    hide_frame(axes)
    cells = [
        (column, row, by_place[joint, size, visibility])
        for row, joint in enumerate(joints)
        for column, (size, visibility, _) in enumerate(_COLUMNS)
    ]
    _fill_cells(axes, cells)
    for column, row, failure in cells:
        _write_cell(axes, column, row, failure)
    axes.set(xlim=(-0.5, len(_COLUMNS) - 0.5), ylim=(len(joints) - 0.5, -0.5))
    axes.set_yticks(range(len(joints)), [joint.replace("_", " ") for joint in joints])
    axes.set_xticks(range(len(_COLUMNS)), [label for *_, label in _COLUMNS])
    axes.tick_params(axis="both", labelsize=SMALL_TYPE, length=0, labeltop=True, labelbottom=False)
    if any(one.pck is not None and one.labelled < _MIN_LABELS for *_, one in cells):
        note = f"in brackets: of fewer than {_MIN_LABELS} labels"
        axes.set_xlabel(note, size=SMALL_TYPE, color=LIGHT.muted)
    return apply_theme(figure)


def save_failure_figures(
    failures: Sequence[JointFailure],
    curves: Sequence[PrecisionCurve],
    calibration: Calibration,
    densities: DensityBreakdown,
    folder: Path,
    model: str = "",
) -> None:
    """Write the figures of this file as PNG and SVG, as `evaluate --figures` does.

    Args:
        model: the name in the titles; without it the figures have none.
    """

    def save(figure: Figure, name: str, subject: str) -> None:
        save_figure(figure, folder, name, f"{model}: {subject}" if model else "")

    save(draw_joint_failures(failures), "joints_by_size", "joints by size")
    if curves:
        save(draw_precision_recall(curves), "precision_recall", "precision and recall")
    calibrated = draw_calibration({"scores": calibration}, SERIES[:1])
    save(calibrated, "calibration", "calibration of scores")
    save(draw_density_axes(densities), "density_of_all_sizes", "density of all sizes")


_Cell = tuple[int, int, JointFailure]  # column, row


def _fill_cells(axes: Axes, cells: Sequence[_Cell]) -> None:
    """Fill the cells that have a share, as one artist: one per cell takes six times as long."""
    filled = [(x, y, _choose_level(one)) for x, y, one in cells if _choose_level(one) is not None]
    corners = [[(x + dx, y + dy) for dx, dy in _CELL_CORNERS] for x, y, _ in filled]
    colours = [_SCALE[level] for *_, level in filled if level is not None]
    axes.add_collection(PolyCollection(corners, facecolors=colours, lw=0))


def _choose_level(failure: JointFailure) -> int | None:
    """Choose the colour of a cell; None for a share that is unknown or of few labels."""
    if failure.pck is None or failure.labelled < _MIN_LABELS:
        return None
    return min(int(failure.pck * len(_SCALE)), len(_SCALE) - 1)


def _write_cell(axes: Axes, x: int, y: int, failure: JointFailure) -> None:
    level = _choose_level(failure)
    text = "–" if failure.pck is None else f"{100 * failure.pck:.0f}"
    if failure.pck is not None and level is None:
        text = f"({text})"
    ink = ON_COLOUR if level in (0, len(_SCALE) - 1) else ON_PALE
    colour = LIGHT.muted if level is None else ink
    axes.text(x, y, text, ha="center", va="center", size=SMALL_TYPE, color=colour)


def draw_precision_recall(curves: Sequence[PrecisionCurve], oks: float = 0.5) -> Figure:
    """Draw precision against recall at one OKS threshold, a line per class of people."""
    figure, axes = create_axes(5.8, 3.6)
    for index, curve in enumerate(one for one in curves if one.oks == oks):
        if curve.precision is None:
            continue
        style = get_series_style(index)
        axes.plot(
            RECALLS,
            curve.precision,
            color=style.colour,
            ls=style.line,
            lw=2,
            label=curve.name,
        )
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel=f"precision (OKS ≥ {oks:g})")
    add_legend_above(axes)
    return apply_theme(figure)


def draw_calibration(calibrations: Mapping[str, Calibration], colours: Sequence[str]) -> Figure:
    """Draw how often detections are right against their score, a line per run.

    Args:
        colours: of the runs.
    """
    figure, axes = create_axes(5.8, 3.6)
    known = {name: one for name, one in calibrations.items() if one.bins}
    ends = [end for one in known.values() for b in one.bins for end in (b.low, b.high)]
    has_error = [one.error is not None for one in known.values()]
    is_share = all(has_error)
    # Scores of two scales have no common axis, but their order has.
    is_ranked = any(has_error) and not is_share
    if is_share:
        axes.plot([0, 1], [0, 100], color=LIGHT.muted, lw=1, ls=(0, (4, 3)), zorder=1)
    for (name, one), colour in zip(calibrations.items(), colours, strict=True):
        if not one.bins:
            continue
        error = f" (error {one.error:.2f})" if one.error is not None else ""
        axes.plot(
            _compute_ranks(one) if is_ranked else [b.score for b in one.bins],
            [100 * b.correct for b in one.bins],
            color=colour,
            lw=2,
            marker="o",
            ms=4,
            label=name + error,
            zorder=3,
        )
    low, high = (0.0, 1.0) if is_share else (min(ends, default=0.0), max(ends, default=1.0))
    label = "score of the detections"
    if is_ranked:
        low = 0.0
        high = 100.0
        label = "detections with a lower score, % (the scales of the scores differ)"
    axes.set(xlim=(low, high or 1.0), ylim=(0, 102), xlabel=label)
    axes.set_ylabel("right (OKS ≥ 0.5), %")
    add_legend_above(axes)
    return apply_theme(figure)


def _compute_ranks(calibration: Calibration) -> list[float]:
    """Return the share of detections, in percent, below the middle of each bin."""
    counts = np.array([b.detections for b in calibration.bins], dtype=np.float64)
    middles: list[float] = (100 * (np.cumsum(counts) - counts / 2) / counts.sum()).tolist()
    return middles


def draw_density_axes(breakdown: DensityBreakdown) -> Figure:
    """Draw AP (`owned`) along density and along the two quantities that it mixes, per size."""
    figure = create_figure(11.2, 3.3)
    grid = figure.add_gridspec(1, len(AXIS_LABELS), wspace=0.16)
    tops = [
        100 * (one.interval.high if one.interval else one.ap or 0.0)
        for axes_of_size in breakdown.bins.values()
        for bins in axes_of_size.values()
        for one in bins
    ]
    top = max(1.1 * max(tops, default=0.0), 1.0)
    for column, (axis, label) in enumerate(AXIS_LABELS.items()):
        axes = figure.add_subplot(grid[0, column])
        axes.grid(axis="y", color=LIGHT.grid, lw=0.8)
        axes.set_axisbelow(True)
        for spine in axes.spines.values():
            spine.set_visible(False)
        for size in SIZES:
            bins = [one for one in breakdown.bins[size][axis] if one.ap is not None]
            x = np.array([one.mean for one in bins])
            axes.plot(
                x,
                [100 * (one.ap or 0.0) for one in bins],
                color=SIZE_COLOURS[size] if size != "large" else SERIES[6],
                lw=2,
                marker="o",
                ms=4,
                label=size,
            )
        axes.set(ylim=(0, top))
        if axis == "pixels_per_joint":
            axes.set_xscale("log")
            label_log_axis(axes.xaxis)
        else:
            axes.set_xlim(0, 1)
        axes.set_xlabel(label, color=LIGHT.muted)
        axes.tick_params(which="both", length=0, colors=LIGHT.muted, labelsize=SMALL_TYPE)
        if column == 0:
            axes.set_ylabel("AP (owned), points", color=LIGHT.muted)
            add_legend_above(axes)
    return apply_theme(figure)
