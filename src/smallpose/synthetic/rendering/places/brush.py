"""Brushes: noise, gradients, and the ground plane seen in perspective.

A plate has its horizon on a fixed row; a point X metres to the right and Z metres away lies on the
ground at column `MIDDLE + FOCAL X / Z`, row `HORIZON + FOCAL EYE / Z`.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Image = NDArray[np.floating[Any]]  # single precision, but for scraps that are double
Colour = Sequence[float] | NDArray[np.floating[Any]]

PLATE_WH = (1152, 1040)
HORIZON = 400
MIDDLE = PLATE_WH[0] / 2
FOCAL = 700.0
EYE = 1.9
NEAR = FOCAL * EYE / (PLATE_WH[1] - HORIZON)  # metres to the lowest row


def noise(
    shape_hw: tuple[int, int],
    cells: float,
    rng: np.random.Generator,
    octaves: int = 4,
    stretch: float = 1.0,
) -> Image:
    """(h, w) fractal noise about 0, deviation about 1; `cells` of the coarsest octave across."""
    h, w = shape_hw
    total = np.zeros(shape_hw, np.float32)
    weight, power = 1.0, 0.0
    for octave in range(octaves):
        across = max(2, round(cells * 2**octave))
        down = max(2, round(cells * 2**octave * h / w * stretch))
        grid = rng.standard_normal((down + 1, across + 1)).astype(np.float32)
        total += weight * np.asarray(cv2.resize(grid, (w, h), interpolation=cv2.INTER_CUBIC))
        power += weight**2
        weight *= 0.55
    return np.asarray(total * (1.35 / np.sqrt(power)), dtype=np.float32)


@lru_cache(maxsize=4)
def speckle(kind: int) -> Image:
    """(512, 512) noise about 0 whose edges join, for textures of the ground."""
    rng = np.random.default_rng([3, kind])
    grain = rng.standard_normal((512, 512)).astype(np.float32)
    sigma = (0.7, 1.4, 3.5, 9.0)[kind]
    wide = np.pad(grain, 40, mode="wrap")
    soft = np.asarray(cv2.GaussianBlur(wide, (0, 0), sigma))[40:-40, 40:-40]
    return np.asarray(soft / soft.std(), dtype=np.float32)


@lru_cache(maxsize=1)
def ground_maps() -> tuple[Image, Image, Image]:
    """(h, w) metres to the right, metres away, and how near (1 lowest row, 0 horizon)."""
    rows = np.arange(PLATE_WH[1] - HORIZON, dtype=np.float32) + 0.7
    away = (FOCAL * EYE / rows)[:, None]
    columns = np.arange(PLATE_WH[0], dtype=np.float32)[None] - MIDDLE
    near = (rows / rows[-1])[:, None]
    shape = (len(rows), PLATE_WH[0])
    return (
        np.ascontiguousarray(columns * away / FOCAL, dtype=np.float32),
        np.ascontiguousarray(np.broadcast_to(away, shape), dtype=np.float32),
        np.ascontiguousarray(np.broadcast_to(near, shape), dtype=np.float32),
    )


def ground_speckle(kind: int, per_metre: float, shift: float = 0.0) -> Image:
    """(h, w) noise lying on the ground, fading where it would be finer than a pixel."""
    across, away, near = ground_maps()
    laid = cv2.remap(
        speckle(kind),
        (across + shift) * per_metre,
        away * per_metre,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )
    return np.asarray(laid * np.clip(near * 90 / per_metre, 0, 1), dtype=np.float32)


def tiles(
    side_x: float, side_z: float, joint: float, rng: np.random.Generator, brick: bool = False
) -> tuple[Image, Image]:
    """(h, w) joints (0 to 1) and a value (about 0) of each tile, of tiles lying on the ground."""
    across, away, near = ground_maps()
    z = away / side_z
    row = np.floor(z).astype(np.int32)
    x = across / side_x + (0.5 * (row & 1) if brick else 0.0)
    column = np.floor(x).astype(np.int32)
    # Joints keep a width of about a pixel and fade into the distance.
    px_x = away / FOCAL / side_x
    px_z = away**2 / (FOCAL * EYE) / side_z
    edge_x = np.minimum(x - column, 1 - (x - column))
    edge_z = np.minimum(z - row, 1 - (z - row))
    lines = np.maximum(
        np.clip((joint / side_x - edge_x) / px_x + 0.5, 0, 1) * np.clip(0.35 / px_x, 0, 1),
        np.clip((joint / side_z - edge_z) / px_z + 0.5, 0, 1) * np.clip(0.35 / px_z, 0, 1),
    )
    table = rng.standard_normal(1024).astype(np.float32)
    value = table[(row * 37 + column * 101) & 1023] * np.clip(near * 8, 0, 1)
    return np.asarray(lines, dtype=np.float32), np.asarray(value, dtype=np.float32)


def to_screen(points: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """(p, 2) X, Z in metres on the ground to columns and rows of the plate."""
    xz = np.asarray(points, dtype=np.float64)
    z = np.maximum(xz[:, 1], 0.6)
    return np.stack([MIDDLE + FOCAL * xz[:, 0] / z, HORIZON + FOCAL * EYE / z], axis=1)


def fill(picture: Bytes, points: NDArray[np.float64], colour: Colour) -> None:
    """A polygon in plate px, edges smoothed."""
    fixed = np.clip(np.rint(points * 16), -(10**6), 10**6).astype(np.int32)
    cv2.fillPoly(picture, [fixed], [float(c) for c in colour], cv2.LINE_AA, 4)


def fill_ground(picture: Bytes, points: Sequence[tuple[float, float]], colour: Colour) -> None:
    """A polygon on the ground, metres."""
    fill(picture, to_screen(points), colour)


def stripe(
    picture: Bytes, a: tuple[float, float], b: tuple[float, float], wide: float, colour: Colour
) -> None:
    """A painted line on the ground from a to b, `wide` metres."""
    start, end = np.array(a), np.array(b)
    along = end - start
    side = np.array([-along[1], along[0]]) * (wide / 2 / max(float(np.hypot(*along)), 1e-6))
    corners = [start + side, end + side, end - side, start - side]
    fill_ground(picture, [(float(x), float(z)) for x, z in corners], colour)


def rgb(red: float, green: float, blue: float) -> Image:
    """A colour in single precision: a double would make a whole plate double, and slow."""
    return np.array([red, green, blue], dtype=np.float32)


def tint(base: Colour, value: Image, depth: float, hue: Colour | None = None) -> Image:
    """(h, w, 3) the colour made lighter and darker by `value` times `depth` (and by hue)."""
    single = np.asarray(base, dtype=np.float32)
    if hue is None:
        return np.asarray((1 + depth * value)[:, :, None] * single, dtype=np.float32)
    scaled = single * np.asarray(hue, dtype=np.float32) * np.float32(depth)
    return np.asarray(single + value[:, :, None] * scaled, dtype=np.float32)


def as_bytes(picture: Image) -> Bytes:
    """Cut to 0 to 255."""
    return np.asarray(np.clip(picture, 0, 255), dtype=np.uint8)


def haze(picture: Bytes, colour: Colour, strength: float) -> None:
    """Blend the ground near the horizon into the colour of the air, in place."""
    rows = np.arange(PLATE_WH[1] - HORIZON, dtype=np.float32)
    share = (strength * np.exp(-rows / 34))[:, None, None]
    part = picture[HORIZON:].astype(np.float32)
    air = np.asarray(colour, dtype=np.float32)
    picture[HORIZON:] = part + (air - part) * share


def jitter(colour: Colour, spread: float, rng: np.random.Generator) -> Image:
    """The colour, a little lighter or darker and a little off."""
    base = np.asarray(colour, dtype=np.float64)
    moved = base + rng.normal(0, spread) + rng.normal(0, spread / 3, 3)
    return np.asarray(np.clip(moved, 8, 248), dtype=np.float32)
