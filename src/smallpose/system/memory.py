"""Estimate the memory that is free, and say when garbage is not collected."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of glibc's mallopt, bytes.
_KEEP_FREED = ((-3, 32 * 2**20), (-1, 2**31 - 1))
# A larger M_MMAP_THRESHOLD, which older versions of glibc refuse: larger arrays are then returned.
_KEEP_LARGE = (-3, 256 * 2**20)


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


@contextmanager
def pause_garbage_collection() -> Iterator[None]:
    """Collect no garbage inside, for work that makes many objects which are all needed."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, for what it allocates next.

    For long work on the same large arrays: glibc would return them to the system, which clears
    each page again. Not for processes that go on with something else.

    Returns: whether the C library has such a setting.
    """
    import ctypes

    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl, macOS, Windows
        return False
    is_set = [set_option(option, value) for option, value in _KEEP_FREED]
    set_option(*_KEEP_LARGE)
    return all(is_set)


def return_freed_memory() -> None:
    """Return what this process keeps of the memory that it freed, where the C library can."""
    import ctypes

    with suppress(AttributeError, OSError, TypeError):  # musl, macOS, Windows
        ctypes.CDLL(None).malloc_trim(0)


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
