"""Look ids up among those of a file that was scanned."""

import numpy as np
from numpy.typing import NDArray

from smallpose.io.json_text import UnsupportedJson

_MAX_SPREAD = 4  # of ids, for each one that is looked up, where all numbers have a row in a table


def list_unique(values: NDArray[np.int64]) -> list[int]:
    """Return the values that occur; fast where all are the same, as those of categories."""
    if len(values) and (values == values[0]).all():
        return [int(values[0])]
    unique: list[int] = np.unique(values).tolist()
    return unique


def find_rows(ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the row of each wanted image.

    Args:
        ids: (m,) unique numbers of the images.
        wanted: (n,) numbers to look up.
    Raises: UnsupportedJson when one is missing.
    """
    if len(ids) and 0 <= int(ids.max()) - int(ids.min()) < _MAX_SPREAD * len(wanted):
        return _find_rows_by_number(ids, wanted)
    order = np.argsort(ids, kind="stable")
    position = np.searchsorted(ids[order], wanted)
    if len(wanted) and (len(ids) == 0 or position.max() >= len(ids)):
        raise UnsupportedJson
    rows = order[position]
    if (ids[rows] != wanted).any():
        raise UnsupportedJson
    return rows


def _find_rows_by_number(ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the row of each wanted image from a table of all numbers between their ends."""
    first, last = int(ids.min()), int(ids.max())
    row_of = np.full(last - first + 1, -1, np.intp)
    row_of[ids - first] = np.arange(len(ids))
    if wanted.min() < first or wanted.max() > last:
        raise UnsupportedJson
    rows = row_of[wanted - first]
    if (rows < 0).any():
        raise UnsupportedJson
    return rows
