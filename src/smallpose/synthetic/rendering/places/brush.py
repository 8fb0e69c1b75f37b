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


def draw_noise(
    shape_hw: tuple[int, int],
    cells: float,
    rng: np.random.Generator,
    octaves: int = 4,
    stretch: float = 1.0,
) -> Image:
    """Draw (h, w) fractal noise with mean 0 and deviation about 1."""
    h, w = shape_hw
    total = np.zeros(shape_hw, np.float32)
    weight = 1.0
    power = 0.0
    for octave in range(octaves):
        across = max(2, round(cells * 2**octave))
        down = max(2, round(cells * 2**octave * h / w * stretch))
        grid = rng.standard_normal((down + 1, across + 1)).astype(np.float32)
        total += weight * np.asarray(cv2.resize(grid, (w, h), interpolation=cv2.INTER_CUBIC))
        power += weight**2
        weight *= 0.55
    return np.asarray(total * (1.35 / np.sqrt(power)), dtype=np.float32)


@lru_cache(maxsize=4)
def draw_speckle(kind: int) -> Image:
    """Draw (512, 512) noise with mean 0 that tiles seamlessly, for ground textures."""
    rng = np.random.default_rng([3, kind])
    grain = rng.standard_normal((512, 512)).astype(np.float32)
    sigma = (0.7, 1.4, 3.5, 9.0)[kind]
    wide = np.pad(grain, 40, mode="wrap")
    soft = np.asarray(cv2.GaussianBlur(wide, (0, 0), sigma))[40:-40, 40:-40]
    return np.asarray(soft / soft.std(), dtype=np.float32)


@lru_cache(maxsize=1)
def map_ground() -> tuple[Image, Image, Image]:
    """Return (h, w) metres to the right, metres away and nearness (1 lowest row, 0 horizon)."""
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


def project_speckle(kind: int, per_metre: float, shift: float = 0.0) -> Image:
    """Return (h, w) noise on the ground that fades where it would be finer than a pixel."""
    across, away, near = map_ground()
    laid = cv2.remap(
        draw_speckle(kind),
        (across + shift) * per_metre,
        away * per_metre,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )
    return np.asarray(laid * np.clip(near * 90 / per_metre, 0, 1), dtype=np.float32)


def draw_tiles(
    side_x: float, side_z: float, joint: float, rng: np.random.Generator, brick: bool = False
) -> tuple[Image, Image]:
    """Return (h, w) joints (0 to 1) and a value (mean 0) of each tile on the ground."""
    across, away, near = map_ground()
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


def project_ground(points: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """Project (p, 2) X, Z in metres on the ground to columns and rows of the background."""
    xz = np.asarray(points, dtype=np.float64)
    z = np.maximum(xz[:, 1], 0.6)
    return np.stack([MIDDLE + FOCAL * xz[:, 0] / z, HORIZON + FOCAL * EYE / z], axis=1)


def fill_polygon(image: Bytes, points: NDArray[np.float64], colour: Colour) -> None:
    """Fill a polygon in background px with smooth edges."""
    fixed = np.clip(np.rint(points * 16), -(10**6), 10**6).astype(np.int32)
    cv2.fillPoly(image, [fixed], [float(c) for c in colour], cv2.LINE_AA, 4)


def fill_ground(image: Bytes, points: Sequence[tuple[float, float]], colour: Colour) -> None:
    """Fill a polygon on the ground, metres."""
    fill_polygon(image, project_ground(points), colour)


def draw_stripe(
    image: Bytes, a: tuple[float, float], b: tuple[float, float], wide: float, colour: Colour
) -> None:
    """Draw a painted line on the ground from a to b, `wide` metres."""
    start, end = np.array(a), np.array(b)
    along = end - start
    side = np.array([-along[1], along[0]]) * (wide / 2 / max(float(np.hypot(*along)), 1e-6))
    corners = [start + side, end + side, end - side, start - side]
    fill_ground(image, [(float(x), float(z)) for x, z in corners], colour)


def make_colour(red: float, green: float, blue: float) -> Image:
    """Return a colour in single precision; doubles would slow the whole background down."""
    return np.array([red, green, blue], dtype=np.float32)


def tint_colour(base: Colour, value: Image, depth: float, hue: Colour | None = None) -> Image:
    """Return (h, w, 3) the colour made lighter and darker by `value` times `depth` (and by hue)."""
    single = np.asarray(base, dtype=np.float32)
    if hue is None:
        return np.asarray((1 + depth * value)[:, :, None] * single, dtype=np.float32)
    scaled = single * np.asarray(hue, dtype=np.float32) * np.float32(depth)
    return np.asarray(single + value[:, :, None] * scaled, dtype=np.float32)


def to_bytes(image: Image) -> Bytes:
    """Clip to 0 to 255 and convert to bytes."""
    return np.asarray(np.clip(image, 0, 255), dtype=np.uint8)


def add_haze(image: Bytes, colour: Colour, strength: float) -> None:
    """Blend the ground near the horizon into the colour of the air, in place."""
    rows = np.arange(PLATE_WH[1] - HORIZON, dtype=np.float32)
    share = (strength * np.exp(-rows / 34))[:, None, None]
    part = image[HORIZON:].astype(np.float32)
    air = np.asarray(colour, dtype=np.float32)
    image[HORIZON:] = part + (air - part) * share


def jitter_colour(colour: Colour, spread: float, rng: np.random.Generator) -> Image:
    """Return the colour with a small random change of brightness and hue."""
    base = np.asarray(colour, dtype=np.float64)
    moved = base + rng.normal(0, spread) + rng.normal(0, spread / 3, 3)
    return np.asarray(np.clip(moved, 8, 248), dtype=np.float32)
