"""Things: what people sit and ride on, and what stands in front of them."""

import numpy as np
from numpy.typing import NDArray

from smallpose.synthetic.body import JOINT, Bodies
from smallpose.synthetic.figure import Views
from smallpose.synthetic.parts import PART
from smallpose.synthetic.poses import MODES
from smallpose.synthetic.raster import Paint
from smallpose.synthetic.scenes import Thing

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]

PROPS = tuple(PART[p] for p in ("seat", "frame", "wheel", "rim"))


def seats(modes: tuple[str, ...], bodies: Bodies, views: Views) -> list[list[Paint]]:
    """For each person the chair or bicycle that carries him, as polygons to stand between limbs."""
    turn = views.turn()
    out: list[list[Paint]] = [[] for _ in modes]
    for row, mode in enumerate(modes):
        kind = MODES[mode].seat
        if kind == "chair":
            solid = _chair(bodies, row)
        elif kind == "bicycle":
            solid = _bicycle(bodies, row)
        else:
            continue
        origin = bodies.joints[row, JOINT["pelvis"]] * np.array([1.0, 0.0, 1.0])
        for part, points, nearer, tone in solid:
            seen = (points - origin) @ turn[row].T
            flat = views.anchor[row] + views.scale[row] * seen[:, :2]
            key = float(seen[:, 2].mean()) + nearer
            out[row].append(Paint(flat, PART[part], key, tone))
    return out


Solid = list[tuple[str, Floats, float, float]]


def _box(x: tuple[float, float], y: tuple[float, float], z: tuple[float, float]) -> list[Floats]:
    """The six faces of a box, each (4, 3)."""
    corner = np.array([[a, b, c] for a in x for b in y for c in z])
    faces = ((0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4), (1, 3, 7, 5))
    return [corner[list(f)] for f in faces]


def _chair(bodies: Bodies, row: int) -> Solid:
    pelvis = bodies.joints[row, JOINT["pelvis"]]
    x, y, z = pelvis
    top = max(y - 0.055, 0.05)
    solid: Solid = []
    for a in (-0.11, 0.095):
        for b in (-0.10, 0.11):
            legs = _box((x + a, x + a + 0.016), (0.0, top), (z + b, z + b + 0.016))
            solid += [("seat", face, -0.12, 0.72) for face in legs[:4]]
    seat = _box((x - 0.12, x + 0.12), (top - 0.025, top), (z - 0.11, z + 0.15))
    solid += [
        ("seat", face, -0.08, t)
        for face, t in zip(seat, (0.8, 0.8, 0.7, 1.1, 0.85, 0.9), strict=True)
    ]
    back = _box((x - 0.12, x + 0.12), (top, top + 0.24), (z - 0.125, z - 0.105))
    solid += [
        ("seat", face, 0.0, t)
        for face, t in zip(back, (0.8, 0.8, 0.7, 1.1, 0.9, 0.95), strict=True)
    ]
    return solid


def _bicycle(bodies: Bodies, row: int) -> Solid:
    joints = bodies.joints[row]
    x, y, z = joints[JOINT["pelvis"]]
    hands = bodies.hands[row].mean(axis=0)
    radius = 0.19
    ring = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    hubs = [np.array([x, radius, z - 0.22]), np.array([x, radius, max(hands[2] + 0.12, z + 0.3)])]
    solid: Solid = []
    for hub in hubs:
        circle = np.stack([0 * ring, np.sin(ring), np.cos(ring)], axis=1)
        for k in range(24):
            pair = circle[[k, (k + 1) % 24]]
            band = hub + np.concatenate([radius * pair, (radius - 0.017) * pair[::-1]])
            solid.append(("wheel", band, -0.02, 0.9))
    seat, crank = np.array([x, y - 0.06, z - 0.03]), np.array([x, radius, z + 0.04])
    bar = np.array([x, hands[1] - 0.02, hands[2]])
    for a, b in (
        (seat, crank),
        (seat, hubs[0]),
        (crank, hubs[0]),
        (crank, bar),
        (bar, hubs[1]),
        (seat, bar),
    ):
        side = np.cross(b - a, [1.0, 0.0, 0.0])
        side *= 0.009 / max(float(np.linalg.norm(side)), 1e-6)
        solid.append(("frame", np.array([a + side, b + side, b - side, a - side]), 0.0, 1.0))
    return solid


def thing_paints(thing: Thing) -> tuple[list[Paint], Bytes, float]:
    """An occluder's polygons, its palette and its height in px."""
    rng = np.random.default_rng(thing.seed)
    m, x, y = thing.metre, thing.x, thing.y
    palette = np.zeros((8, 3), np.uint8)
    dull = np.array(
        [[70, 74, 80], [96, 80, 62], [60, 84, 66], [140, 60, 50], [60, 80, 120], [200, 198, 190]]
    )
    palette[1] = dull[rng.integers(len(dull))]
    palette[2] = (38, 44, 52)
    palette[3] = (74, 112, 60)
    palette[4] = (236, 232, 220)
    palette[5] = (222, 96, 38)
    paints: list[Paint] = []

    def quad(x1: float, y1: float, x2: float, y2: float, part: int, tone: float = 1.0) -> None:
        """A rectangle in metres, x to the right of the foot, y up from the ground."""
        points = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
        lit = np.array(
            [[x1, y1], [x1 + 0.45 * (x2 - x1), y1], [x1 + 0.45 * (x2 - x1), y2], [x1, y2]]
        )
        flat = [np.stack([x + m * p[:, 0], y - m * p[:, 1]], axis=1) for p in (points, lit)]
        paints.append(Paint(flat[0], part, 0.0, tone, flat[1]))

    def disc(cx: float, cy: float, rx: float, ry: float, part: int, tone: float = 1.0) -> None:
        ring = np.linspace(0, 2 * np.pi, 20, endpoint=False)
        circle = np.stack([np.cos(ring), np.sin(ring)], axis=1)
        flat = np.array([x + m * cx, y - m * cy]) + m * circle * [rx, ry]
        lit = np.array([x + m * (cx - 0.2 * rx), y - m * (cy + 0.25 * ry)]) + 0.6 * m * circle * [
            rx,
            ry,
        ]
        paints.append(Paint(flat, part, 0.0, tone, lit))

    top = 1.0
    if thing.kind == "post":
        top = rng.uniform(0.9, 3.2)
        quad(-0.07, 0, 0.07, top, 1)
        disc(0, top, 0.11, 0.11, 1)
    elif thing.kind == "lamp":
        top = 3.6
        quad(-0.05, 0, 0.05, top, 1)
        disc(0, 0.1, 0.12, 0.14, 1, 0.9)
        disc(0, top + 0.1, 0.22, 0.22, 4)
    elif thing.kind == "bin":
        quad(-0.25, 0, 0.25, 0.85, 1)
        disc(0, 0.86, 0.27, 0.07, 1, 0.75)
    elif thing.kind == "bench":
        for leg in (-0.75, 0.66):
            quad(leg, 0, leg + 0.09, 0.42, 2)
        quad(-0.9, 0.40, 0.9, 0.48, 1)
        for slat in (0.58, 0.72, 0.86):
            quad(-0.9, slat, 0.9, slat + 0.09, 1, 0.95)
    elif thing.kind == "planter":
        for _ in range(16):
            disc(
                rng.uniform(-0.7, 0.7),
                rng.uniform(0.5, 0.95),
                *rng.uniform(0.12, 0.26, 2),
                3,
                rng.uniform(0.75, 1.15),
            )
        quad(-0.8, 0, 0.8, 0.5, 1)
    elif thing.kind == "fence":
        for k in range(9):
            quad(-1.6 + 0.4 * k, 0, -1.54 + 0.4 * k, 1.0, 1)
        for rail in (0.2, 0.88):
            quad(-1.6, rail, 1.66, rail + 0.06, 1)
    elif thing.kind == "car":
        top = 1.45
        _car(quad, disc, paints, x, y, m, palette, rng)
    elif thing.kind == "sign":
        top = 2.3
        quad(-0.035, 0, 0.035, 1.7, 2)
        disc(0, 2.0, 0.34, 0.34, 5)
        disc(0, 2.0, 0.25, 0.25, 4)
    else:
        top = 0.75
        quad(-0.24, 0, 0.24, 0.06, 5)
        cone = np.array([[-0.19, 0.06], [0.19, 0.06], [0.03, 0.75], [-0.03, 0.75]])
        paints.append(Paint(np.stack([x + m * cone[:, 0], y - m * cone[:, 1]], axis=1), 5, 0.0))
        quad(-0.11, 0.34, 0.11, 0.46, 4)
    return paints, palette, top * m


def _car(quad, disc, paints, x, y, m, palette, rng) -> None:  # type: ignore[no-untyped-def]
    colours = np.array(
        [
            [168, 44, 40],
            [46, 74, 122],
            [206, 208, 210],
            [44, 48, 54],
            [212, 170, 60],
            [86, 122, 104],
        ]
    )
    palette[1] = colours[rng.integers(len(colours))]
    palette[6] = (150, 178, 194)

    def shape(points: list[tuple[float, float]], part: int, tone: float = 1.0) -> None:
        p = np.array(points)
        paints.append(Paint(np.stack([x + m * p[:, 0], y - m * p[:, 1]], axis=1), part, 0.0, tone))

    shape([(-1.2, 0.85), (-0.75, 1.42), (0.75, 1.42), (1.35, 0.85)], 1, 0.95)
    shape([(-1.02, 0.88), (-0.66, 1.34), (-0.05, 1.34), (-0.05, 0.88)], 6)
    shape([(0.05, 0.88), (0.05, 1.34), (0.68, 1.34), (1.12, 0.88)], 6)
    shape([(-2.1, 0.35), (-2.1, 0.7), (-1.25, 0.9), (1.4, 0.9), (2.1, 0.72), (2.15, 0.35)], 1, 1.08)
    shape([(-2.1, 0.28), (-2.1, 0.48), (2.15, 0.48), (2.15, 0.28)], 1, 0.7)
    for wheel in (-1.3, 1.35):
        disc(wheel, 0.32, 0.33, 0.33, 2)
        disc(wheel, 0.32, 0.18, 0.18, 4, 0.8)
    shape([(1.95, 0.6), (2.12, 0.6), (2.1, 0.72), (1.95, 0.76)], 4)
