"""Draw the heatmaps and features of the same small people by several methods (Fig. 6)."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from smallpose.report.figures.style import LIGHT, SMALL_TYPE

Floats = NDArray[np.float64]
Image = NDArray[np.uint8]


def draw_feature_maps(
    crops: Sequence[Image],
    heatmaps: Mapping[str, Sequence[Floats]],
    features: Mapping[str, Sequence[Floats]],
    heights: Sequence[float],
) -> Figure:
    """Draw a row per person: the crop, then the heatmaps and the features of every method.

    All heatmaps share one colour scale, from 0 to their largest value. Features of different
    networks have no common unit: each method's are divided by their own median over these people,
    and then share one scale too.

    Args:
        crops: (h, w, 3) RGB.
        heatmaps, features: by method, one map per person.
        heights: of the people in their images, px.
    """
    names = list(heatmaps)
    n, m = len(crops), len(names)
    relative = {
        name: [
            f / max(float(np.median(np.concatenate([g.ravel() for g in maps]))), 1e-12)
            for f in maps
        ]
        for name, maps in features.items()
    }
    max_heat = max(float(h.max()) for maps in heatmaps.values() for h in maps)
    max_feature = max(float(np.quantile(f, 0.995)) for maps in relative.values() for f in maps)
    # Columns are wide enough for the names of methods, and one part for its colour bar's label.
    width = max(1.35, 3.2 / m)
    height = 1.35 * width * n + 1.5
    figure = Figure(figsize=(0.85 + width * (1 + 2 * m), height), dpi=150)
    grid = figure.subplots(n, 1 + 2 * m, squeeze=False)
    figure.subplots_adjust(
        left=0.55 / figure.get_figwidth(),
        right=1 - 0.1 / figure.get_figwidth(),
        top=1 - 0.65 / height,
        bottom=0.85 / height,
        wspace=0.04,
        hspace=0.04,
    )
    shown = []
    for row in range(n):
        axes = grid[row]
        axes[0].imshow(crops[row], aspect="auto")
        axes[0].set_ylabel(f"{heights[row]:.0f} px", color=LIGHT.muted, fontsize=SMALL_TYPE)
        for column, name in enumerate(names):
            heat = axes[1 + column].imshow(
                heatmaps[name][row], vmin=0, vmax=max_heat, cmap="magma", aspect="auto"
            )
            strong = axes[1 + m + column].imshow(
                relative[name][row], vmin=0, vmax=max_feature, cmap="viridis", aspect="auto"
            )
            shown = [heat, strong]
        for axis in axes:
            axis.set_xticks([])
            axis.set_yticks([])
            for spine in axis.spines.values():
                spine.set_visible(False)
    for column, title in enumerate(["crop", *names, *names]):
        text = textwrap.fill(title.replace("_", " "), int(width / 0.075))
        grid[0][column].set_title(text, fontsize=SMALL_TYPE, color=LIGHT.ink)
    labels = ("heatmaps, largest joint", "features, relative to the method's median")
    for part, (image, label) in enumerate(zip(shown, labels, strict=True)):
        first = grid[-1][1 + part * m].get_position()
        last = grid[-1][m + part * m].get_position()
        # The bars of neighbouring parts keep apart, or the numbers at their ends would collide.
        inset = 0.12 / figure.get_figwidth()
        place = (first.x0 + inset, 0.55 / height, last.x1 - first.x0 - 2 * inset, 0.1 / height)
        bar = figure.colorbar(image, cax=figure.add_axes(place), orientation="horizontal")
        bar.set_label(label, fontsize=SMALL_TYPE, color=LIGHT.ink)
        bar.ax.tick_params(labelsize=SMALL_TYPE, colors=LIGHT.muted, length=2)
        bar.outline.set_visible(False)  # type: ignore[operator]
    return figure
