"""Show progress bars and status lines on stderr; results go to stdout."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence, Sized
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def show_progress(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Yield `items` and show a progress bar; without a terminal (in a log, a pipe), no bar."""
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


def report_long_loop(items: Sequence[T], label: str, every_s: float = 10.0) -> Iterator[T]:
    """Yield `items`; if that takes long, print every so many seconds how many are done."""
    started_at = time.monotonic()
    reported_at = started_at
    for index, item in enumerate(items):
        now = time.monotonic()
        if now - reported_at >= every_s:
            seconds = f"{now - started_at:.0f} s"
            print_status(f"{label}: {index:,} of {len(items):,} done after {seconds}")
            reported_at = now
        yield item


def print_status(line: str) -> None:
    """Print one line to stderr."""
    with suppress(OSError):  # a closed terminal must not stop the work
        print(line, file=sys.stderr, flush=True)


def print_written(*paths: Path | str | None) -> None:
    """Name the files and folders that a command has written; None and "-" are none."""
    names = [str(path) for path in paths if path and str(path) != "-"]
    if names:
        print_status(f"written: {', '.join(names)}")
