"""The figure of `docs/which-model.md`: AP against height, clean and through the camera model."""

import hashlib
import json
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smallpose.report.figures import get_series_style, save_figure
from smallpose.report.figures.style import LIGHT, apply_theme, create_axes
from smallpose.system.files import write_atomically
from study.lookup import Content, get_main_set, list_fewer_people, list_main_variants
from study.phrases import SENSOR_WORDS

NAME = "study"
SIZE_IN = (4.6, 7.6)  # narrow, so that type stays readable on a phone
SPREAD = 0.010  # of the logarithm of px between two models, so that their intervals do not overlap


def draw_study(content: Content) -> Figure:
    """Draw a panel for each sensor, one line a model, with 95 % intervals."""
    one = get_main_set(content)
    names = list_main_variants(content, one)
    order = [name for name in content["models"] if name in names]  # colours stay when ranks change
    figure, first = create_axes(*SIZE_IN)
    figure.subplots_adjust(hspace=0.24)
    first.set_subplotspec(figure.add_gridspec(2, 1)[0])
    second = figure.add_subplot(figure.add_gridspec(2, 1)[1], sharex=first, sharey=first)
    for axes, sensor in zip((first, second), SENSOR_WORDS, strict=True):
        _style_axes(axes)
        axes.set_title(SENSOR_WORDS[sensor], fontsize=10, color=LIGHT.ink, loc="left", pad=4)
        for index, name in enumerate(order):
            _draw_curve(axes, one["variants"][name][sensor], name, index, len(order))
    first.set_xscale("log")
    first.set_ylim(0, None)
    for axes in (first, second):
        axes.set_xticks(one["heights"], [f"{px:g}" for px in one["heights"]])
        axes.set_xticks([], minor=True)
    second.set_xlabel("height of the people in the image, px", fontsize=9.5)
    handles, labels = first.get_legend_handles_labels()
    fewer = list_fewer_people(one, names)
    figure.legend(
        handles,
        [f"{name} ({fewer[name]})" if name in fewer else name for name in labels],
        loc="lower left",
        bbox_to_anchor=(0.03, 0.915),
        ncols=2,
        frameon=False,
        fontsize=9,
        labelcolor=LIGHT.ink,
        handlelength=2.4,
        columnspacing=1.2,
    )
    return apply_theme(figure)


def _style_axes(axes: Axes) -> None:
    axes.grid(axis="y", color=LIGHT.grid, lw=0.8)
    axes.set_axisbelow(True)
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom")
        spine.set_color(LIGHT.grid)
    axes.tick_params(which="both", length=0, colors=LIGHT.muted, labelsize=9)
    axes.xaxis.label.set_color(LIGHT.muted)
    axes.yaxis.label.set_color(LIGHT.muted)
    axes.set_ylabel("AP, %", fontsize=9.5)


def _draw_curve(axes: Axes, curve: Content, name: str, index: int, count: int) -> None:
    style = get_series_style(index)
    shift = np.exp(SPREAD * (index - (count - 1) / 2))
    px = np.array(curve["px"]) * shift
    ends = np.array([[np.nan if x is None else 100 * x for x in row] for row in curve["AP"]])
    axes.vlines(px, ends[:, 1], ends[:, 2], color=style.colour, lw=1, alpha=0.6, zorder=2)
    axes.plot(
        px,
        ends[:, 0],
        color=style.colour,
        ls=style.line,
        marker=style.marker,
        ms=3.5,
        lw=1.6,
        label=name,
        zorder=3,
    )


def hash_numbers(content: Content) -> str:
    """Return the SHA-256 of the numbers that the figure shows, which its SVG names."""
    one = get_main_set(content)
    numbers = [
        [name, sensor, one["variants"][name][sensor]["px"], one["variants"][name][sensor]["AP"]]
        for name in list_main_variants(content, one)
        for sensor in SENSOR_WORDS
    ]
    return hashlib.sha256(json.dumps(numbers).encode()).hexdigest()


def write_figure(content: Content, folder: Path) -> None:
    """Write the figure as PNG and SVG."""
    one = get_main_set(content)
    title = "AP of the same people by height"
    fewer = list_fewer_people(one, list_main_variants(content, one))
    brackets = ", or as in brackets" if fewer else ""
    caption = f"{one['people']:,} people of {one['title']}{brackets}; 95 % intervals"
    save_figure(draw_study(content), folder, NAME, title, caption)
    path = folder / f"{NAME}.svg"
    svg = path.read_text().rstrip()
    write_atomically(path, f"{svg}\n<!-- numbers: {hash_numbers(content)} -->\n")
