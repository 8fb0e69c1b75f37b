"""How much memory is left to this process: the machine's, the container's, the shell's limit."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def free_memory() -> int:
    """Bytes that may still be taken; a guess that errs on the safe side where it can tell."""
    return min(_bounds(), default=1 << 62)


def _bounds() -> Iterator[int]:
    with suppress(OSError, ValueError, AttributeError):
        yield os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    yield from _limits()
    yield from _container()


def _limits() -> Iterator[int]:
    """`ulimit -v` and `ulimit -d`."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    for name in ("RLIMIT_AS", "RLIMIT_DATA"):
        soft, _ = resource.getrlimit(getattr(resource, name))
        if soft != resource.RLIM_INFINITY:
            yield soft


def _container() -> Iterator[int]:
    """What a cgroup, of version 2 or 1, leaves over."""
    for folder, most, used in (
        ("/sys/fs/cgroup", "memory.max", "memory.current"),
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        limit, taken = _number(Path(folder, most)), _number(Path(folder, used))
        if limit is not None and taken is not None:
            yield max(limit - taken, 0)


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
