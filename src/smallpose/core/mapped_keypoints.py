"""Keypoints of several tables as one array with common joints, made where they are looked at.

The tables stay as they were read: in their own joints and order, packed where they can be. Joints
that a table lacks and people in another order then take no memory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from smallpose.core.array_methods import ArrayMethods
from smallpose.core.packed_keypoints import PackedKeypoints

Rows = NDArray[np.intp] | NDArray[np.bool_] | slice
_PEOPLE_PER_BLOCK = 8192  # counted at once


@dataclass(frozen=True, eq=False)
class KeypointTable:
    """Keypoints of one table, and which of them the common joints are.

    Args:
        keypoints: (t, j, 3) x, y, v.
        joint_indices: (k,) index of each common joint among the j; -1 where the table lacks it.
    """

    keypoints: NDArray[np.float64] | PackedKeypoints
    joint_indices: NDArray[np.intp]

    def count_labelled(self) -> NDArray[np.uint8]:
        """Count the common joints of v > 0 of each of the t people."""
        used = self.joint_indices[self.joint_indices >= 0]
        counts = np.empty(len(self.keypoints), np.uint8)
        for start in range(0, len(counts), _PEOPLE_PER_BLOCK):
            rows = slice(start, start + _PEOPLE_PER_BLOCK)
            if isinstance(self.keypoints, PackedKeypoints):
                v: NDArray[Any] = self.keypoints.visibility[rows]
            else:
                v = self.keypoints[rows, :, 2]
            counts[rows] = np.count_nonzero(v[:, used] > 0, axis=1)
        return counts


@dataclass(frozen=True, eq=False, repr=False)
class MappedKeypoints(ArrayMethods):
    """An (n, k, 3) array of x, y, v that is made where it is indexed or converted.

    Args:
        tables: with the same k.
        rows: (n,) row of each person, counted through all tables; -1 for people without a labelled
            keypoint.
    """

    tables: tuple[KeypointTable, ...]
    rows: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return (n, k, 3)."""
        return len(self.rows), len(self.tables[0].joint_indices), 3

    def take(self, rows: Rows) -> "MappedKeypoints":
        """Return the given people, whose keypoints stay where they are."""
        return replace(self, rows=self.rows[rows])

    def clear(self, is_cleared: NDArray[np.bool_]) -> "MappedKeypoints":
        """Return the keypoints with none labelled of the people of an (n,) mask."""
        return replace(self, rows=np.where(is_cleared, np.int32(-1), self.rows))

    def count_labelled(self) -> NDArray[np.int64]:
        """Return (n,) the number of keypoints with v > 0."""
        counts = np.zeros(len(self.rows), np.int64)
        for table, of_people, rows in self._split_by_table():
            counts[of_people] = table.count_labelled()[rows]
        return counts

    def __getitem__(self, key: Any) -> Any:
        first, *others = key if isinstance(key, tuple) else (key,)
        is_of_people = isinstance(first, slice) or (isinstance(first, np.ndarray) and not others)
        if not is_of_people or any(one is Ellipsis for one in others):
            return np.asarray(self)[key]
        return np.asarray(self.take(first))[(slice(None), *others)]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        keypoints = np.zeros(self.shape)
        for table, of_people, rows in self._split_by_table():
            keypoints[of_people] = _take_joints(table.keypoints[rows], table.joint_indices)
        return keypoints.astype(dtype or np.float64, copy=False)

    def pack(self) -> PackedKeypoints | None:
        """Return the keypoints packed; None where a table that is needed is not."""
        n, k, _ = self.shape
        visibility = np.zeros((n, k), np.uint8)
        positions = np.zeros((n, k, 2), np.int32)
        for table, of_people, rows in self._split_by_table():
            if not isinstance(table.keypoints, PackedKeypoints):
                return None
            packed, indices = table.keypoints, table.joint_indices
            visibility[of_people] = _take_joints(packed.visibility[rows], indices)
            positions[of_people] = _take_joints(packed.positions[rows], indices)
        return PackedKeypoints(positions, visibility)

    def _split_by_table(
        self,
    ) -> Iterator[tuple[KeypointTable, NDArray[np.bool_] | slice, NDArray[np.int32]]]:
        """Yield each table that has people, which people these are, and their rows in it."""
        first = 0
        for table in self.tables:
            last = first + len(table.keypoints)
            is_in_table = (self.rows >= first) & (self.rows < last)
            if is_in_table.all():
                yield table, slice(None), self.rows - np.int32(first)
            elif is_in_table.any():
                yield table, is_in_table, self.rows[is_in_table] - np.int32(first)
            first = last


def _take_joints(values: NDArray[Any], indices: NDArray[np.intp]) -> NDArray[Any]:
    """Return the joints of (n, j, …) values that have an index; 0 for -1."""
    taken = values.take(np.maximum(indices, 0), axis=1)
    taken[:, indices < 0] = 0
    return taken


def chain_keypoints(
    tables: Sequence[tuple[Any, NDArray[np.intp]]],
) -> MappedKeypoints:
    """Return keypoints of tables one below the other.

    Args:
        tables: (n_i, j_i, 3) keypoints, which may be `MappedKeypoints` themselves, and the index
            of each of k common joints among the j_i; -1 where the table lacks it.
    """
    chained: list[KeypointTable] = []
    rows: list[NDArray[np.int32]] = []
    num_rows = 0
    for keypoints, indices in tables:
        parts: tuple[KeypointTable, ...] = (KeypointTable(keypoints, indices),)
        part_rows = np.arange(len(keypoints), dtype=np.int32)
        if isinstance(keypoints, MappedKeypoints):
            parts = tuple(
                KeypointTable(part.keypoints, _chain_indices(part.joint_indices, indices))
                for part in keypoints.tables
            )
            part_rows = keypoints.rows
        chained += parts
        rows.append(np.where(part_rows < 0, part_rows, part_rows + np.int32(num_rows)))
        num_rows += sum(len(part.keypoints) for part in parts)
    return MappedKeypoints(tuple(chained), np.concatenate(rows))


def _chain_indices(inner: NDArray[np.intp], outer: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.where(outer < 0, outer, inner[np.maximum(outer, 0)])
