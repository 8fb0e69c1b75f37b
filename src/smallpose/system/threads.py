"""Run work on several cores of this process."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def count_cores() -> int:
    """Return how many cores this process may use, at most 8."""
    try:
        return min(len(os.sched_getaffinity(0)), 8)
    except AttributeError:  # not on macOS or Windows
        return min(os.cpu_count() or 1, 8)


def run_parts(work: Callable[[int], T], parts: int, workers: int) -> list[T]:
    """Call `work(0)` to `work(parts - 1)` in a pool of threads; return the results in order."""
    if min(workers, parts) <= 1:
        return [work(part) for part in range(parts)]
    with ThreadPoolExecutor(min(workers, parts)) as pool:
        futures = [pool.submit(work, part) for part in range(parts)]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
