"""Map JSON text into memory for the compiled reader and writer (`_json_read.c`, `_json_write.c`).

`EXTENSION` is None where they were not built; then everything works and is slower. Both ways give
the same tables and the same bytes.
"""

import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.system.extension import load_extension
from smallpose.system.files import read_bytes

MAX_DECIMALS = 60  # of a number that the compiled reader accepts
WHITESPACE = b" \t\r\n"


class UnsupportedJson(Exception):
    """Raised for text that has to be read by the slow reader."""


EXTENSION: Any = load_extension("smallpose.io._json")


def compute_reciprocals(num_powers: int = MAX_DECIMALS) -> NDArray[np.uint64]:
    """Return (n, 2) upper and lower half of floor(2^(127 + bits of 5^k) / 5^k), k = 1 … n."""
    halves = []
    for k in range(1, num_powers + 1):
        power = 5**k
        reciprocal = (1 << (127 + power.bit_length())) // power
        halves.append((reciprocal >> 64, reciprocal & (2**64 - 1)))
    return np.array(halves, dtype=np.uint64)


def encode_words(words: Sequence[str]) -> bytes:
    """Encode words as the extension reads them: each followed by a NUL."""
    return b"".join(word.encode() + b"\0" for word in words)


class MappedText:
    """The text of a mapped file, or of a decompressed one.

    Args:
        path: of the file.

    Raises: UnsupportedJson where the file cannot be mapped or the extension was not built.
    """

    def __init__(self, path: Path) -> None:
        if EXTENSION is None:
            raise UnsupportedJson
        self.map: mmap.mmap | bytes
        try:
            with path.open("rb") as file:
                self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError):  # missing, a folder, a pipe, empty
            raise UnsupportedJson from None
        if self.map[:2] == b"\x1f\x8b":
            self.map.close()
            try:
                self.map = read_bytes(path)
            except InputError:
                raise UnsupportedJson from None
        self.stop = len(self.map)
        while self.stop and self.map[self.stop - 1] in WHITESPACE:
            self.stop -= 1
        self.start = 0
        while self.start < self.stop and self.map[self.start] in WHITESPACE:
            self.start += 1

    def __enter__(self) -> "MappedText":
        return self

    def __exit__(self, *_: object) -> None:
        if isinstance(self.map, mmap.mmap):
            self.map.close()

    def __getitem__(self, index: int) -> int:
        return self.map[index]

    def check_brackets(self, pair: bytes) -> None:
        """Raise UnsupportedJson unless the text begins and ends with this pair of brackets."""
        if self.stop - self.start < 2 or bytes((self[self.start], self[self.stop - 1])) != pair:
            raise UnsupportedJson

    def release_pages(self, start: int, stop: int) -> None:
        """Release the memory of pages that were read: a file need not fit into memory."""
        start += -start % mmap.PAGESIZE
        stop -= stop % mmap.PAGESIZE
        if stop > start and isinstance(self.map, mmap.mmap) and hasattr(self.map, "madvise"):
            self.map.madvise(mmap.MADV_DONTNEED, start, stop - start)

    def count_keypoint_values(self, start: int) -> int:
        """Count the values of the first list of keypoints after `start`."""
        key = self.map.find(b'"keypoints"', start)
        first, last = self.map.find(b"[", key), self.map.find(b"]", key)
        if key < 0 or not 0 <= first < last or last - first > 1 << 16:
            raise UnsupportedJson
        return self.map[first:last].count(b",") + 1


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
    order = np.argsort(ids, kind="stable")
    position = np.searchsorted(ids, wanted, sorter=order)
    if len(wanted) and (len(ids) == 0 or position.max() >= len(ids)):
        raise UnsupportedJson
    rows = order[position]
    if (ids[rows] != wanted).any():
        raise UnsupportedJson
    return rows
