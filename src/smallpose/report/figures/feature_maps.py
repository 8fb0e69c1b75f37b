"""Draw the heatmaps and features of the same small people by several methods (Fig. 6)."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from smallpose.report.figures.style import LIGHT

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
    width, gap = 1.05, 0.55
    figure = Figure(figsize=(gap + width * (1 + 2 * m) + 0.3, 1.42 * n + 1.25), dpi=150)
    grid = figure.subplots(n, 1 + 2 * m, squeeze=False)
    figure.subplots_adjust(
        left=0.07,
        right=0.99,
        top=1 - 0.55 / (1.42 * n + 1.25),
        bottom=0.62 / (1.42 * n + 1.25),
        wspace=0.04,
        hspace=0.04,
    )
    shown = []
    for row in range(n):
        axes = grid[row]
        axes[0].imshow(crops[row], aspect="auto")
        axes[0].set_ylabel(f"{heights[row]:.0f} px", color=LIGHT.muted, fontsize=8)
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
        text = textwrap.fill(title.replace("_", " "), 16)
        grid[0][column].set_title(text, fontsize=7, color=LIGHT.ink)
    labels = ("heatmaps, largest joint", "features, relative to the method's median")
    if m == 1:  # a single column is too narrow for the long labels
        labels = ("heatmap, largest joint", "features / median")
    for part, (image, label) in enumerate(zip(shown, labels, strict=True)):
        first = grid[-1][1 + part * m].get_position()
        last = grid[-1][m + part * m].get_position()
        place = (first.x0, 0.34 / figure.get_figheight(), last.x1 - first.x0, 0.008)
        bar = figure.colorbar(image, cax=figure.add_axes(place), orientation="horizontal")
        bar.set_label(label, fontsize=8, color=LIGHT.ink)
        bar.ax.tick_params(labelsize=7, colors=LIGHT.muted, length=2)
        bar.outline.set_visible(False)  # type: ignore[operator]
    return figure
