"""Count the bits that are set in 64-bit numbers, with NumPy 1.26 as well, and sort by such."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_KEYS_PER_BLOCK = 1 << 16


def count_bits(values: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return the number of bits set in each value."""
    # NumPy 1.26, which environments with an older OpenCV keep, has no bitwise_count.
    count: Any = getattr(np, "bitwise_count", count_bits_by_table)
    counts: NDArray[np.uint8] = np.asarray(count(values), np.uint8)
    return counts


def count_row_bits(rows: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """Return (n,) the number of bits set in each row of (n, 4) values."""
    counts = count_bits(rows)
    total = counts[:, 0].astype(np.uint16)
    for column in (1, 2, 3):  # NumPy sums short rows slowly
        total += counts[:, column]
    return total


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


def sort_stably(keys: NDArray[Any]) -> NDArray[np.intp]:
    """Return what a stable `np.argsort` returns of numbers of at least 0, which is slower.

    Each key and its index are packed into one number, because NumPy sorts numbers fast.
    """
    num_bits = max(len(keys) - 1, 1).bit_length()
    if not len(keys) or int(keys.max()).bit_length() + num_bits > 64:
        return np.argsort(keys, kind="stable")
    packed = keys.astype(np.uint64)
    packed <<= np.uint64(num_bits)
    for start in range(0, len(keys), _KEYS_PER_BLOCK):  # no second array of all
        stop = min(start + _KEYS_PER_BLOCK, len(keys))
        packed[start:stop] |= np.arange(start, stop, dtype=np.uint64)
    packed.sort()
    packed &= np.uint64((1 << num_bits) - 1)
    return packed.view(np.int64).astype(np.intp, copy=False)
