"""Draw finished runs: AP by class, gains from setting A to B, detection rate by height (Fig. 5)."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from smallpose.report.figures.style import (
    CLASSES,
    LIGHT,
    SETTING_COLOURS,
    SMALL_TYPE,
    SeriesStyle,
    add_legend_above,
    apply_theme,
    create_axes,
    create_figure,
    get_series_style,
    hide_frame,
)
from smallpose.report.inputs.person_matching import DetectionCurve
from smallpose.report.inputs.run_labels import label_run
from smallpose.report.inputs.runs import Run
from smallpose.report.inputs.scores import Scored
from smallpose.report.tables.table_parts import Runs, group_runs

MAX_BANDS = 3  # curves with pale areas for their intervals; of more, these hide each other


def draw_ap_by_class(
    runs: Runs,
    protocol: str = "coco",
    styles: Sequence[SeriesStyle] = (),
    labels: Sequence[str] = (),
) -> Figure:
    """Draw AP by size and density class, runs side by side, with 95 % intervals if known.

    Args:
        styles, labels: of the runs (default: chosen for these runs alone).
    """
    groups = group_runs(runs)
    # Numbers above more than two bars of a class need a wider figure.
    figure, axes = create_axes(5.8 if len(groups) <= 2 else 10.4, 3.4)
    firsts = [g.first_run for g in groups]
    names = [n for n in CLASSES if any(g.measure(n, protocol) is not None for g in groups)]
    width = 0.8 / max(len(groups), 1)
    styles = styles or choose_run_styles(firsts)
    labels = labels or [label_run(first, firsts) for first in firsts]
    values = [[g.measure(n, protocol) for n in names] for g in groups]
    known = [m for row in values for m in row if m is not None]
    top = max([1.0, *(m.high if m.has_ends else m.value for m in known)])
    for index, row in enumerate(values):
        x = np.arange(len(names)) + (index - (len(groups) - 1) / 2) * width
        heights = [0.0 if m is None else m.value for m in row]
        axes.bar(x, heights, width * 0.92, label=labels[index], **styles[index].bar_options())
        whiskers = [
            (position, m.low, m.high)
            for position, m in zip(x, row, strict=True)
            if m is not None and m.has_ends
        ]
        if whiskers:
            axes.vlines(*zip(*whiskers, strict=True), color=LIGHT.ink, lw=1.1, zorder=3)
        for position, m in zip(x, row, strict=True):
            above = 0.0 if m is None else m.value
            if m is not None and m.has_ends:
                above = m.high
            if len(groups) <= 4:
                text = "–" if m is None else f"{m.value:.1f}"
                axes.text(
                    position,
                    above + top * 0.012,
                    text,
                    ha="center",
                    size=SMALL_TYPE,
                    color=LIGHT.muted,
                )
    axes.set_xticks(range(len(names)), [CLASSES[n] for n in names])
    if "AP_S_sparse" in names or "AP_S_dense" in names:
        first = next(i for i, n in enumerate(names) if n.startswith("AP_S_"))
        axes.axvline(first - 0.5, color=LIGHT.grid, lw=1)
        axes.text(
            first - 0.42,
            top * 1.13,
            "small people by density",
            color=LIGHT.muted,
            size=8.5,
            va="center",
        )
    axes.set(ylim=(0, top * 1.18), xlim=(-0.55, len(names) - 0.45), ylabel=f"AP ({protocol})")
    add_legend_above(axes)
    return apply_theme(figure)


def draw_gains(pairs: Mapping[str, tuple[Scored, Scored]], protocol: str = "coco") -> Figure:
    """Draw AP under settings A and B, method by method: all and small people (Fig. 5).

    Args:
        pairs: the scores under A and B, both on COCO's 17 joints, by label of the method.
    """
    rows = max(len(pairs), 1)
    figure = create_figure(5.8, 1.2 + 0.34 * rows)
    grid = figure.add_gridspec(1, 2, wspace=0.08)
    every = [
        r.metric(m, protocol) or 0.0 for p in pairs.values() for r in p for m in ("AP", "AP_S")
    ]
    top = max([*every, 1.0])
    keys = [
        Line2D([], [], ls="", marker="o", color=SETTING_COLOURS[name], label=label)
        for name, label in (("A", "setting A"), ("B17", "B, on A's 17 joints"))
    ]
    for column, (metric, title) in enumerate((("AP", "all people"), ("AP_S", "small people"))):
        axes = figure.add_subplot(grid[0, column])
        hide_frame(axes)
        axes.grid(axis="x", color=LIGHT.grid, lw=0.8)
        axes.set_axisbelow(True)
        axes.set_title(title, loc="left", fontsize=10, color=LIGHT.ink, pad=24)
        for y, runs in enumerate(pairs.values()):
            a, b = (run.metric(metric, protocol) for run in runs)
            if a is not None and b is not None:
                axes.plot([a, b], [y, y], color=LIGHT.grid, lw=3, zorder=1)
            for setting, value in (("A", a), ("B17", b)):
                if value is not None:
                    axes.scatter([value], [y], s=52, color=SETTING_COLOURS[setting], zorder=2)
        axes.set(xlim=(0, top * 1.08), ylim=(rows - 0.4, -0.6))
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.tick_params(axis="x", colors=LIGHT.muted, labelbottom=True)
        axes.set_yticks(range(rows), list(pairs) if column == 0 else [""] * rows)
        axes.set_xlabel(f"AP ({protocol})", color=LIGHT.muted)
        if column == 0:
            axes.legend(
                handles=keys,
                loc="lower left",
                bbox_to_anchor=(-0.03, 1.0),
                ncols=2,
                frameon=False,
                labelcolor=LIGHT.muted,
                fontsize=8.5,
                handletextpad=0.1,
                borderaxespad=0.1,
                columnspacing=1.0,
            )
    return apply_theme(figure)


def draw_detection_rate(
    curves: Mapping[str, DetectionCurve], styles: Sequence[SeriesStyle]
) -> Figure:
    """Draw the share of people detected against their height, of a few curves with intervals."""
    figure, axes = create_axes(5.8, 3.4)
    tops: list[float] = []
    for (name, curve), style in zip(curves.items(), styles, strict=True):
        # Two standard errors of a share of this many people.
        error = 2 * np.sqrt(curve.share * (1 - curve.share) / np.maximum(curve.people, 1))
        low, high = np.clip(curve.share - error, 0, 1), np.clip(curve.share + error, 0, 1)
        tops.append(100 * high.max(initial=0.0))
        if len(curves) <= MAX_BANDS:
            axes.fill_between(curve.x, 100 * low, 100 * high, color=style.colour, alpha=0.16, lw=0)
        axes.plot(
            curve.x,
            100 * curve.share,
            color=style.colour,
            ls=style.line,
            lw=2,
            marker=style.marker,
            ms=4,
            label=name,
        )
    top = max([50.0, *tops])
    axes.axhline(50, color=LIGHT.muted, lw=1, ls=(0, (4, 3)), zorder=1)
    axes.set(xscale="log", ylim=(-0.01 * top, 1.04 * top))
    axes.set_xlabel("height of the person's box, px; points are at the mean of their bin")
    axes.set_ylabel("people detected (OKS ≥ 0.5), %")
    low = min((c.x.min() for c in curves.values() if len(c.x)), default=10.0)
    high = max((c.x.max() for c in curves.values() if len(c.x)), default=1000.0)
    ticks = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
    axes.set_xlim(low * 0.88, high * 1.14)
    inside = [t for t in ticks if low * 0.88 <= t <= high * 1.14]
    axes.set_xticks(inside, [str(t) for t in inside])
    axes.set_xticks([], minor=True)
    add_legend_above(axes)
    return apply_theme(figure)


def choose_run_styles(runs: Sequence[Run]) -> list[SeriesStyle]:
    """Choose grey for A, green for B, pale for untrained; else a series of colours."""
    if len({r.method for r in runs}) <= 1:
        own = ["#D3D8DE" if r.is_untrained else SETTING_COLOURS.get(r.setting, "") for r in runs]
        if len(set(own)) == len(own) and all(own):
            return [SeriesStyle(colour) for colour in own]
    return [get_series_style(index) for index in range(len(runs))]
