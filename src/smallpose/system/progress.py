"""Show progress bars and status lines on stderr; results go to stdout."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


_WIDTH = 80  # of a terminal, in characters
FIRST_LINE_S = 20.0  # after which a log gets its first line, with the time left
NEXT_LINES_S = 60.0


def show_progress(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Yield `items` and show how many are done, as `track_progress`."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with track_progress(label, total) as advance:
        for item in items:
            yield item
            advance(1)


@contextmanager
def track_progress(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar; without a terminal (in a log, a pipe), a line now and then.

    Args:
        total: number of items; None where it is not known.

    Returns: the function to call with how many more items are done.
    """
    if not sys.stderr.isatty():
        yield _ProgressLines(label, total).advance
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))
    with bar:
        task = bar.add_task(label, total=total)
        yield partial(bar.advance, task)


class _ProgressLines:
    """Prints how many items are done and how long the others will take, if that takes long."""

    def __init__(self, label: str, total: int | None) -> None:
        self._label = label
        self._total = total
        self._num_done = 0
        self._started_at = time.monotonic()
        self._next_s = FIRST_LINE_S

    def advance(self, count: int) -> None:
        """Count items as done."""
        self._num_done += count
        seconds = time.monotonic() - self._started_at
        if seconds < self._next_s or self._num_done == self._total:
            return
        self._next_s = seconds + NEXT_LINES_S
        done = f"{self._num_done:,}"
        left = ""
        if self._total is not None and self._num_done < self._total:
            done += f" of {self._total:,}"
            seconds_left = seconds * (self._total - self._num_done) / self._num_done
            left = f", about {format_duration(seconds_left)} left"
        print_status(f"{self._label}: {done} done after {format_duration(seconds)}{left}")


def format_duration(seconds: float) -> str:
    """Write a time in the unit that suits it.

    >>> format_duration(0.62), format_duration(41), format_duration(840), format_duration(9000)
    ('0.6 s', '41 s', '14 min', '2.5 h')
    """
    if seconds < 9.5:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


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
    """Print one line to stderr; a terminal gets a long one wrapped at 80 columns, a log whole."""
    with suppress(OSError):  # a closed terminal must not stop the work
        if len(line) > _WIDTH and sys.stderr.isatty():
            # Imported here, because most lines are short or go to a log.
            from smallpose.core.table import wrap_text

            line = wrap_text(line)
        print(line, file=sys.stderr, flush=True)


def print_written(*paths: Path | str | None) -> None:
    """Name the files and folders that a command has written; None and "-" are none."""
    names = [str(path) for path in paths if path and str(path) != "-"]
    if names:
        print_status(f"written: {', '.join(names)}")
