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
_SOLID = 56.0  # px of height from which limbs are shaded as round


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
    # glibc gives pictures of up to the largest block ever freed (32 MB at most) from memory it
    # keeps; otherwise each of our pictures would ask the kernel for fresh, zeroed pages.
    np.empty(31 << 20, np.uint8)
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


def draw_figures(
    shapes: Shapes,
    palettes: Bytes,
    heights: Floats,
    size_wh: tuple[int, int],
    tones: Bytes,
    extras: Sequence[Sequence[Paint]],
) -> list[Sprite | None]:
    """Each person of a picture as a sprite, None for those who do not fall into it.

    Args:
        palettes: (n, parts, 3) RGB.
        heights: (n,) px per body height, which decides how finely they are drawn.
        size_wh: of the picture.
        tones: from `tone_table`.
        extras: for each what belongs to him and may stand between the limbs: a chair, a bicycle.
    """
    n = len(heights)
    boxes = _boxes(shapes.around, extras, size_wh)
    there: list[bool] = np.all(boxes[:, 2:] > boxes[:, :2], axis=1).tolist()
    over = [oversampling(h) for h in heights.tolist()]
    # One call places all outlines on everybody's own grid, one more the lit parts.
    corner, scale = boxes[:, None, None, :2], np.array(over)[:, None, None, None]
    outlines, lit = (_to_grid(x, corner, scale) for x in (shapes.outlines, shapes.lit))
    order = np.argsort(np.where(shapes.drawn, shapes.key, np.inf), axis=1, kind="stable")
    count = shapes.drawn.sum(axis=1).tolist()
    # Limbs of four px are drawn flat, a little brighter.
    solid: list[bool] = (heights >= _SOLID).tolist()
    dim = shapes.dim * np.where(heights >= _SOLID, 1.0, 1.12)[:, None]
    dark, bright = (102.0 * dim).tolist(), (148.0 * dim).tolist()
    parts, is_hull, keys = shapes.parts.tolist(), shapes.is_hull.tolist(), shapes.key.tolist()
    tables = np.zeros((n, 256, 1, 3), np.uint8)
    tables[:, : palettes.shape[1], 0] = palettes
    sprites: list[Sprite | None] = []
    fill, hull_of = cv2.fillConvexPoly, cv2.convexHull
    for row in range(n):
        if not there[row]:
            sprites.append(None)
            continue
        canvas = _Canvas(boxes[row].tolist(), over[row])
        layers, round_ = canvas.layers, solid[row]
        queue = canvas.placed(extras[row])
        outer, inner = list(outlines[row]), list(lit[row])
        for k in order[row, : count[row]].tolist():
            while queue and queue[-1][0].key <= keys[row][k]:
                canvas.paint(*queue.pop())
            hull = is_hull[k]
            shape = hull_of(outer[k]) if hull else outer[k]
            fill(layers, shape, (parts[k], dark[row][k]), 8, _SHIFT)
            # Light and shade on a limb of four px is below what a picture keeps.
            if round_ or hull:
                shape = hull_of(inner[k]) if hull else inner[k]
                fill(layers, shape, (parts[k], bright[row][k]), 8, _SHIFT)
        while queue:
            canvas.paint(*queue.pop())
        sprites.append(canvas.sprite(tables[row], tones, float(heights[row])))
    return sprites


def draw_thing(
    paints: Sequence[Paint], palette: Bytes, height: float, size_wh: tuple[int, int], tones: Bytes
) -> Sprite | None:
    """Polygons, in the order given, as a sprite."""
    box = _boxes(np.array([[np.inf, np.inf, -np.inf, -np.inf]]), [paints], size_wh)[0]
    if (box[2:] <= box[:2]).any():
        return None
    canvas = _Canvas(box.tolist(), 2)
    table = np.zeros((256, 1, 3), np.uint8)
    table[: len(palette), 0] = palette
    for paint in canvas.placed(paints, sort=False):
        canvas.paint(*paint)
    return canvas.sprite(table, tones, height)


def _boxes(
    around: Floats, extras: Sequence[Sequence[Paint]], size_wh: tuple[int, int]
) -> NDArray[np.int64]:
    """(n, 4) x1, y1, x2, y2 in whole px around everybody and what carries him, cut to the picture.

    The second corner is not beyond the first where nothing falls into the picture.
    """
    low, high = around[:, :2].copy(), around[:, 2:].copy()
    for row, extra in enumerate(extras):
        if extra:
            points = np.concatenate([p.points for p in extra])
            low[row] = np.minimum(low[row], points.min(axis=0))
            high[row] = np.maximum(high[row], points.max(axis=0))
    low = np.maximum(np.floor(np.minimum(low, 1e6)) - 1, 0)
    high = np.minimum(np.ceil(np.maximum(high, -1e6)) + 2, size_wh)
    return np.concatenate([low, high], axis=1).astype(np.int64)


def _to_grid(points: Floats, corner: NDArray[np.int64], over: NDArray[np.int64] | int
             ) -> NDArray[np.int32]:  # fmt: skip
    """Picture px (pixel centres at integers) to the fixed-point grid of a canvas at that corner."""
    scale = over * (1 << _SHIFT)
    moved = points * scale
    moved += (0.5 - corner) * scale - (1 << _SHIFT) / 2
    np.rint(moved, out=moved)
    # Beyond 16 bits OpenCV's polygon filler overflows; far-off points only need to be far off.
    np.clip(moved, -200_000, 200_000, out=moved)
    return moved.astype(np.int32)


class _Canvas:
    """A box of the picture, `over` times as large, holding parts and brightness."""

    def __init__(self, box: Sequence[int], over: int) -> None:
        self.box, self.over = box, over
        shape = ((box[3] - box[1]) * over, (box[2] - box[0]) * over)
        # Part and brightness are two channels of one picture, so that one call fills both.
        self.layers = np.zeros((*shape, 2), np.uint8)
        self.layers[:, :, 1] = 118

    def placed(
        self, paints: Sequence[Paint], sort: bool = True
    ) -> list[tuple[Paint, NDArray[np.int32], NDArray[np.int32] | None]]:
        """Paints with their points on the grid; sorted, the farthest comes last."""
        if not paints:
            return []
        points = [p.points for p in paints] + [p.lit for p in paints if p.lit is not None]
        flat = _to_grid(np.concatenate(points), np.array(self.box[:2]), self.over)
        ends = np.cumsum([len(p) for p in points]).tolist()
        pieces = [flat[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]
        lit = iter(pieces[len(paints) :])
        out = [
            (paint, piece, None if paint.lit is None else next(lit))
            for paint, piece in zip(paints, pieces[: len(paints)], strict=True)
        ]
        return sorted(out, key=lambda o: o[0].key)[::-1] if sort else out

    def paint(self, paint: Paint, outer: NDArray[np.int32], lit: NDArray[np.int32] | None) -> None:
        cv2.fillConvexPoly(self.layers, outer, (paint.part, 118.0 * paint.tone), 8, _SHIFT)
        if lit is not None:
            cv2.fillConvexPoly(self.layers, lit, (paint.part, 142.0 * paint.tone), 8, _SHIFT)

    def sprite(self, table: Bytes, tones: Bytes, height: float) -> Sprite:
        over = self.over
        soft = max(3, int(0.022 * height * over) | 1)
        parts, tone = cv2.split(self.layers)
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
