"""Progress bars on stderr: what is done, how fast, how long yet. Quiet when nobody watches."""

import sys
from collections.abc import Iterable, Iterator, Sized
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


def track(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """`items`, with a bar on stderr while they are used up.

    Without a terminal (a log file, a pipe) nothing is printed.
    """
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    if total is None and isinstance(items, Sized):
        total = len(items)
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))
    with bar:
        yield from bar.track(items, total=total, description=label)


def say(line: str) -> None:
    """One line on stderr, for people; results go to stdout."""
    with suppress(OSError):  # a terminal that is gone stops nothing
        print(line, file=sys.stderr, flush=True)
