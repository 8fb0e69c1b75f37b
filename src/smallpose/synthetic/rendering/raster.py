"""Rasterise outlines: a figure or object becomes a sprite, drawn large and averaged down.

A sprite has premultiplied colour, coverage and the topmost part of each pixel in the grid of the
image. Small people are therefore physically small: each pixel is the mean of what it covers.

A sprite holds premultiplied colour, coverage and the part on top of each pixel, in the image's
own grid, so that a small person is small physically: each pixel is the mean of what falls on it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.synthetic.people.figure import Shapes, choose_oversampling
from smallpose.synthetic.rendering.polygon_fill import (
    EMPTY,
    MIDDLE,
    ONE,
    Sprite,
    apply_shading,
    average_blocks,
    fill_polygons,
)

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]

_FAR = 200_000  # units; polygons are placed to 1/8 of a drawn pixel
_BASE = 128.0
_LEVEL = np.arange(256.0)[:, None]
_LIT = np.clip((_LEVEL / _BASE - 0.55) / 0.75, 0, 1)
_SOLID = 56.0  # px of height from which limbs are shaded as round


@dataclass(frozen=True)
class Polygon:
    """A polygon to fill: points in px, part number, brightness and the lit inner part."""

    points: Floats
    part: int
    tone: float = 1.0
    lit: Floats | None = None


@dataclass(frozen=True)
class Quads:
    """A chair or bicycle under a person, as quadrilaterals.

    Args:
        points: (s, 4, 2) px.
        colours: (s,) part, and brightness in the upper eight bits.
        keys: (s,) nearness.
    """

    points: Floats
    colours: NDArray[np.int64]
    keys: Floats


@contextmanager
def use_one_thread() -> Iterator[None]:
    """Run OpenCV on the calling core only: its own threads cost more than they save here."""
    # glibc gives images of up to the largest block ever freed (32 MB at most) from memory it
    # keeps; otherwise each of our images would ask the kernel for fresh, zeroed pages.
    np.empty(31 << 20, np.uint8)
    before = cv2.getNumThreads()
    cv2.setNumThreads(0)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def build_tone_table(shade: Floats, warmth: Floats) -> Bytes:
    """Return (256, 3) factors (128 is 1) by brightness: shade tints dark, warmth lit parts."""
    table = _LEVEL * (shade + _LIT * (warmth - shade))
    return np.minimum(table, 255.0).astype(np.uint8)


def draw_figures(
    shapes: Shapes,
    palettes: Bytes,
    heights: Floats,
    size_wh: tuple[int, int],
    tones: Bytes,
    extras: Sequence[Quads | None],
) -> list[Sprite | None]:
    """Return a sprite per person of an image; None for people outside the image.

    Args:
        palettes: (n, parts, 3) RGB.
        heights: (n,) px per body height, which decides how finely they are drawn.
        size_wh: of the image.
        tones: from `tone_table`.
        extras: for each person the chair or bicycle that may be between the limbs.
    """
    carriers = [None if e is None else e.points.reshape(-1, 2) for e in extras]
    boxes = _clip_boxes(shapes.around, carriers, size_wh)
    over = np.array([choose_oversampling(h) for h in heights.tolist()])
    canvases = _Canvases(boxes, over)
    points, polygons, colours = _collect_polygons(shapes, heights, canvases, extras)
    fill_polygons(canvases.pixels, canvases.places, points, polygons, colours)
    tables = np.zeros((len(heights), 256, 3), np.uint8)
    tables[:, : palettes.shape[1]] = palettes
    return [
        canvases.sprite(row, tables[row], tones, height) if is_in_image else None
        for row, (height, is_in_image) in enumerate(
            zip(heights.tolist(), canvases.is_in_image.tolist(), strict=True)
        )
    ]


def _collect_polygons(
    shapes: Shapes, heights: Floats, canvases: "_Canvases", extras: Sequence[Quads | None]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.uint16]]:
    """Return the input of `fill_polygons`: shapes with chairs and bicycles, from far to near."""
    n, m, corners = shapes.outlines.shape[:3]
    # Limbs of four px are drawn flat, a little brighter, and trunks of twenty in one piece.
    solid = heights >= _SOLID
    trunk = slice(shapes.trunk[0], shapes.trunk[-1] + 1)
    drawn = shapes.drawn & canvases.is_in_image[:, None]
    drawn[~solid, trunk.start + 1 : trunk.stop] = False
    has_lit = drawn & (shapes.is_hull | (solid[:, None] & ~shapes.is_flat))
    points = canvases.to_grid(np.stack([shapes.outlines, shapes.lit], axis=1)).reshape(-1, 2)
    length = np.full((n, m), corners)
    length[~solid, trunk.start] = corners * (trunk.stop - trunk.start)
    # What has no lit part is as bright as the mean of both.
    dim = shapes.dim * np.where(solid, 1.0, 1.12)[:, None]
    tones = np.stack([dim * np.where(shapes.is_flat, 116.0, 102.0), dim * 148.0], axis=1)
    colours = shapes.parts + (tones.astype(np.int64) << 8)
    # A row per person, of outlines (layer 0) and lit parts (layer 1).
    row, layer, k = np.nonzero(np.stack([drawn, has_lit], axis=1))
    first = ((row * 2 + layer) * m + k) * corners
    listed = [np.stack([row, first, length[row, k], shapes.is_hull[k]], axis=1)]
    keys = [shapes.key[row, k]]
    ranks = [2 * k + layer]
    filled = [colours[row, layer, k]]
    pieces, used = [points], len(points)
    for person, quads in enumerate(extras):
        if quads is None or not canvases.is_in_image[person]:
            continue
        count = len(quads.keys)
        pieces.append(canvases.to_grid(quads.points, person).reshape(-1, 2))
        begins = used + 4 * np.arange(count)
        used += 4 * count
        listed.append(np.stack(np.broadcast_arrays(person, begins, 4, 0), axis=1))
        keys.append(quads.keys)
        ranks.append(np.full(count, -1))
        filled.append(quads.colours)
    every = np.concatenate(listed)
    order = np.lexsort((np.concatenate(ranks), np.concatenate(keys), every[:, 0]))
    return (
        np.concatenate(pieces),
        every[order].astype(np.int32),
        np.concatenate(filled)[order].astype(np.uint16),
    )


def draw_occluder(
    paints: Sequence[Polygon], palette: Bytes, height: float, size_wh: tuple[int, int], tones: Bytes
) -> Sprite | None:
    """Draw polygons in the given order as a sprite."""
    shapes: list[Floats] = []
    colours = []
    for paint in paints:
        shapes.append(paint.points)
        colours.append(paint.part + (int(MIDDLE * paint.tone) << 8))
        if paint.lit is not None:
            shapes.append(paint.lit)
            colours.append(paint.part + (int(142 * paint.tone) << 8))
    points = np.concatenate(shapes)
    empty_box = np.array([[np.inf, np.inf, -np.inf, -np.inf]])
    canvases = _Canvases(_clip_boxes(empty_box, [points], size_wh), np.array([2]))
    if not canvases.is_in_image[0]:
        return None
    polygons = np.zeros((len(shapes), 4), np.int32)
    polygons[:, 2] = [len(s) for s in shapes]
    polygons[1:, 1] = np.cumsum(polygons[:-1, 2])
    flat = canvases.to_grid(points, 0)
    fill_polygons(canvases.pixels, canvases.places, flat, polygons, np.array(colours, np.uint16))
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = palette
    return canvases.sprite(0, table, tones, height)


def _clip_boxes(
    around: Floats, extras: Sequence[Floats | None], size_wh: tuple[int, int]
) -> NDArray[np.int64]:
    """Return (n, 4) x1, y1, x2, y2 in whole px around each person and seat, clipped to the image.

    The second corner is not beyond the first where nothing falls into the image.
    """
    low, high = around[:, :2].copy(), around[:, 2:].copy()
    for row, extra in enumerate(extras):
        if extra is not None:
            low[row] = np.minimum(low[row], extra.min(axis=0))
            high[row] = np.maximum(high[row], extra.max(axis=0))
    low = np.maximum(np.floor(np.minimum(low, 1e6)) - 1, 0)
    high = np.minimum(np.ceil(np.maximum(high, -1e6)) + 2, size_wh)
    return np.concatenate([low, high], axis=1).astype(np.int64)


class _Canvases:
    """A part of the image for each of n figures, drawn `over` times as large.

    Args:
        boxes: (n, 4) from `_boxes`.
        over: (n,).
    """

    def __init__(self, boxes: NDArray[np.int64], over: NDArray[np.int64]) -> None:
        self.boxes, self.over = boxes, over
        wide, tall = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
        self.is_in_image = (wide > 0) & (tall > 0)
        size = np.where(self.is_in_image, wide * tall * over * over, 0)
        self.places = np.stack([np.cumsum(size) - size, tall * over, wide * over], axis=1)
        self.pixels = np.full(int(size.sum()), EMPTY)

    def to_grid(self, points: Floats, row: int | None = None) -> NDArray[np.int32]:
        """Image px (pixel centres at integers) to the grid of that canvas; of each if None.

        Args:
            points: (n, ..., 2), or (..., 2) of one.
        """
        rows = slice(None) if row is None else row
        scale, corner = ONE * self.over[rows], self.boxes[rows, :2].astype(np.float64)
        if row is None:
            scale = scale.reshape(-1, *[1] * (points.ndim - 1))
            corner = corner.reshape(-1, *[1] * (points.ndim - 2), 2)
        moved = points * scale
        moved += (0.5 - corner) * scale - ONE / 2
        np.rint(moved, out=moved)
        # Far-off points only need to be far off.
        np.minimum(np.maximum(moved, -_FAR, out=moved), _FAR, out=moved)
        return moved.astype(np.int32)

    def sprite(self, row: int, table: Bytes, tones: Bytes, height: float) -> Sprite:
        """The canvas as it shows in the image.

        Args:
            table: (256, 3) RGB by part.
            tones: from `tone_table`.
            height: px of the figure, by which light and shade are soft.
        """
        over = int(self.over[row])
        start, tall, wide = self.places[row].tolist()
        canvas = self.pixels[start : start + tall * wide].reshape(tall, wide)
        # Brightness is soft, so it may be averaged before it meets the colour.
        colour, cover, tone, parts = average_blocks(canvas, table, over)
        soft = int(0.022 * height) | 1
        if soft > 1:
            cv2.blur(tone, (soft, soft), dst=tone)
        apply_shading(colour, tone, tones)
        if over == 1:
            # Large people are drawn once as large; a blur rounds the steps of their edges.
            # Without a deviation it takes OpenCV's quick path: 1 2 1.
            cv2.GaussianBlur(colour, (3, 3), 0, dst=colour)
            cv2.GaussianBlur(cover, (3, 3), 0, dst=cover)
        x, y = self.boxes[row, :2].tolist()
        return Sprite(x, y, colour, cover, parts)
