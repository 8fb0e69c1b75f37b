"""What people sit and ride on, as polygons that stand between their limbs."""

import numpy as np
from numpy.typing import NDArray

from smallpose.synthetic.body import JOINT, Bodies
from smallpose.synthetic.figure import Views
from smallpose.synthetic.modes import MODES
from smallpose.synthetic.parts import PART
from smallpose.synthetic.raster import Paint

Floats = NDArray[np.float64]

# A quadrilateral of (4, 3), its part, how much nearer it is drawn than it is, its brightness.
Solid = list[tuple[str, Floats, float, float]]

_SIDES = ((0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4), (1, 3, 7, 5))
_WHEEL, _SPOKES = 0.19, 14


def seats(modes: tuple[str, ...], bodies: Bodies, views: Views) -> list[list[Paint]]:
    """For each person the chair or bicycle that carries him; empty for those who stand."""
    out: list[list[Paint]] = [[] for _ in modes]
    for row, mode in enumerate(modes):
        kind = MODES[mode].seat
        if kind not in ("chair", "bicycle"):
            continue
        corners, solid = (_chair if kind == "chair" else _bicycle)(bodies, row)
        origin = bodies.joints[row, JOINT["pelvis"]] * np.array([1.0, 0.0, 1.0])
        seen = (corners - origin) @ views.turn[row].T
        flat = views.anchor[row] + views.scale[row] * seen[:, :, :2]
        key = seen[:, :, 2].mean(axis=1).tolist()
        out[row] = [
            Paint(flat[k], PART[part], key[k] + nearer, tone)
            for k, (part, _, nearer, tone) in enumerate(solid)
        ]
    return out


def _box(low: Floats, high: Floats, sides: tuple[int, ...]) -> list[Floats]:
    """Sides of a box, each (4, 3), of 0 left, 1 right, 2 below, 3 above, 4 behind, 5 in front."""
    corner = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)])
    corners = low + corner * (high - low)
    return [corners[list(_SIDES[k])] for k in sides]


def _chair_at(top: float) -> Solid:
    """A chair whose seat is `top` high, under a pelvis at x = z = 0."""

    def box(x1: float, y1: float, z1: float, x2: float, y2: float, z2: float, *sides: int
            ) -> list[Floats]:  # fmt: skip
        return _box(np.array([x1, y1, z1]), np.array([x2, y2, z2]), sides)

    solid: Solid = []
    for x in (-0.11, 0.095):
        for z in (-0.10, 0.11):
            legs = box(x, 0.0, z, x + 0.016, top, z + 0.016, 1, 5)
            solid += [("seat", side, -0.12, 0.72) for side in legs]
    seat = box(-0.12, top - 0.025, -0.11, 0.12, top, 0.15, 0, 1, 3, 4, 5)
    solid += [("seat", s, -0.08, t) for s, t in zip(seat, (0.8, 0.8, 1.1, 0.85, 0.9), strict=True)]
    back = box(-0.12, top, -0.125, 0.12, top + 0.24, -0.105, 0, 1, 3, 4, 5)
    solid += [("seat", s, 0.0, t) for s, t in zip(back, (0.8, 0.8, 1.1, 0.9, 0.95), strict=True)]
    return solid


# All of a chair's corners are linear in its height, so two chairs tell every other.
_LOW_CHAIR = _chair_at(0.0)
_LOW_POINTS = np.stack([side[1] for side in _LOW_CHAIR])
_RISE = np.stack([side[1] for side in _chair_at(1.0)]) - _LOW_POINTS


def _chair(bodies: Bodies, row: int) -> tuple[Floats, Solid]:
    """(s, 4, 3) corners, and the sides they belong to."""
    pelvis = bodies.joints[row, JOINT["pelvis"]]
    top = max(float(pelvis[1]) - 0.055, 0.05)
    return pelvis * np.array([1.0, 0.0, 1.0]) + _LOW_POINTS + top * _RISE, _LOW_CHAIR


def _bicycle(bodies: Bodies, row: int) -> tuple[Floats, Solid]:
    x, y, z = bodies.joints[row, JOINT["pelvis"]]
    hands = bodies.hands[row].mean(axis=0)
    turn = np.linspace(0, 2 * np.pi, _SPOKES + 1)
    circle = np.stack([0 * turn, np.sin(turn), np.cos(turn)], axis=1)
    front = max(float(hands[2]) + 0.12, float(z) + 0.3)
    hubs = [np.array([x, _WHEEL, z - 0.22]), np.array([x, _WHEEL, front])]
    solid: Solid = []
    for hub in hubs:
        for k in range(_SPOKES):
            pair = circle[k : k + 2]
            band = hub + np.concatenate([_WHEEL * pair, (_WHEEL - 0.019) * pair[::-1]])
            solid.append(("wheel", band, -0.02, 0.9))
    seat, crank = np.array([x, y - 0.06, z - 0.03]), np.array([x, _WHEEL, z + 0.04])
    bar = np.array([x, hands[1] - 0.02, hands[2]])
    tubes = (
        (seat, crank),
        (seat, hubs[0]),
        (crank, hubs[0]),
        (crank, bar),
        (bar, hubs[1]),
        (seat, bar),
    )
    for a, b in tubes:
        side = np.array([0.0, (b - a)[2], -(b - a)[1]])
        side *= 0.009 / max(float(np.linalg.norm(side)), 1e-6)
        solid.append(("frame", np.array([a + side, b + side, b - side, a - side]), 0.0, 1.0))
    return np.stack([side[1] for side in solid]), solid
