"""Place people and what stands in front of them on the ground of a scene."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.synthetic.people.body import Build, draw_build
from smallpose.synthetic.rendering.image_style import ImageStyle, find_walls
from smallpose.synthetic.scenes.profiles import OCCLUDERS_AT, Profile

Floats = NDArray[np.float64]

_LIKE_SIZE = 0.12  # difference of logarithms
_CUT_SHARE = 0.44  # of people who may leave the image; not all of them do


@dataclass(frozen=True)
class Occluder:
    """An object in front of people: kind, ground position, px per metre."""

    kind: str
    x: float
    y: float
    metre: float
    seed: int


def place_people(
    profile: Profile,
    look: ImageStyle,
    size_wh: tuple[int, int],
    horizon: float,
    camera_m: float,
    n: int,
    rng: np.random.Generator,
) -> tuple[Floats, Floats, Build]:
    """Return (n, 2) anchors, (n,) px per metre and bodies; fewer than n where there is no room."""
    width, height = size_wh
    build = draw_build(4 * n, 0.11, rng)
    low, high = profile.heights
    # One image spans a part of the whole range: a street far off, or a group near by.
    low, high = math.log(low), math.log(high)
    middle, span = rng.uniform(low, high), rng.uniform(0.5, 1.5)
    near_by, anywhere, which = rng.random((3, 4 * n))
    log_tall = np.where(
        which < 0.3, low + (high - low) * anywhere, middle + span * (1.4 * near_by - 0.7)
    )
    tall = np.exp(np.minimum(np.maximum(log_tall, low), high))
    metre = tall / 1.71
    y = horizon + metre * camera_m
    # Some bodies leave the image below, but never beyond the chest.
    may_leave = rng.random(4 * n) < _CUT_SHARE
    lowest = y - np.where(may_leave, 0.72, -0.02) * tall
    fits = (y > 0.04 * height) & (lowest < height - 8) & (y > 4)
    centre_x = rng.uniform(0.15, 0.85) * width
    heap = rng.random(4 * n) < profile.crowded
    x = np.where(
        heap, centre_x + rng.normal(0, 0.16, 4 * n) * width, rng.uniform(-0.02, 1.02, 4 * n) * width
    )
    middle_x, reach = find_walls(look, size_wh, horizon)
    fits &= np.abs(x - middle_x) < reach * np.maximum(y - horizon, 1.0)
    chosen: list[int] = []
    # Plain numbers: NumPy is slow at single ones.
    across, size = x.tolist(), tall.tolist()
    in_crowd = (rng.random(4 * n) < profile.crowded).tolist()
    margin = np.where(may_leave, -10.0, 0.2 * tall)
    fits &= (x > margin) & (x < width - margin)
    for row in np.flatnonzero(fits).tolist():
        if len(chosen) == n:
            break
        # No person covers another one of about the same size, and only in crowds do many overlap.
        is_apart = not _overlaps(row, chosen, across, size, 0.5)
        if is_apart or (in_crowd[row] and not _hides(row, chosen, across, size)):
            chosen.append(row)
    if not chosen:
        # The camera cannot see people of that size: place one in the middle, as large as fits.
        y[0] = 0.93 * height
        metre[0], x[0] = max((y[0] - horizon) / camera_m, 8.0), width / 2
        chosen = [0]
    rows = np.array(chosen, dtype=np.intp)
    return np.stack([x[rows], y[rows]], axis=1), metre[rows], build.take(rows)


def _overlaps(
    row: int, chosen: list[int], across: list[float], size: list[float], reach: float
) -> bool:
    """Return whether a person is nearer to a chosen one than a share of their mean height."""
    return any(abs(across[c] - across[row]) < reach * (size[c] + size[row]) / 2 for c in chosen)


def _hides(row: int, chosen: list[int], across: list[float], size: list[float]) -> bool:
    """Return whether a person covers a chosen one of about the same size."""
    return any(
        abs(math.log(size[c] / size[row])) < _LIKE_SIZE
        and abs(across[c] - across[row]) < 0.2 * max(size[c], size[row])
        for c in chosen
    )


def place_occluders(
    profile: Profile,
    place: str,
    size_wh: tuple[int, int],
    horizon: float,
    camera_m: float,
    metre: Floats,
    rng: np.random.Generator,
) -> tuple[Occluder, ...]:
    """Place occluders slightly nearer than a person, so that they hide a part of them."""
    things = []
    for _ in range(int(rng.poisson(profile.occluders))):
        scale = float(metre[rng.integers(len(metre))] * rng.uniform(1.02, 1.3))
        y = horizon + scale * camera_m
        if y < 0.1 * size_wh[1] or scale * 0.9 > size_wh[1]:
            continue
        kinds = OCCLUDERS_AT[place]
        kind = kinds[int(rng.integers(len(kinds)))]
        x = float(rng.uniform(0, size_wh[0]))
        things.append(Occluder(kind, x, float(y), scale, int(rng.integers(2**31))))
    return tuple(things)
