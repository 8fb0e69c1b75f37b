"""Draw how the loss and AP of small people changed in the trainings of runs."""

from collections.abc import Sequence

import matplotlib
from matplotlib.figure import Figure

from smallpose.report.figures.style import (
    LIGHT,
    RC,
    SMALL_TYPE,
    SeriesStyle,
    apply_theme,
    create_figure,
    get_series_style,
    style_panel,
)
from smallpose.report.inputs.training_log import TrainingLog

_NUM_COLUMNS = 3  # of the legend


def draw_learning_curves(
    logs: Sequence[tuple[str, TrainingLog]], styles: Sequence[SeriesStyle] = ()
) -> Figure:
    """Draw the loss of each training, and AP_S of its validations where there are any.

    Losses of methods are of different kinds, some are negative, and only their shapes can be
    compared: each goes from 1, its beginning, to 0, its lowest.

    Args:
        logs: with the label of each run.
    """
    styles = styles or [get_series_style(index) for index in range(len(logs))]
    has_ap = any(len(log.validated) for _, log in logs)
    figure = create_figure(8.6 if has_ap else 5.8, 3.6)
    with matplotlib.rc_context({**RC, "text.color": LIGHT.ink}):
        panels = figure.subplots(1, 2 if has_ap else 1, squeeze=False)[0]
    for (label, log), style in zip(logs, styles, strict=True):
        low = log.losses.min()
        fall = (log.losses - low) / max(log.losses[0] - low, 1e-12)
        how = {"color": style.colour, "ls": style.line, "lw": 1.5, "label": label}
        panels[0].plot(100 * log.shares, fall, **how)
        if has_ap:
            markers = {"marker": style.marker, "ms": 5}
            panels[1].plot(100 * log.validated, log.ap_small, **how, **markers)
    panels[0].set_ylabel("loss, from its beginning (1) to its lowest (0)", fontsize=SMALL_TYPE)
    panels[0].set_ylim(-0.03, 1.15)
    if has_ap:
        panels[1].set_ylabel("AP_S in validations, points", fontsize=SMALL_TYPE)
        panels[1].set_ylim(bottom=0)
    for axes in panels:
        style_panel(axes)
        axes.set_xlim(0, 101)
        axes.set_xlabel("% of the training's steps", fontsize=SMALL_TYPE)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="lower left",
        bbox_to_anchor=(0.04, 0.9),
        ncols=min(len(logs), _NUM_COLUMNS),
        frameon=False,
        fontsize=SMALL_TYPE,
        labelcolor=LIGHT.ink,
    )
    return apply_theme(figure)
