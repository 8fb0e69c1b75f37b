"""Fill polygons and average oversampled pixels, compiled where possible.

A canvas has 16 bits per pixel: the topmost part in the lower eight, its brightness in the upper.
The compiled loops and their NumPy fallbacks use integers and give the same bytes.

A canvas holds 16 bits a pixel: the part on top in the lower eight, its brightness in the upper.
The compiled loops and their NumPy fallbacks give the same bytes, because they use integers.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.system.extension import load_extension

Bytes = NDArray[np.uint8]
Canvas = NDArray[np.uint16]
Ints = NDArray[np.int32]

MIDDLE = 118.0  # brightness of parts that are neither lit nor shaded
EMPTY = np.uint16(int(MIDDLE) << 8)  # a canvas begins with no part, of middle brightness
ONE = 8  # units of a polygon's coordinates per drawn pixel, whose centre is at whole pixels


CORE: Any = load_extension("smallpose.synthetic.rendering._fill")


@dataclass(frozen=True)
class Sprite:
    """A drawn figure or object.

    Args:
        x, y: its upper left pixel in the image.
        colour: (h, w, 3) RGB, premultiplied by coverage.
        cover: (h, w) 0 to 255.
        parts: (h, w) number of the part on top, 0 where nothing is.
    """

    x: int
    y: int
    colour: Bytes
    cover: Bytes
    parts: Bytes


def fill_polygons(
    canvases: Canvas, places: NDArray[np.int64], points: Ints, polygons: Ints, colours: Canvas
) -> None:
    """Fill convex polygons in order: pixels whose centres are inside or on the edge.

    Args:
        canvases: all canvases one after the other, changed.
        places: (c, 3) where each begins, its height and its width.
        points: (p, 2) x, y of all corners, in 1/8 px of the canvas.
        polygons: (q, 4) canvas, first corner, corners, and 1 where the shape is the convex hull of
            its corners.
        colours: (q,) what to fill with.
    """
    if CORE is not None:
        CORE.fill(canvases, places, points, polygons, colours)
        return
    for (canvas, first, count, hull), colour in zip(polygons.tolist(), colours, strict=True):
        start, height, width = places[canvas].tolist()
        shape = points[first : first + count]
        if hull:
            shape = np.asarray(cv2.convexHull(shape), dtype=np.int32)[:, 0]
        area = canvases[start : start + height * width].reshape(height, width)
        _fill_polygon(area, shape.astype(np.int64), colour)


def _fill_polygon(canvas: Canvas, shape: NDArray[np.int64], colour: np.uint16) -> None:
    height, width = canvas.shape
    low, high = np.full(height, width), np.full(height, -1)
    for (ax, ay), (bx, by) in zip(shape.tolist(), np.roll(shape, -1, axis=0).tolist(), strict=True):
        if ay == by:
            continue
        if ay > by:
            ax, ay, bx, by = bx, by, ax, ay
        rows = np.arange(max(-(-ay // ONE), 0), min(by // ONE, height - 1) + 1)
        unit = (by - ay) * ONE
        at = ax * (by - ay) + (bx - ax) * (rows * ONE - ay)
        low[rows] = np.minimum(low[rows], -(-at // unit))
        high[rows] = np.maximum(high[rows], at // unit)
    low = np.maximum(low, 0)
    for row in np.flatnonzero(high >= low).tolist():
        canvas[row, low[row] : high[row] + 1] = colour


def average_blocks(canvas: Canvas, table: Bytes, over: int) -> tuple[Bytes, Bytes, Bytes, Bytes]:
    """Average blocks of `over` by `over` pixels; `over` is 1, 2 or 4.

    Args:
        canvas: (h over, w over).
        table: (256, 3) colour of each part.

    Returns:
        (h, w, 3) mean colour, black where nothing is; (h, w) share that something covers, 0 to
        255; (h, w) mean brightness; (h, w) the part on top in the middle.
    """
    height, width = canvas.shape[0] // over, canvas.shape[1] // over
    if CORE is not None:
        colour = np.zeros((height, width, 3), np.uint8)
        cover, parts = (np.zeros((height, width), np.uint8) for _ in range(2))
        tone = np.full((height, width), EMPTY >> 8, np.uint8)
        out = (colour, cover, tone, parts)
        CORE.average(canvas, table, over, width, int(EMPTY), *out)
        return out
    drawn = (canvas & 255).astype(np.uint8)
    parts = np.ascontiguousarray(drawn[over // 2 :: over, over // 2 :: over])

    layers = np.dstack([table[drawn], np.where(drawn > 0, 255, 0), canvas >> 8]).astype(np.int64)
    blocks = layers.reshape(height, over, width, over, 5).sum(axis=(1, 3))
    mean = ((blocks + over * over // 2) // (over * over)).astype(np.uint8)
    colour, cover, tone = (np.ascontiguousarray(x) for x in np.split(mean, [3, 4], axis=2))
    return colour, cover[:, :, 0], tone[:, :, 0], parts


def apply_shading(colour: Bytes, tone: Bytes, tones: Bytes) -> None:
    """Multiply colours, in place, by the factors of their brightness.

    Args:
        colour: (h, w, 3).
        tone: (h, w).
        tones: (256, 3) factors; 128 is 1.
    """
    if CORE is not None:
        CORE.shade(colour, tone, tones)
        return
    colour[:] = np.minimum((colour.astype(np.int64) * tones[tone] + 64) >> 7, 255)


def composite_sprite(
    image: Bytes,
    owner: NDArray[np.int16],
    parts: Bytes,
    sprite: Sprite,
    number: int,
    carried: tuple[int, int],
) -> None:
    """Draw a sprite over the image and update the owner of each pixel, in place.

    Args:
        image: (h, w, 3).
        owner, parts: (h, w) who and which part is on top.
        number: of the sprite's owner.
        carried: first and last part that hide what is behind them but belong to no person (-1);
            none if the first is greater than the last.
    """
    height, width = sprite.cover.shape
    if CORE is not None:
        target = (image, owner, parts, image.shape[1])
        position = (sprite.x, sprite.y, width)
        layers = (sprite.colour, sprite.cover, sprite.parts)
        CORE.lay(*target, *position, *layers, number, *carried)
        return
    window = slice(sprite.y, sprite.y + height), slice(sprite.x, sprite.x + width)
    keep = 255 - sprite.cover[:, :, None].astype(np.int64)
    mixed = (image[window] * keep + 127) // 255 + sprite.colour
    image[window] = np.minimum(mixed, 255)
    drawn = sprite.parts > 0
    parts[window][drawn] = sprite.parts[drawn]
    is_carried = (sprite.parts >= carried[0]) & (sprite.parts <= carried[1])
    owner[window][drawn] = np.where(is_carried, -1, number)[drawn]
