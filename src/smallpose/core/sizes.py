"""Classify people as small, medium or large by box area (paper, Sec. 3.1 and 4.1).

The paper prints intervals that share their ends; half-open ones give each person one class:
small below 128 × 96 px², medium below 256 × 192, large from there on.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

SMALL_BELOW = 128 * 96
MEDIUM_BELOW = 256 * 192
SIZES = ("small", "medium", "large")
NO_CLASS = -1


def classify_sizes(area: ArrayLike) -> NDArray[np.int8]:
    """Return (n,) indices into `SIZES` of areas in px²; -1 where the area is not above zero.

    >>> [SIZES[c] for c in classify_sizes([12287.99, 12288, 49151.99, 49152])]
    ['small', 'medium', 'medium', 'large']
    """
    area = np.asarray(area, dtype=np.float64)
    classes = np.searchsorted([SMALL_BELOW, MEDIUM_BELOW], area, side="right").astype(np.int8)
    return np.where(area > 0, classes, np.int8(NO_CLASS))
