"""Run work on several cores of this process."""

import os
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def count_cores() -> int:
    """Return how many cores this process may use, at most 8."""
    try:
        return min(len(os.sched_getaffinity(0)), 8)
    except AttributeError:  # not on macOS or Windows
        return min(os.cpu_count() or 1, 8)


def run_parts(work: Callable[[int], T], parts: int, workers: int) -> list[T]:
    """Call `work(0)` to `work(parts - 1)` in threads; return the results in order.

    The calling thread is one of the workers: each thread costs memory of its own.
    """
    if min(workers, parts) <= 1:
        return [work(part) for part in range(parts)]
    from concurrent.futures import ThreadPoolExecutor  # only here: loading it takes 4 ms

    with ThreadPoolExecutor(min(workers, parts) - 1) as pool:
        futures = [pool.submit(work, part) for part in range(1, parts)]
        try:
            results = {0: work(0)}
            for part in range(parts - 1, 0, -1):
                if futures[part - 1].cancel():  # no thread has begun with it
                    results[part] = work(part)
            return [
                results[part] if part in results else futures[part - 1].result()
                for part in range(parts)
            ]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
