"""Estimate the memory that is free, give back some, keep imports out of garbage collection."""

import gc
import mmap
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# Smaller arrays are not worth a call of the system.
_MIN_RELEASED = 1 << 18  # bytes


@contextmanager
def exempt_imports() -> Iterator[None]:
    """Collect no garbage inside, and never look at what was imported again.

    For commands that import much: searching modules for garbage takes a tenth of the time of
    importing matplotlib, and as much again later. Not for processes that go on: garbage that
    exists at the end stays.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def release_memory(array: NDArray[np.float64]) -> None:
    """Give back the memory of an array, or of some of its rows, that is not used any more.

    The array keeps its shape, but its values are lost. Only whole pages are given back, only of
    arrays in memory of NumPy's own, and only where the system can (Linux).
    """
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    if sys.platform != "linux" or owner.base is not None or not owner.flags.owndata:
        return
    if not array.flags.c_contiguous or not array.flags.writeable:
        return
    first = array.ctypes.data + -array.ctypes.data % mmap.PAGESIZE
    last = array.ctypes.data + array.nbytes
    last -= last % mmap.PAGESIZE
    if last - first >= _MIN_RELEASED:
        import ctypes  # only here: most commands start without it

        ctypes.CDLL(None).madvise(
            ctypes.c_void_p(first), ctypes.c_size_t(last - first), mmap.MADV_DONTNEED
        )


def get_free_memory() -> int:
    """Return the bytes that are free to this process, by the tightest limit that is known."""
    return min(_iterate_bounds(), default=1 << 62)


def _iterate_bounds() -> Iterator[int]:
    with suppress(OSError, ValueError, AttributeError):
        yield os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    yield from _read_process_limits()
    yield from _read_container_limits()


def _read_process_limits() -> Iterator[int]:
    """Read the limits of `ulimit -v` and `ulimit -d`."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    for name in ("RLIMIT_AS", "RLIMIT_DATA"):
        soft, _ = resource.getrlimit(getattr(resource, name))
        if soft != resource.RLIM_INFINITY:
            yield soft


def _read_container_limits() -> Iterator[int]:
    """Read what is left of the memory of a cgroup, version 2 or 1."""
    for folder, limit_file, usage_file in (
        ("/sys/fs/cgroup", "memory.max", "memory.current"),
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        limit = _read_number(Path(folder, limit_file))
        usage = _read_number(Path(folder, usage_file))
        if limit is not None and usage is not None:
            yield max(limit - usage, 0)


def _read_number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
