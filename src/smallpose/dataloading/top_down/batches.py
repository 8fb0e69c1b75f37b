"""One person per sample: crops for top-down methods, in batches that workers and ranks share.

The order (`order.py`) and every augmentation (`people.py`) are functions of (seed, epoch, person):
neither the number of workers or ranks nor an interruption changes a sample.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from smallpose.dataloading.augmentation import counter_rng
from smallpose.dataloading.batches import Feed
from smallpose.dataloading.sampler import epoch_order
from smallpose.dataloading.top_down.crops import (
    TASK,
    ImageOfPeople,
    check_size,
    cut_boxes,
    trainable,
)
from smallpose.dataloading.top_down.small_people import shares
from smallpose.dataloading.worker_pool import Pool

__all__ = ["Batch", "Crops", "ImageOfPeople", "check_size", "cut_boxes", "trainable"]

Rows = NDArray[np.intp]

WINDOW_BYTES = 512 * 2**20  # of crops among which one is shuffled; about two thirds of them wait
WINDOW_PEOPLE = 4096
_ORDER, _SHARES = 1, 2  # purposes of generators that are nobody's in particular


class Batch(NamedTuple):
    """People of one step.

    Args:
        rows: (b,) of the people's table.
        crops: (b, h, w, 3) uint8 RGB.
        keypoints: (b, k, 3) float32 x, y in crop px, and v.
        weight: of this rank's mean loss; see `AnyBatch`.
    """

    rows: Rows
    crops: torch.Tensor
    keypoints: torch.Tensor
    weight: float = 1.0


class Crops(Feed):
    """Batches of crops; see `Feed`.

    Args:
        dataset: what to cut.
    """

    def __init__(
        self,
        dataset: ImageOfPeople,
        batch_size: int,
        jobs: int = 0,
        most_bad: float = 0.001,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        super().__init__(
            dataset.people,
            len(dataset.rows),
            len(dataset.sizes),
            batch_size,
            jobs,
            most_bad,
            rank,
            world,
        )
        self.dataset = dataset
        crop_bytes = int(np.prod(dataset.shape))
        self.window = max(min(WINDOW_PEOPLE, WINDOW_BYTES // crop_bytes), batch_size)
        self._pool = Pool(dataset, jobs)

    def order(self, epoch: int) -> tuple[Rows, Rows]:
        """People in the order of an epoch, and of each which showing it is, from 0.

        Everybody comes once, or as often as `Augment.balance` wants.
        """
        dataset = self.dataset
        rows, sizes = dataset.rows, dataset.sizes
        again = np.zeros_like(rows)
        if dataset.augment.balance:
            rng = counter_rng(dataset.seed, epoch, 0, _SHARES)
            counts = shares(self.table.size_class[rows], dataset.augment.balance, rng)
            again = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
            rows = np.repeat(rows, counts)
            sizes = np.unique(self.table.image_rows[rows], return_counts=True)[1]
        rng = counter_rng(dataset.seed, epoch, 0, _ORDER)
        order = epoch_order(sizes, self.window, rng)
        return rows[order], again[order]

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """See `Feed`."""
        places = [self.places(step) for step in range(first_step, self.steps)]
        counts = np.array([len(p) for p in places], dtype=np.intp)
        mine = np.concatenate([*places, np.empty(0, np.intp)])
        rows, again = (column[mine] for column in self.order(epoch))
        begins = np.cumsum(counts) - counts
        step_of = np.repeat(np.arange(len(counts)), counts)
        tasks = _tasks(self.table.image_rows[rows], self.dataset.most)
        done = zip(tasks, self._pool.run([(epoch, rows[t], again[t]) for t in tasks]), strict=True)
        begun: dict[int, Batch] = {}
        left = counts.copy()
        for step in range(len(counts)):
            while left[step]:
                of_task, ((keypoints, wrong), crops) = next(done)
                for error in wrong:
                    self.count_bad(str(error))
                for n, place in enumerate(of_task.tolist()):
                    into = int(step_of[place])
                    slot = place - int(begins[into])
                    if into not in begun:
                        whose = rows[begins[into] : begins[into] + counts[into]]
                        begun[into] = self._empty(whose, first_step + into)
                    begun[into].crops.numpy()[slot] = crops[n]
                    begun[into].keypoints.numpy()[slot] = keypoints[n]
                    left[into] -= 1
            batch = begun.pop(step, None)
            yield self._empty(rows[:0], first_step + step) if batch is None else batch
        next(done, None)  # read to its end, the pool keeps its workers for the next epoch

    def close(self) -> None:
        """See `Feed`."""
        self._pool.close()

    def _empty(self, rows: Rows, step: int) -> Batch:
        k = len(self.table.skeleton)
        crops = torch.empty((len(rows), *self.dataset.shape), dtype=torch.uint8)
        return Batch(rows, crops, torch.empty((len(rows), k, 3)), self.weight(step))


def _tasks(images: Rows, most: int) -> list[Rows]:
    """Places of people, a few pictures' together and each picture's in one task.

    Args:
        images: (n,) picture of each person, in the order in which they will be needed.
        most: people in a task. A picture that has more, because some are shown twice, is decoded
            for every so many.
    """
    _, first, which = np.unique(images, return_index=True, return_inverse=True)
    by_image = np.argsort(first[which], kind="stable")
    sizes = np.unique(first[which], return_counts=True)[1]
    ends, count = [], 0
    for end, size in zip(np.cumsum(sizes).tolist(), sizes.tolist(), strict=True):
        if count >= TASK or count + size > most:
            ends.append(end - size)
            count = 0
        while size > most:
            size -= most
            ends.append(end - size)
        count += size
    return np.split(by_image, ends) if len(images) else []
