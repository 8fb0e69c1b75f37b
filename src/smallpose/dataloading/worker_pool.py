"""A pool of worker processes that fill arrays, with results in the order of the tasks.

A worker writes its samples into memory that this process maps too, so pixels pass between them
without being pickled or sent. A worker that dies is restarted and given its tasks again; if a
worker dies twice at the same task, which happens when memory runs out, the run stops.
"""

import contextlib
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.util import Finalize
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.errors import RunError, SmallposeError
from smallpose.dataloading.images import use_one_opencv_thread
from smallpose.dataloading.shared_memory import SharedMemory
from smallpose.system.memory import get_free_memory
from smallpose.system.progress import print_status

Samples = NDArray[np.uint8]

TASKS_AHEAD = 4  # per worker, so that it does not wait for the next task
MAX_DEATHS = 10  # of workers within one list of tasks


class Filler(Protocol):
    """What a pool runs. It is passed to the workers, so it should map its tables, not own them.

    Attributes:
        shape: of a sample.
        max_samples: maximum number of samples of a task.
    """

    shape: tuple[int, ...]
    max_samples: int

    def fill(self, task: Any, out: Samples) -> Any:
        """Write a task's samples to `out`, (max_samples, *shape), which holds old samples.

        Returns: anything else about the samples, small and without tensors.
        """

    def describe(self, task: Any) -> str:
        """Return the names of a task's images, for a message."""


class _Worker(NamedTuple):
    process: Any
    pipe: Connection
    slots: NDArray[np.uint8]


class WorkerPool:
    """`num_workers` processes that work through lists of tasks; with 0, this process does.

    The first list starts them, and after each list they wait for the next one.
    """

    def __init__(self, filler: Filler, num_workers: int) -> None:
        self.filler, self.num_workers = filler, num_workers
        self._workers: list[_Worker] = []
        # Must run before multiprocessing's own clean-up, which sends a signal that workers ignore.
        Finalize(self, _end_workers, (self._workers,), exitpriority=10)

    def run(self, tasks: Sequence[Any]) -> Iterator[tuple[Any, Samples]]:
        """Yield for each task, in order, what `fill` returned and the array it filled.

        The array is valid until the next one is requested.

        Raises: what `fill` raises; RunError when workers die.
        """
        if self.num_workers == 0:
            yield from self._run_in_this_process(tasks)
            return
        while len(self._workers) < self.num_workers:
            self._workers.append(self._start_worker())
        is_finished = False
        try:
            yield from self._run_in_workers(tasks)
            is_finished = True
        finally:
            if not is_finished:  # results still under way would mix with those of the next list
                self.close()

    def close(self) -> None:
        """Stop the workers."""
        _end_workers(self._workers)

    def _run_in_this_process(self, tasks: Sequence[Any]) -> Iterator[tuple[Any, Samples]]:
        use_one_opencv_thread()
        out = np.empty((self.filler.max_samples, *self.filler.shape), np.uint8)
        for task in tasks:
            yield self.filler.fill(task, out), out

    def _run_in_workers(self, tasks: Sequence[Any]) -> Iterator[tuple[Any, Samples]]:
        num_sent = 0
        died_at = -1
        num_deaths = 0
        for index, task in enumerate(tasks):
            while num_sent < min(len(tasks), index + TASKS_AHEAD * self.num_workers):
                # A dead worker is noticed when its result is awaited.
                with contextlib.suppress(OSError):
                    self._send(num_sent, tasks[num_sent])
                num_sent += 1
            while (result := self._receive(index)) is None:
                num_deaths += 1
                where = self.filler.describe(task)
                reason = self._describe_exit(index)
                if died_at == index or num_deaths > MAX_DEATHS:
                    raise RunError(
                        where,
                        f"a worker process died near here ({reason}), "
                        f"{format_count(num_deaths, 'time')} so far; {get_free_memory() >> 20:,} "
                        "MiB of memory are free",
                        "use fewer --workers, then --resume",
                    )
                print_status(
                    f"{where}: a worker process died near here ({reason}) and is restarted"
                )
                died_at = index
                self._workers[index % self.num_workers] = self._start_worker()
                for resent in range(index, num_sent, self.num_workers):
                    with contextlib.suppress(OSError):
                        self._send(resent, tasks[resent])
            succeeded, value = result
            if not succeeded:
                raise value
            yield value, self._workers[index % self.num_workers].slots[self._slot_of(index)]

    def _slot_of(self, index: int) -> int:
        """Return the slot of its worker's memory that a task fills."""
        return index // self.num_workers % TASKS_AHEAD

    def _send(self, index: int, task: Any) -> None:
        self._workers[index % self.num_workers].pipe.send((self._slot_of(index), task))

    def _receive(self, index: int) -> tuple[bool, Any] | None:
        """Wait for the next result of the worker that has the task; None when it is dead."""
        worker = self._workers[index % self.num_workers]
        wait([worker.pipe, worker.process.sentinel])
        try:
            if worker.pipe.poll():
                return worker.pipe.recv()  # type: ignore[no-any-return]
        except (EOFError, OSError):
            pass
        return None

    def _describe_exit(self, index: int) -> str:
        process = self._workers[index % self.num_workers].process
        process.join(1)
        code = process.exitcode
        return signal.Signals(-code).name if code is not None and code < 0 else f"exit {code}"

    def _start_worker(self) -> _Worker:
        shape = (TASKS_AHEAD, self.filler.max_samples, *self.filler.shape)
        memory = SharedMemory(int(np.prod(shape)))
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.Process(
            target=_run_worker, args=(self.filler, memory, shape, theirs, os.getpid()), daemon=True
        )
        process.start()
        theirs.close()
        return _Worker(process, ours, memory.array(np.uint8, shape))


def _end_workers(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.pipe.close()
        worker.process.kill()
    for worker in workers:
        worker.process.join()
    workers.clear()


def _run_worker(
    filler: Filler, memory: SharedMemory, shape: tuple[int, ...], pipe: Connection, parent: int
) -> None:
    # A signal that stops the run reaches all its processes, but the current step must be finished
    # before the state is saved; the parent kills the workers afterwards.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    use_one_opencv_thread()
    slots = memory.array(np.uint8, shape)
    with contextlib.suppress(EOFError, OSError):  # the parent is gone
        while True:
            while not pipe.poll(1.0):
                if os.getppid() != parent:  # other workers may hold the other end of the pipe open
                    return
            slot, task = pipe.recv()
            pipe.send(_fill_safely(filler.fill, task, slots[slot]))


def _fill_safely(fill: Callable[[Any, Samples], Any], task: Any, out: Samples) -> tuple[bool, Any]:
    try:
        return True, fill(task, out)
    except SmallposeError as error:
        return False, error
    except Exception:
        return False, RuntimeError(f"in a worker process:\n{traceback.format_exc()}")
