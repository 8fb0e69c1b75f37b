"""Run work on several cores of this process."""

import os
import sys
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def count_cores(limit: int = 8) -> int:
    """Return how many cores this process may use, at most `limit`."""
    try:
        return min(len(os.sched_getaffinity(0)), limit)
    except AttributeError:  # not on macOS or Windows
        return min(os.cpu_count() or 1, limit)


def import_numpy_single_threaded() -> None:
    """Import NumPy without threads for matrix products, for commands that have no large ones.

    OpenBLAS starts a thread per further core when it is loaded, and each waits actively for a
    while: 0.05 CPU seconds with two cores, a third of a small evaluation (NumPy 2.4).
    """
    name = "OPENBLAS_NUM_THREADS"
    if name in os.environ or "numpy" in sys.modules:
        return
    os.environ[name] = "1"
    try:
        import numpy  # noqa: F401
    finally:
        del os.environ[name]  # programs that are started from here decide for themselves


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
