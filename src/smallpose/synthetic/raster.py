"""Outlines to pixels: one figure or thing becomes a sprite, drawn large and averaged down.

A sprite holds premultiplied colour, coverage and the part on top of each pixel, in the picture's
own grid, so that a small person is small physically: each pixel is the mean of what falls on it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.synthetic.figure import Shapes, oversampling

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]

_SHIFT = 3  # polygons are placed to 1/8 of a drawn pixel
_BASE = 128.0
_SOLID = 40.0  # px of height from which limbs are shaded as round


@dataclass(frozen=True)
class Sprite:
    """A drawn thing.

    Args:
        x, y: its upper left pixel in the picture.
        colour: (h, w, 3) RGB, premultiplied by coverage.
        cover: (h, w) 0 to 255.
        parts: (h, w) number of the part on top, 0 where nothing is.
    """

    x: int
    y: int
    colour: Bytes
    cover: Bytes
    parts: Bytes


@dataclass(frozen=True)
class Paint:
    """A polygon to fill: its points in px, part number, nearness, brightness and lit inner part."""

    points: Floats
    part: int
    key: float
    tone: float = 1.0
    lit: Floats | None = None


@contextmanager
def one_thread() -> Iterator[None]:
    """OpenCV on the caller's core only, while the work lasts: its own threads cost more here."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(0)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def tone_table(shade: Floats, warmth: Floats) -> Bytes:
    """(256, 1, 3) factors (128 is 1) by brightness: shade tints the dark, warmth the lit."""
    level = np.arange(256.0)[:, None] / _BASE
    mix = np.clip((level - 0.55) / 0.75, 0, 1)
    table = level * ((1 - mix) * shade + mix * warmth) * _BASE
    return np.clip(table, 0, 255).astype(np.uint8)[:, None]


def draw_figure(
    shapes: Shapes,
    row: int,
    palette: Bytes,
    height: float,
    size_wh: tuple[int, int],
    tones: Bytes,
    extra: Sequence[Paint] = (),
) -> Sprite | None:
    """One person as a sprite, None when nothing falls into the picture.

    Args:
        row: which of the shapes.
        palette: (parts, 3) RGB.
        height: px per body height, which decides how finely it is drawn.
        size_wh: of the picture.
        tones: from `tone_table`.
        extra: what belongs to the person and may stand between the limbs: a chair, a bicycle.
    """
    chosen = np.flatnonzero(shapes.drawn[row])
    order = chosen[np.argsort(shapes.key[row, chosen], kind="stable")]
    box = _bounds(shapes.around[row].reshape(2, 2), extra, size_wh)
    if box is None:
        return None
    over = oversampling(height)
    canvas = _Canvas(box, over)
    outlines = canvas.place(shapes.outlines[row, order])
    lit = canvas.place(shapes.lit[row, order])
    parts, hull = shapes.parts[order].tolist(), shapes.is_hull[order].tolist()
    dims = shapes.dim[row, order].tolist()
    solid = height >= _SOLID
    # All of what carries a person is quadrilaterals, so one call places them.
    quads = canvas.place(np.stack([p.points for p in extra])) if extra else ()
    queue = sorted(zip(extra, quads, strict=True), key=lambda pair: pair[0].key)
    keys = shapes.key[row, order].tolist()
    for number, part in enumerate(parts):
        while queue and queue[0][0].key <= keys[number]:
            canvas.paint(*queue.pop(0))
        outer, inner = outlines[number], lit[number]
        if hull[number]:
            outer, inner = cv2.convexHull(outer), cv2.convexHull(inner)
        dim = (1.0 if solid else 1.12) * dims[number]
        cv2.fillConvexPoly(canvas.layers, outer, (part, 102.0 * dim), 8, _SHIFT)
        # Light and shade on a limb of three px is below what a picture keeps.
        if solid or hull[number]:
            cv2.fillConvexPoly(canvas.layers, inner, (part, 148.0 * dim), 8, _SHIFT)
    for paint, quad in queue:
        canvas.paint(paint, quad)
    return canvas.sprite(palette, tones, height)


def draw_thing(
    paints: Sequence[Paint], palette: Bytes, height: float, size_wh: tuple[int, int], tones: Bytes
) -> Sprite | None:
    """Polygons, in the order given, as a sprite."""
    box = _bounds(np.zeros((0, 2)), paints, size_wh)
    if box is None:
        return None
    canvas = _Canvas(box, 2)
    for paint in paints:
        canvas.paint(paint)
    return canvas.sprite(palette, tones, height)


def _bounds(
    points: Floats, extra: Sequence[Paint], size_wh: tuple[int, int]
) -> tuple[int, int, int, int] | None:
    """x1, y1, x2, y2 in whole px around everything, cut to the picture."""
    everything = np.concatenate([points, *(p.points for p in extra)]) if extra else points
    low = np.maximum(np.floor(everything.min(axis=0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(everything.max(axis=0)).astype(int) + 2, size_wh)
    if (high - low < 1).any():
        return None
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


class _Canvas:
    """A box of the picture, `over` times as large, holding parts and brightness."""

    def __init__(self, box: tuple[int, int, int, int], over: int) -> None:
        self.box, self.over = box, over
        shape = ((box[3] - box[1]) * over, (box[2] - box[0]) * over)
        # Part and brightness are two channels of one picture, so that one call fills both.
        self.layers = np.zeros((*shape, 2), np.uint8)
        self.layers[:, :, 1] = 118

    def place(self, points: Floats) -> NDArray[np.int32]:
        """Picture px (pixel centres at integers) to the fixed-point grid of the canvas."""
        scale = self.over * (1 << _SHIFT)
        moved = (points - np.array(self.box[:2]) + 0.5) * scale - (1 << _SHIFT) / 2
        # Beyond 16 bits OpenCV's polygon filler overflows; far-off points only need to be far off.
        placed: NDArray[np.int32] = np.clip(np.rint(moved), -200_000, 200_000).astype(np.int32)
        return placed

    def paint(self, paint: Paint, placed: NDArray[np.int32] | None = None) -> None:
        outer = self.place(paint.points) if placed is None else placed
        cv2.fillConvexPoly(self.layers, outer, (paint.part, 118.0 * paint.tone), 8, _SHIFT)
        if paint.lit is not None:
            lit = self.place(paint.lit)
            cv2.fillConvexPoly(self.layers, lit, (paint.part, 142.0 * paint.tone), 8, _SHIFT)

    def sprite(self, palette: Bytes, tones: Bytes, height: float) -> Sprite:
        over = self.over
        soft = max(3, int(0.022 * height * over) | 1)
        parts, tone = cv2.split(self.layers)
        table = np.zeros((256, 1, 3), np.uint8)
        table[: len(palette), 0] = palette
        colour = cv2.applyColorMap(parts, table)
        cover = cv2.threshold(parts, 0, 255, cv2.THRESH_BINARY)[1]
        size = (parts.shape[1] // over, parts.shape[0] // over)
        half = over // 2
        if over == 1:
            # Large people are drawn once as large; a small blur rounds the steps of their edges.
            tone = cv2.blur(tone, (soft, soft))
            colour = cv2.multiply(colour, cv2.applyColorMap(tone, tones), scale=1 / _BASE)
            colour = cv2.GaussianBlur(colour, (3, 3), 0.6)
            cover = cv2.GaussianBlur(cover, (3, 3), 0.6)
        else:
            # Brightness is soft, so it may be averaged before it meets the colour.
            colour = cv2.resize(colour, size, interpolation=cv2.INTER_AREA)
            cover = cv2.resize(cover, size, interpolation=cv2.INTER_AREA)
            tone = cv2.resize(tone, size, interpolation=cv2.INTER_AREA)
            if soft > 2 * over:
                tone = cv2.blur(tone, (soft // over | 1, soft // over | 1))
            colour = cv2.multiply(colour, cv2.applyColorMap(tone, tones), scale=1 / _BASE)
        return Sprite(
            self.box[0],
            self.box[1],
            np.asarray(colour),
            np.asarray(cover),
            np.ascontiguousarray(parts[half::over, half::over]),
        )


def blend(picture: Bytes, sprite: Sprite) -> None:
    """Lay the sprite over the picture, in place."""
    height, width = sprite.cover.shape
    under = picture[sprite.y : sprite.y + height, sprite.x : sprite.x + width]
    keep = cv2.cvtColor(cv2.bitwise_not(sprite.cover), cv2.COLOR_GRAY2BGR)
    cv2.multiply(under, keep, scale=1 / 255, dst=keep)
    under[:] = cv2.add(keep, sprite.colour)
