"""What people sit and ride on, as polygons that stand between their limbs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.synthetic.people.body import JOINT, Bodies
from smallpose.synthetic.people.body_parts import PART
from smallpose.synthetic.people.figure import Views
from smallpose.synthetic.people.pose_modes import MODES
from smallpose.synthetic.rendering.polygon_fill import MIDDLE
from smallpose.synthetic.rendering.raster import Quads

Floats = NDArray[np.float64]
Corner = tuple[float, float, float]


@dataclass(frozen=True)
class _SideStyle:
    """Style of s quadrilaterals."""

    colours: NDArray[np.int64]
    nearer: Floats


def _make_side_style(sides: Sequence[tuple[str, float, float]]) -> _SideStyle:
    colours = [PART[part] + (int(MIDDLE * tone) << 8) for part, _, tone in sides]
    return _SideStyle(np.array(colours), np.array([nearer for _, nearer, _ in sides]))


_SIDES = ((0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4), (1, 3, 7, 5))
_WHEEL = 0.19
_SPOKES = 14


def place_seats(modes: tuple[str, ...], bodies: Bodies, views: Views) -> list[Quads | None]:
    """Return the chair or bicycle of each person; None for people who stand."""
    out: list[Quads | None] = [None] * len(modes)
    for row, mode in enumerate(modes):
        kind = MODES[mode].seat
        if kind not in ("chair", "bicycle"):
            continue
        corners, look = (_place_chair if kind == "chair" else _place_bicycle)(bodies, row)
        origin = bodies.joints[row, JOINT["pelvis"]] * np.array([1.0, 0.0, 1.0])
        seen = (corners - origin) @ views.turn[row].T
        flat = views.anchor[row] + views.scale[row] * seen[:, :, :2]
        key = seen[:, :, 2].sum(axis=1) / 4 + look.nearer
        out[row] = Quads(flat, look.colours, key)
    return out


def _make_box(low: Floats, high: Floats, sides: tuple[int, ...]) -> list[Floats]:
    """Return box sides, each (4, 3): 0 left, 1 right, 2 below, 3 above, 4 behind, 5 in front."""
    corner = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)])
    corners = low + corner * (high - low)
    return [corners[list(_SIDES[k])] for k in sides]


def _build_chair(top: float) -> Floats:
    """Return (s, 4, 3): a chair with its seat at `top`, under a pelvis at x = z = 0."""

    def box(low: Corner, high: Corner, *sides: int) -> list[Floats]:
        return _make_box(np.array(low), np.array(high), sides)

    legs: list[Floats] = []
    for x in (-0.11, 0.095):
        for z in (-0.10, 0.11):
            legs += box((x, 0.0, z), (x + 0.016, top, z + 0.016), 1, 5)
    seat = box((-0.12, top - 0.025, -0.11), (0.12, top, 0.15), 0, 1, 3, 4, 5)
    back = box((-0.12, top, -0.125), (0.12, top + 0.24, -0.105), 0, 1, 3, 4, 5)
    return np.stack([*legs, *seat, *back])


_CHAIR = _make_side_style(
    [
        *[("seat", -0.12, 0.72)] * 8,
        *[("seat", -0.08, tone) for tone in (0.8, 0.8, 1.1, 0.85, 0.9)],
        *[("seat", 0.0, tone) for tone in (0.8, 0.8, 1.1, 0.9, 0.95)],
    ]
)
# All of a chair's corners are linear in its height, so two chairs tell every other.
_LOW_CHAIR = _build_chair(0.0)
_RISE = _build_chair(1.0) - _LOW_CHAIR


def _place_chair(bodies: Bodies, row: int) -> tuple[Floats, _SideStyle]:
    """Return (s, 4, 3) corners and the style of the sides."""
    pelvis = bodies.joints[row, JOINT["pelvis"]]
    top = max(float(pelvis[1]) - 0.055, 0.05)
    return pelvis * np.array([1.0, 0.0, 1.0]) + _LOW_CHAIR + top * _RISE, _CHAIR


def _build_wheel() -> Floats:
    """Return (_SPOKES, 4, 3): a wheel's rim about its hub."""
    turn = np.linspace(0, 2 * np.pi, _SPOKES + 1)
    circle = np.stack([0 * turn, np.sin(turn), np.cos(turn)], axis=1)
    outer, inner = _WHEEL * circle, (_WHEEL - 0.019) * circle
    return np.stack([outer[:-1], outer[1:], inner[1:], inner[:-1]], axis=1)


_TYRE = _build_wheel()
_BICYCLE = _make_side_style([*[("wheel", -0.02, 0.9)] * (2 * _SPOKES), *[("frame", 0.0, 1.0)] * 6])


def _place_bicycle(bodies: Bodies, row: int) -> tuple[Floats, _SideStyle]:
    x, y, z = bodies.joints[row, JOINT["pelvis"]]
    hands = bodies.hands[row].mean(axis=0)
    front = max(float(hands[2]) + 0.12, float(z) + 0.3)
    back_hub, front_hub = np.array([x, _WHEEL, z - 0.22]), np.array([x, _WHEEL, front])
    seat, crank = np.array([x, y - 0.06, z - 0.03]), np.array([x, _WHEEL, z + 0.04])
    bar = np.array([x, hands[1] - 0.02, hands[2]])
    ends = np.array(
        [
            (seat, crank),
            (seat, back_hub),
            (crank, back_hub),
            (crank, bar),
            (bar, front_hub),
            (seat, bar),
        ]
    )
    along = ends[:, 1] - ends[:, 0]
    side = np.stack([0 * along[:, 0], along[:, 2], -along[:, 1]], axis=1)
    side *= 0.009 / np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-6)
    a, b = ends[:, 0], ends[:, 1]
    tubes = np.stack([a + side, b + side, b - side, a - side], axis=1)
    return np.concatenate([back_hub + _TYRE, front_hub + _TYRE, tubes]), _BICYCLE
