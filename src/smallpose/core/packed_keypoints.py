"""Keypoints of a file in 9 bytes a joint in place of 24, as large evaluations hold them.

Coordinates in files have few decimals: as integers of ten-thousandths of a pixel they are exact,
and divided by 10,000 they are the doubles that reading them gives.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from smallpose.core.array_methods import ArrayMethods

UNITS_PER_PIXEL = 10_000  # as _json_read.c writes them and _native.c reads them
_PEOPLE_PER_BLOCK = 8192  # packed at once


@dataclass(frozen=True, eq=False, repr=False)
class PackedKeypoints(ArrayMethods):
    """An (n, k, 3) array of x, y, v that is unpacked where it is indexed or converted.

    Args:
        positions: (n, k, 2) x, y in units of 1 / `UNITS_PER_PIXEL` px.
        visibility: (n, k) v: 0, 1 or 2.
    """

    positions: NDArray[np.int32]
    visibility: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.visibility)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return (n, k, 3)."""
        n, k = self.visibility.shape
        return n, k, 3

    def release(self) -> None:
        """Forget all people, for less memory, also for everybody else who has this object."""
        nothing = PackedKeypoints(self.positions[:0].copy(), self.visibility[:0].copy())
        object.__setattr__(self, "positions", nothing.positions)
        object.__setattr__(self, "visibility", nothing.visibility)

    def __getitem__(self, key: Any) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        is_basic = all(part is not Ellipsis and part is not None for part in parts)
        if not is_basic or (len(parts) == 3 and not isinstance(parts[2], int | slice)):
            return np.asarray(self)[key]
        unpacked = _unpack(self.positions[parts[:2]], self.visibility[parts[:2]])
        return unpacked[..., parts[2]] if len(parts) == 3 else unpacked

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return _unpack(self.positions, self.visibility).astype(dtype or np.float64, copy=False)


def pack_keypoints(keypoints: NDArray[np.float64]) -> PackedKeypoints | None:
    """Pack (n, k, 3) x, y, v; None where that would lose a digit, or for other v than 0, 1, 2."""
    n, k = keypoints.shape[:2]
    packed = PackedKeypoints(np.empty((n, k, 2), np.int32), np.empty((n, k), np.uint8))
    for start in range(0, n, _PEOPLE_PER_BLOCK):
        rows = slice(start, start + _PEOPLE_PER_BLOCK)
        block = keypoints[rows]
        if not _fits(block):
            return None
        packed.positions[rows] = np.rint(block[..., :2] * UNITS_PER_PIXEL)
        packed.visibility[rows] = block[..., 2]
        unpacked = _unpack(packed.positions[rows], packed.visibility[rows])
        if unpacked.tobytes() != block.tobytes():  # there is no negative zero, either
            return None
    return packed


def _fits(keypoints: NDArray[np.float64]) -> bool:
    xy, v = keypoints[..., :2], keypoints[..., 2]
    is_small = np.abs(xy) * UNITS_PER_PIXEL <= np.iinfo(np.int32).max  # False for NaN
    return bool(is_small.all() and ((v >= 0) & (v <= 2)).all())


def _unpack(positions: NDArray[np.int32], visibility: NDArray[np.uint8]) -> NDArray[np.float64]:
    unpacked = np.empty((*visibility.shape, 3))
    np.divide(positions, float(UNITS_PER_PIXEL), out=unpacked[..., :2])
    unpacked[..., 2] = visibility
    return unpacked
