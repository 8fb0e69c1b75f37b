"""Count the bits that are set in 64-bit numbers, with NumPy 1.26 as well."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


def count_bits(values: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return the number of bits set in each value."""
    # NumPy 1.26, which environments with an older OpenCV keep, has no bitwise_count.
    count: Any = getattr(np, "bitwise_count", count_bits_by_table)
    counts: NDArray[np.uint8] = np.asarray(count(values), np.uint8)
    return counts


def count_bits_by_table(values: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Count the bits of each value in four parts of 16 bits."""
    parts = np.ascontiguousarray(values, np.uint64).view(np.uint16).reshape(*values.shape, 4)
    counts: NDArray[np.uint8] = _build_table()[parts].sum(axis=-1, dtype=np.uint8)
    return counts


@cache
def _build_table() -> NDArray[np.uint8]:
    numbers = np.arange(2**16, dtype="<u2")[:, None].view(np.uint8)
    counts: NDArray[np.uint8] = np.unpackbits(numbers, axis=1).sum(axis=1, dtype=np.uint8)
    return counts
