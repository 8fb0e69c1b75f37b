"""Background plates: a place painted once from noise and geometry, used in many pictures."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

PLATE_WH = (1280, 1200)
HORIZON = 460  # row of the plate


@dataclass(frozen=True)
class Plate:
    """A painted place: (1200, 1280, 3) RGB with its horizon on row `HORIZON`."""

    picture: Bytes


@lru_cache(maxsize=48)
def plate(place: str, pool: str, number: int) -> Plate:
    """The plate of that name; the same bytes whenever it is asked for."""
    rng = np.random.default_rng([11, len(pool), *pool.encode(), number])
    w, h = PLATE_WH
    rows = np.linspace(0, 1, h)[:, None, None]
    sky, ground = rng.uniform(150, 230, 3), rng.uniform(90, 170, 3)
    picture = np.where(np.arange(h)[:, None, None] < HORIZON, sky - 20 * rows, ground + 30 * rows)
    picture = np.broadcast_to(picture, (h, w, 3)).astype(np.uint8)
    return Plate(cv2.blur(np.ascontiguousarray(picture), (3, 3)))
