"""Worker processes that fill arrays, with results in the order of the tasks.

A worker writes its samples into memory that this process maps too, so pictures pass from one to
the other without being packed or sent. A worker that dies is started anew and given its tasks
again; one that dies twice at the same task, which memory that ran full does, stops the run.
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

from smallpose.core.errors import RunError, SmallposeError
from smallpose.dataloading.images import one_thread
from smallpose.dataloading.shared_memory import Shared
from smallpose.system.memory import free_memory
from smallpose.system.progress import say

Samples = NDArray[np.uint8]

DEPTH = 4  # tasks that a worker is given ahead
MOST_DEATHS = 10  # of workers, while one list of tasks is worked through


class Filler(Protocol):
    """What a pool works with; passed to the workers, so it should map its tables and not own them.

    Attributes:
        shape: of a sample.
        most: samples of a task at most.
    """

    shape: tuple[int, ...]
    most: int

    def fill(self, task: Any, out: Samples) -> Any:
        """Make a task's samples in `out`, (most, *shape) of whatever stood there before.

        Returns: what else there is to say of them, small, without tensors.
        """

    def describe(self, task: Any) -> str:
        """A task's pictures, for a message."""


class _Worker(NamedTuple):
    process: Any
    pipe: Connection
    slots: NDArray[np.uint8]


class Pool:
    """`jobs` processes that work through lists of tasks; with 0, this process does.

    They are started by the first list, and wait for the next one behind each.
    """

    def __init__(self, filler: Filler, jobs: int) -> None:
        self.filler, self.jobs = filler, jobs
        self._workers: list[_Worker] = []
        # Ahead of multiprocessing's own end, which asks by a signal that workers do not hear.
        Finalize(self, _end, (self._workers,), exitpriority=10)

    def run(self, tasks: Sequence[Any]) -> Iterator[tuple[Any, Samples]]:
        """For each task, in order, what `fill` returned and the array it filled.

        The array is good until the next one is asked for.

        Raises: what `fill` raises; RunError when workers die.
        """
        if self.jobs == 0:
            yield from self._here(tasks)
            return
        while len(self._workers) < self.jobs:
            self._workers.append(self._start())
        whole = False
        try:
            yield from self._spread(tasks)
            whole = True
        finally:
            if not whole:  # what was asked for would come in between the next list's answers
                self.close()

    def close(self) -> None:
        """End the workers."""
        _end(self._workers)

    def _here(self, tasks: Sequence[Any]) -> Iterator[tuple[Any, Samples]]:
        one_thread()
        out = np.empty((self.filler.most, *self.filler.shape), np.uint8)
        for task in tasks:
            yield self.filler.fill(task, out), out

    def _spread(self, tasks: Sequence[Any]) -> Iterator[tuple[Any, Samples]]:
        sent, died_at, deaths = 0, -1, 0
        for number, task in enumerate(tasks):
            while sent < min(len(tasks), number + DEPTH * self.jobs):
                # A worker that is gone is noticed when its answer is waited for.
                with contextlib.suppress(OSError):
                    self._send(sent, tasks[sent])
                sent += 1
            while (answer := self._receive(number)) is None:
                deaths += 1
                where = self.filler.describe(task)
                how = self._exit_of(number)
                if died_at == number or deaths > MOST_DEATHS:
                    raise RunError(
                        where,
                        f"a worker process died near it ({how}), {deaths} times so far; "
                        f"{free_memory() >> 20:,} MiB of memory are free",
                        "use fewer --workers, then --resume",
                    )
                say(f"{where}: a worker process died near it ({how}) and is started anew")
                died_at = number
                self._workers[number % self.jobs] = self._start()
                for again in range(number, sent, self.jobs):
                    with contextlib.suppress(OSError):
                        self._send(again, tasks[again])
            good, value = answer
            if not good:
                raise value
            yield value, self._workers[number % self.jobs].slots[number // self.jobs % DEPTH]

    def _send(self, number: int, task: Any) -> None:
        slot = number // self.jobs % DEPTH
        self._workers[number % self.jobs].pipe.send((slot, task))

    def _receive(self, number: int) -> tuple[bool, Any] | None:
        """The next answer of the worker that has the task; None when it is dead."""
        worker = self._workers[number % self.jobs]
        wait([worker.pipe, worker.process.sentinel])
        try:
            if worker.pipe.poll():
                return worker.pipe.recv()  # type: ignore[no-any-return]
        except (EOFError, OSError):
            pass
        return None

    def _exit_of(self, number: int) -> str:
        process = self._workers[number % self.jobs].process
        process.join(1)
        code = process.exitcode
        return signal.Signals(-code).name if code is not None and code < 0 else f"exit {code}"

    def _start(self) -> _Worker:
        shape = (DEPTH, self.filler.most, *self.filler.shape)
        memory = Shared(int(np.prod(shape)))
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.Process(
            target=_work, args=(self.filler, memory, shape, theirs, os.getpid()), daemon=True
        )
        process.start()
        theirs.close()
        return _Worker(process, ours, memory.array(np.uint8, shape))


def _end(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.pipe.close()
        worker.process.kill()
    for worker in workers:
        worker.process.join()
    workers.clear()


def _work(
    filler: Filler, memory: Shared, shape: tuple[int, ...], pipe: Connection, parent: int
) -> None:
    # Whoever stops the run stops all its processes alike, but the step at hand must be finished
    # before its state is saved; the parent ends us when it is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    one_thread()
    slots = memory.array(np.uint8, shape)
    with contextlib.suppress(EOFError, OSError):  # the parent is gone
        while True:
            while not pipe.poll(1.0):
                if os.getppid() != parent:  # other workers may hold our pipe's other end open
                    return
            slot, task = pipe.recv()
            pipe.send(_answer(filler.fill, task, slots[slot]))


def _answer(fill: Callable[[Any, Samples], Any], task: Any, out: Samples) -> tuple[bool, Any]:
    try:
        return True, fill(task, out)
    except SmallposeError as error:
        return False, error
    except Exception:
        return False, RuntimeError(f"in a worker process:\n{traceback.format_exc()}")
