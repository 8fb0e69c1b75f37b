"""Give JSON text to the compiled reader and writer (`_json_read.c`, `_json_write.c`).

`EXTENSION` is None where they were not built; then everything works and is slower. Both ways give
the same tables and the same bytes.

Python never looks into a mapped file: one that is cut short would end the process. Nothing here
needs NumPy, so that a file can be scanned while NumPy is being imported.
"""

import mmap
import os
import stat
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from smallpose.system.extension import load_extension
from smallpose.system.files import describe_change, describe_read_error, refuse_change

MAX_DECIMALS = 60  # of a number that the compiled reader accepts
WHITESPACE = b" \t\r\n"
_WINDOW = 1 << 16  # bytes that are looked at together
_MAX_LIST_BYTES = 1 << 16  # of a list of keypoints
_PAGES_BYTES = 1 << 21  # of pages that are released together
_POPULATE_WRITE = 23  # MADV_POPULATE_WRITE of Linux
_MAPPED_BYTES = 1 << 16  # of memory from which on it comes from the system, page by page


class UnsupportedJson(Exception):
    """Raised for text that has to be read by the slow reader."""


EXTENSION: Any = load_extension("smallpose.io._json")


@cache
def compute_reciprocals(num_powers: int = MAX_DECIMALS) -> bytes:
    """Return the halves of floor(2^(127 + bits of 5^k) / 5^k), k = 1 … n: 8 bytes, upper first."""
    halves = []
    for k in range(1, num_powers + 1):
        power = 5**k
        reciprocal = (1 << (127 + power.bit_length())) // power
        halves += [reciprocal >> 64, reciprocal & (2**64 - 1)]
    return b"".join(half.to_bytes(8, sys.byteorder) for half in halves)


def allocate(num_bytes: int) -> bytearray | mmap.mmap:
    """Return memory for a column; what is not filled in of a large one takes none.

    Raises: MemoryError.
    """
    if num_bytes < _MAPPED_BYTES or not hasattr(mmap, "MAP_PRIVATE"):
        return bytearray(num_bytes)
    try:
        return mmap.mmap(-1, num_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError:
        raise MemoryError from None


def populate(column: bytearray | memoryview, first: float, last: float) -> None:
    """Have the system provide a part of an `allocate`d column, in one step instead of page by page.

    Args:
        first, last: shares of it, 0 to 1.
    """
    memory = column.obj if isinstance(column, memoryview) else None
    if not isinstance(memory, mmap.mmap) or sys.platform != "linux":
        return
    start, stop = (int(share * len(memory)) for share in (first, last))
    start -= start % mmap.PAGESIZE
    with suppress(OSError):  # before Linux 5.14
        memory.madvise(_POPULATE_WRITE, start, stop - start)


def encode_words(words: Iterable[str]) -> bytes:
    """Encode words as the extension reads them: each followed by a NUL."""
    return b"".join(word.encode() + b"\0" for word in words)


class JsonText:
    """The text of a file that is in memory; `JsonFile` is one on disk.

    `buffer` is what the extension scans, between `start` and `stop`; whatever else looks at the
    text calls `read`.

    Args:
        data: all of it.
    Raises: UnsupportedJson where the extension was not built.
    """

    def __init__(self, data: bytes) -> None:
        if EXTENSION is None:
            raise UnsupportedJson
        self.buffer: bytes | mmap.mmap = data
        self.narrow(0, len(data))

    def __enter__(self) -> "JsonText":
        return self

    def __exit__(self, *error: object) -> None:
        """Release nothing: the text belongs to the caller."""

    def __getitem__(self, index: int) -> int:
        return self.read(index, index + 1)[0]

    def narrow(self, start: int, stop: int) -> None:
        """Set `start` and `stop` to a part of the text without the blanks around it."""
        while stop > start:
            window = self.read(max(stop - _WINDOW, start), stop)
            rest = window.rstrip(WHITESPACE)
            stop -= len(window) - len(rest)
            if rest:
                break
        while start < stop:
            window = self.read(start, min(start + _WINDOW, stop))
            rest = window.lstrip(WHITESPACE)
            start += len(window) - len(rest)
            if rest:
                break
        self.start = start
        self.stop = stop

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from `start` to before `stop`."""
        return self.buffer[start:stop]

    def release_pages(self, start: int, stop: int) -> None:
        """Release the memory of what was scanned, as far as the system can read it again."""

    def check_brackets(self, pair: bytes) -> None:
        """Raise UnsupportedJson unless the text begins and ends with this pair of brackets."""
        if self.stop - self.start < 2 or bytes((self[self.start], self[self.stop - 1])) != pair:
            raise UnsupportedJson


class JsonFile(JsonText):
    """The text of an ordinary file, which need not fit into memory: it is mapped for scanning.

    The extension can tell where a mapped file was cut short; Python would crash, so that `read`
    reads.

    Args:
        path: of the file.
    Raises: UnsupportedJson for a missing file, a folder or a pipe, and without the extension;
        InputError, in `read` and at the end of `with`, when the file has changed meanwhile or
        cannot be read. Other errors inside of `with` stay what they are.
    """

    def __init__(self, path: Path) -> None:
        if EXTENSION is None:
            raise UnsupportedJson
        self._path = path
        self._lock = threading.Lock()
        try:
            self._file: BinaryIO = path.open("rb", buffering=0)
        except (OSError, ValueError):
            raise UnsupportedJson from None
        try:
            self._before = os.fstat(self._file.fileno())
            if not stat.S_ISREG(self._before.st_mode):
                raise UnsupportedJson
            self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
            self.buffer = self._map
            self.narrow(0, len(self._map))
        except (OSError, ValueError):  # empty
            self._file.close()
            raise UnsupportedJson from None
        except BaseException:
            self._file.close()
            raise

    def __exit__(self, *error: object) -> None:
        try:
            if error[0] in (None, UnsupportedJson):  # a change may be why
                refuse_change(self._path, self._before, self._file)
            elif isinstance(error[1], OSError):
                refuse_change(self._path, self._before, self._file)
                if error[1].errno is None:  # of the extension: the system could not read a page
                    raise describe_read_error(self._path, error[1]) from None
        finally:
            self._map.close()
            self._file.close()

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from `start` to before `stop`; threads may call it at the same time."""
        with self._lock:
            self._file.seek(start)
            data = self._read_some(stop - start)
            while len(data) < stop - start:
                rest = self._read_some(stop - start - len(data))
                if not rest:
                    raise describe_change(self._path)
                data += rest
        return data

    def _read_some(self, num_bytes: int) -> bytes:
        try:
            return self._file.read(num_bytes)
        except OSError as error:
            raise describe_read_error(self._path, error) from None

    def release_pages(self, start: int, stop: int) -> None:
        """Release the pages of the map that were scanned, and those around.

        The system maps pages around each that is read, which nothing else would release. Where
        another thread is reading them, they are mapped again.
        """
        start -= start % _PAGES_BYTES
        stop = min(stop + -stop % _PAGES_BYTES, len(self._map))
        if stop > start and hasattr(self._map, "madvise"):
            self._map.madvise(mmap.MADV_DONTNEED, start, stop - start)


def open_text(path: Path | str, data: bytes | None) -> JsonText:
    """Open a file for scanning, or its content that was read already; raises as `JsonFile`."""
    return JsonFile(Path(path)) if data is None else JsonText(data)


def count_keypoint_values(text: JsonText, start: int) -> int:
    """Count the values of the first list of keypoints after `start`."""
    key = b'"keypoints"'
    while start < text.stop:
        window = text.read(start, min(start + _WINDOW, text.stop))
        offset = window.find(key)
        if offset >= 0:
            start += offset
            break
        start += max(len(window) - len(key), 1)
    window = text.read(start, min(start + _MAX_LIST_BYTES, text.stop))
    first, last = window.find(b"["), window.find(b"]")
    if not 0 <= first < last:
        raise UnsupportedJson
    return window.count(b",", first, last) + 1
