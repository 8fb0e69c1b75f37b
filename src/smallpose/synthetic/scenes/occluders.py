"""Draw objects that occlude people: posts, benches, hedges, cars, signs."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from smallpose.synthetic.rendering.raster import Polygon
from smallpose.synthetic.scenes.layout import Occluder

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]

# Numbers into a thing's own small palette.
BODY = 1
DARK = 2
LEAF = 3
PALE = 4
ORANGE = 5
GLASS = 6
_DULL = np.array(
    [[70, 74, 80], [96, 80, 62], [60, 84, 66], [140, 60, 50], [60, 80, 120], [200, 198, 190]]
)
_CARS = np.array(
    [[168, 44, 40], [46, 74, 122], [206, 208, 210], [44, 48, 54], [212, 170, 60], [86, 122, 104]]
)
_RING = np.linspace(0, 2 * np.pi, 20, endpoint=False)
_CIRCLE = np.stack([np.cos(_RING), np.sin(_RING)], axis=1)


class _PolygonBuilder:
    """Collects polygons given in metres: x to the right of the object's foot, y up."""

    def __init__(self, thing: Occluder) -> None:
        self.foot, self.metre = np.array([thing.x, thing.y]), thing.metre
        self.rng = np.random.default_rng(thing.seed)
        self.paints: list[Polygon] = []
        self.body = _DULL[self.rng.integers(len(_DULL))]
        self.top = 1.0

    def shape(
        self, points: Floats, part: int, tone: float = 1.0, lit: Floats | None = None
    ) -> None:
        to_px = self.metre * np.array([1.0, -1.0])
        bright = None if lit is None else self.foot + to_px * lit
        self.paints.append(Polygon(self.foot + to_px * points, part, tone, bright))

    def quad(
        self, x1: float, y1: float, x2: float, y2: float, part: int, tone: float = 1.0
    ) -> None:
        middle = x1 + 0.45 * (x2 - x1)
        corners, lit = (
            np.array([[x1, y1], [x, y1], [x, y2], [x1, y2]], dtype=float) for x in (x2, middle)
        )
        self.shape(corners, part, tone, lit)

    def disc(self, x: float, y: float, rx: float, ry: float, part: int, tone: float = 1.0) -> None:
        ring = _CIRCLE * [rx, ry]
        self.shape(ring + np.array([x, y]), part, tone, 0.6 * ring + [x - 0.2 * rx, y + 0.25 * ry])


def draw_polygons(thing: Occluder) -> tuple[list[Polygon], Bytes, float]:
    """Return an occluder's polygons, its palette and its height in px."""
    easel = _PolygonBuilder(thing)
    KINDS[thing.kind](easel)
    palette = np.zeros((8, 3), np.uint8)
    palette[BODY] = easel.body
    palette[DARK], palette[LEAF], palette[PALE] = (38, 44, 52), (82, 116, 62), (236, 232, 220)
    palette[ORANGE], palette[GLASS] = (222, 96, 38), (150, 178, 194)
    return easel.paints, palette, easel.top * thing.metre


def _draw_post(easel: _PolygonBuilder) -> None:
    easel.top = easel.rng.uniform(0.9, 3.2)
    easel.quad(-0.07, 0, 0.07, easel.top, BODY)
    easel.disc(0, easel.top, 0.11, 0.11, BODY)


def _draw_lamp(easel: _PolygonBuilder) -> None:
    easel.top = 3.6
    easel.quad(-0.05, 0, 0.05, easel.top, BODY)
    easel.disc(0, 0.1, 0.12, 0.14, BODY, 0.9)
    easel.disc(0, easel.top + 0.1, 0.22, 0.22, PALE)


def _draw_bin(easel: _PolygonBuilder) -> None:
    easel.quad(-0.25, 0, 0.25, 0.85, BODY)
    easel.disc(0, 0.86, 0.27, 0.07, BODY, 0.75)


def _draw_bench(easel: _PolygonBuilder) -> None:
    for leg in (-0.75, 0.66):
        easel.quad(leg, 0, leg + 0.09, 0.42, DARK)
    easel.quad(-0.9, 0.40, 0.9, 0.48, BODY)
    for slat in (0.58, 0.72, 0.86):
        easel.quad(-0.9, slat, 0.9, slat + 0.09, BODY, 0.95)


def _draw_planter(easel: _PolygonBuilder) -> None:
    rng = easel.rng
    for _ in range(18):
        x, y, tone = rng.uniform(-0.7, 0.7), rng.uniform(0.5, 0.95), rng.uniform(0.75, 1.15)
        easel.disc(x, y, rng.uniform(0.12, 0.26), rng.uniform(0.12, 0.26), LEAF, tone)
    easel.quad(-0.8, 0, 0.8, 0.5, BODY)


def _draw_bush(easel: _PolygonBuilder) -> None:
    rng = easel.rng
    for k in range(26):
        y = rng.uniform(0.12, 0.9)
        tone = 0.7 + 0.4 * y + rng.uniform(-0.1, 0.1)
        easel.disc(rng.uniform(-0.8, 0.8), y, 0.16 + 0.004 * k, 0.15, LEAF, tone)


def _draw_fence(easel: _PolygonBuilder) -> None:
    for k in range(9):
        easel.quad(-1.6 + 0.4 * k, 0, -1.54 + 0.4 * k, 1.0, BODY)
    for rail in (0.2, 0.88):
        easel.quad(-1.6, rail, 1.66, rail + 0.06, BODY)


def _draw_sign(easel: _PolygonBuilder) -> None:
    easel.top = 2.3
    easel.quad(-0.035, 0, 0.035, 1.7, DARK)
    easel.disc(0, 2.0, 0.34, 0.34, ORANGE)
    easel.disc(0, 2.0, 0.25, 0.25, PALE)


def _draw_cone(easel: _PolygonBuilder) -> None:
    easel.top = 0.75
    easel.quad(-0.24, 0, 0.24, 0.06, ORANGE)
    easel.shape(np.array([[-0.19, 0.06], [0.19, 0.06], [0.03, 0.75], [-0.03, 0.75]]), ORANGE)
    easel.quad(-0.11, 0.34, 0.11, 0.46, PALE)


def _draw_board(easel: _PolygonBuilder) -> None:
    """Draw a low advertising board."""
    easel.body = _CARS[easel.rng.integers(len(_CARS))]
    easel.quad(-1.5, 0.05, 1.5, 0.95, BODY)
    for k in range(9):
        easel.quad(-1.2 + 0.27 * k, 0.35, -1.02 + 0.27 * k, easel.rng.uniform(0.5, 0.7), PALE)


def _draw_parasol(easel: _PolygonBuilder) -> None:
    easel.top = 2.4
    easel.body = _CARS[easel.rng.integers(len(_CARS))]
    easel.quad(-0.03, 0, 0.03, 2.2, PALE)
    edge = np.linspace(-1.3, 1.3, 9)
    for k in range(8):
        a, b = edge[k], edge[k + 1]
        points = np.array([[0, 2.4], [0.62 * a, 2.2], [a, 1.8], [b, 1.8], [0.62 * b, 2.2]])
        easel.shape(points, BODY if k % 2 else PALE, 1.1 - 0.03 * k)


def _draw_car(easel: _PolygonBuilder) -> None:
    easel.top = 1.45
    easel.body = _CARS[easel.rng.integers(len(_CARS))]

    def shape(part: int, tone: float, points: list[tuple[float, float]]) -> None:
        easel.shape(np.array(points), part, tone)

    shape(BODY, 0.95, [(-1.2, 0.85), (-0.75, 1.42), (0.75, 1.42), (1.35, 0.85)])
    shape(GLASS, 1.0, [(-1.02, 0.88), (-0.66, 1.34), (-0.05, 1.34), (-0.05, 0.88)])
    shape(GLASS, 1.0, [(0.05, 0.88), (0.05, 1.34), (0.68, 1.34), (1.12, 0.88)])
    shape(
        BODY, 1.08, [(-2.1, 0.35), (-2.1, 0.7), (-1.25, 0.9), (1.4, 0.9), (2.1, 0.72), (2.15, 0.35)]
    )
    shape(BODY, 0.7, [(-2.1, 0.28), (-2.1, 0.48), (2.15, 0.48), (2.15, 0.28)])
    for wheel in (-1.3, 1.35):
        easel.disc(wheel, 0.32, 0.33, 0.33, DARK)
        easel.disc(wheel, 0.32, 0.18, 0.18, PALE, 0.8)
    shape(PALE, 1.0, [(1.95, 0.6), (2.12, 0.6), (2.1, 0.72), (1.95, 0.76)])


KINDS: dict[str, Callable[[_PolygonBuilder], None]] = {
    "post": _draw_post,
    "lamp": _draw_lamp,
    "bin": _draw_bin,
    "bench": _draw_bench,
    "planter": _draw_planter,
    "bush": _draw_bush,
    "fence": _draw_fence,
    "sign": _draw_sign,
    "cone": _draw_cone,
    "board": _draw_board,
    "parasol": _draw_parasol,
    "car": _draw_car,
}
