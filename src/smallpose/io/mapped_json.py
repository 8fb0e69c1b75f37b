"""JSON text in memory, for the compiled scanner and writer, where there is one.

Whoever has a compiled twin asks `CORE` first; without it everything works and is slower. Both give
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

MAX_DECIMALS = (
    60  # of 5, whose reciprocals the scanner gets; numbers with more decimals are unusual
)
WHITESPACE = b" \t\r\n"


class UnsupportedJson(Exception):
    """Leave this file to the ordinary reader."""


EXTENSION: Any = load_extension("smallpose.io._json")


def compute_reciprocals(powers: int = MAX_DECIMALS) -> NDArray[np.uint64]:
    """(powers, 2) upper and lower half of floor(2^(127 + bits of 5^k) / 5^k), k = 1 …"""
    halves = []
    for k in range(1, powers + 1):
        five = 5**k
        inverse = (1 << (127 + five.bit_length())) // five
        halves.append((inverse >> 64, inverse & (2**64 - 1)))
    return np.array(halves, dtype=np.uint64)


def encode_words(words: Sequence[str]) -> bytes:
    """Words as the compiled half takes them: each with a NUL behind it."""
    return b"".join(word.encode() + b"\0" for word in words)


class MappedText:
    """A mapped file, or an unpacked one, whose last byte is a bracket; else `Unusual`."""

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

    def check_brackets(self, pair: bytes) -> None:
        if self.stop - self.start < 2 or bytes((self[self.start], self[self.stop - 1])) != pair:
            raise UnsupportedJson

    def __getitem__(self, at: int) -> int:
        return self.map[at]

    def release_pages(self, start: int, stop: int) -> None:
        """Give pages back that were read: a file need not fit into memory."""
        start += -start % mmap.PAGESIZE
        stop -= stop % mmap.PAGESIZE
        if stop > start and isinstance(self.map, mmap.mmap) and hasattr(self.map, "madvise"):
            self.map.madvise(mmap.MADV_DONTNEED, start, stop - start)

    def count_keypoint_values(self, start: int) -> int:
        """How many values the first list of keypoints after `start` has."""
        at = self.map.find(b'"keypoints"', start)
        first, last = self.map.find(b"[", at), self.map.find(b"]", at)
        if at < 0 or not 0 <= first < last or last - first > 1 << 16:
            raise UnsupportedJson
        return self.map[first:last].count(b",") + 1


def find_rows(ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.intp]:
    """Row of each wanted image.

    Args:
        ids: (m,) unique numbers of the images.
        wanted: (n,) numbers to look up.
    Raises: Unusual when one is not there.
    """
    order = np.argsort(ids, kind="stable")
    place = np.searchsorted(ids, wanted, sorter=order)
    if len(wanted) and (len(ids) == 0 or place.max() >= len(ids)):
        raise UnsupportedJson
    rows = order[place]
    if (ids[rows] != wanted).any():
        raise UnsupportedJson
    return rows
