"""Run work on several cores of this process."""

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
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


def begin(work: Callable[[], T]) -> Callable[[], T]:
    """Begin work in a thread where there are cores for it; what is returned waits for its result.

    The result may be asked for once, and raises what the work has raised.
    """
    if count_cores() < 2:
        return work
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no more threads can be started
        return work

    def get_result() -> T:
        thread.join()
        if failures:
            raise failures[0]
        return results[0]

    return get_result


def run_parts(work: Callable[[int], T], parts: int, workers: int) -> list[T]:
    """Call `work(0)` to `work(parts - 1)` in threads; return the results in order.

    The calling thread is one of the workers: each thread costs memory of its own. Parts are begun
    in their order and none after one that has failed, so the first that fails is the same however
    the threads run; its exception is raised.
    """
    if min(workers, parts) <= 1:
        return [work(part) for part in range(parts)]
    results: dict[int, T] = {}
    failures: dict[int, BaseException] = {}
    waiting = iter(range(parts))
    lock = threading.Lock()

    def work_on_parts() -> None:
        while True:
            with lock:
                part = None if failures else next(waiting, None)
            if part is None:
                return
            try:
                results[part] = work(part)
            except BaseException as error:
                failures[part] = error

    threads = [threading.Thread(target=work_on_parts) for _ in range(min(workers, parts) - 1)]
    started = []
    with suppress(RuntimeError):  # no more threads can be started: those that were do all
        for thread in threads:
            thread.start()
            started.append(thread)
    try:
        work_on_parts()
        for thread in started:
            thread.join()
    except BaseException as error:  # an interrupt between two parts
        failures[-1] = error
        for thread in started:
            thread.join()
    if failures:
        raise failures[min(failures)]
    return [results[part] for part in range(parts)]
