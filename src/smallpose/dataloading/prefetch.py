"""Prepare batches in a thread while the network trains on the one before.

Decoding, warping and large copies release Python's lock, and so does a backward pass: permission to
prepare more is therefore given between the forward and the backward pass. Every augmentation is a
function of (seed, epoch, sample), so batches are the same with and without a thread.
"""

import os
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from smallpose.dataloading.batches import AnyBatch, BatchLoader
from smallpose.system.threads import count_cores

NUM_AHEAD = 2  # batches, by default: one that is ready, and one in preparation


class BatchPrefetcher:
    """Takes the batches of one step after another from a loader, across epochs.

    At most `loader.options.num_ahead` batches wait in memory; with 0 there is no thread, and a
    batch is prepared when it is taken. Errors are raised when the batch that they belong to is
    taken, so a run ends at the same step either way.
    """

    def __init__(self, loader: BatchLoader) -> None:
        self.loader = loader
        self._queue: deque[tuple[int, Future[AnyBatch]]] = deque()
        self._thread: ThreadPoolExecutor | None = None
        self._epoch: Iterator[AnyBatch] | None = None
        self._loaded_step = -1

    def take(self, step: int) -> AnyBatch:
        """Return the batch of a step, counted over all epochs, and wait for it if need be.

        Raises: what the loader raises.
        """
        if not self.loader.options.num_ahead:
            return self._load(step)
        if self._queue and self._queue[0][0] != step:
            self._discard()
        if not self._queue:
            self._submit(step)
        return self._queue.popleft()[1].result()

    def prepare(self, first_step: int, end_step: int) -> None:
        """Let the thread prepare the steps from a first one to before an end, as far as allowed."""
        num_ahead = self.loader.options.num_ahead
        for step in range(first_step, min(first_step + num_ahead, end_step)):
            if not self._queue or step > self._queue[-1][0]:
                self._submit(step)

    def close(self) -> None:
        """Wait for the batch in preparation, drop it, and stop the thread and the workers."""
        self._discard()
        if self._thread is not None:
            self._thread.shutdown()
        self._thread = None
        self._close_epoch()
        self.loader.close()

    def _submit(self, step: int) -> None:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "batches")
        self._queue.append((step, self._thread.submit(self._load, step)))

    def _discard(self) -> None:
        """Drop the batches that were not taken."""
        for _, future in self._queue:
            if not future.cancel():
                future.exception()  # wait until it is finished
        self._queue.clear()

    def _load(self, step: int) -> AnyBatch:
        epoch, step_of_epoch = divmod(step, self.loader.steps_per_epoch)
        follows = step == self._loaded_step + 1
        if self._epoch is not None and follows and step_of_epoch == 0:
            next(self._epoch, None)  # it is exhausted, and its workers wait for the next epoch
            self._epoch = None
        elif not follows:
            self._close_epoch()
        if self._epoch is None:
            self._epoch = self.loader.batches(epoch, step_of_epoch)
        batch = next(self._epoch)
        self._loaded_step = step
        return batch

    def _close_epoch(self) -> None:
        if isinstance(self._epoch, Generator):
            self._epoch.close()
        self._epoch = None


def choose_num_ahead(num_threads: int, num_processes: int = 1) -> int:
    """Return how many batches a thread should prepare ahead: none where no core is left for it.

    Args:
        num_threads: that compute the network in each process.
        num_processes: that train on this machine.
    """
    needed = (num_threads + 1) * num_processes
    return NUM_AHEAD if count_cores(needed) >= needed else 0


def count_local_processes(world_size: int) -> int:
    """Return how many of the processes that train together run on this machine."""
    text = os.environ.get("LOCAL_WORLD_SIZE", "")
    return int(text) if text.isdigit() else world_size
