"""Batches of crops for top-down methods: one person per sample, shared by workers and ranks.

The order (`sampler.py`) and every augmentation (`crops.py`) are functions of (seed, epoch, person):
neither the number of workers or ranks nor an interruption changes a sample.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from smallpose.dataloading.augmentation import make_counter_rng
from smallpose.dataloading.batches import BatchLoader, LoaderOptions
from smallpose.dataloading.sampler import shuffle_by_image
from smallpose.dataloading.top_down.crops import (
    PEOPLE_PER_TASK,
    CropDataset,
    check_labelled_size,
    cut_boxes,
    select_trainable,
)
from smallpose.dataloading.top_down.small_people import draw_balanced_counts
from smallpose.dataloading.worker_pool import WorkerPool

__all__ = [
    "CropBatch",
    "CropDataset",
    "CropLoader",
    "check_labelled_size",
    "cut_boxes",
    "select_trainable",
]

Rows = NDArray[np.intp]

WINDOW_BYTES = (
    512 * 2**20
)  # of crops in the shuffle window; about two thirds of them wait in memory
WINDOW_PEOPLE = 4096
# purposes of generators that belong to no single person
_ORDER = 1
_BALANCE = 2


class CropBatch(NamedTuple):
    """People of one step.

    Args:
        rows: (b,) in the table of people.
        crops: (b, h, w, 3) uint8 RGB.
        keypoints: (b, k, 3) float32 x, y in crop px, and v.
        weight: of this rank's mean loss; see `AnyBatch`.
    """

    rows: Rows
    crops: torch.Tensor
    keypoints: torch.Tensor
    weight: float = 1.0


class CropLoader(BatchLoader):
    """Loads batches of crops; see `BatchLoader`.

    Args:
        dataset: the samples.
    """

    def __init__(self, dataset: CropDataset, options: LoaderOptions) -> None:
        super().__init__(dataset.people, len(dataset.rows), len(dataset.sizes), options)
        self.dataset = dataset
        crop_bytes = int(np.prod(dataset.shape))
        self.window = max(min(WINDOW_PEOPLE, WINDOW_BYTES // crop_bytes), options.batch_size)
        self._pool = WorkerPool(dataset, options.num_workers)

    def order_people(self, epoch: int) -> tuple[Rows, Rows]:
        """Return the rows of people in the order of an epoch, and how often each came before.

        Everyone comes once, or as often as `Augmentation.balance` demands.
        """
        dataset = self.dataset
        rows, sizes = dataset.rows, dataset.sizes
        repeats = np.zeros_like(rows)
        if dataset.augmentation.balance:
            rng = make_counter_rng(dataset.seed, epoch, 0, _BALANCE)
            classes = self.people.size_class[rows]
            counts = draw_balanced_counts(classes, dataset.augmentation.balance, rng)
            repeats = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
            rows = np.repeat(rows, counts)
            sizes = np.unique(self.people.image_rows[rows], return_counts=True)[1]
        rng = make_counter_rng(dataset.seed, epoch, 0, _ORDER)
        order = shuffle_by_image(sizes, self.window, rng)
        return rows[order], repeats[order]

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[CropBatch]:
        """Yield the batches of an epoch; see `BatchLoader`.

        A worker cuts all people of an image together, who belong to several steps; so several
        batches are filled at the same time, and a batch is yielded when its last person arrives.
        """
        indices = [self.sample_indices(s) for s in range(first_step, self.steps_per_epoch)]
        counts = np.array([len(i) for i in indices], dtype=np.intp)
        mine = np.concatenate([*indices, np.empty(0, np.intp)])
        rows, repeats = (column[mine] for column in self.order_people(epoch))
        starts = np.cumsum(counts) - counts
        step_of = np.repeat(np.arange(len(counts)), counts)
        groups = _group_by_image(self.people.image_rows[rows], self.dataset.max_samples)
        tasks = [(epoch, rows[group], repeats[group]) for group in groups]
        results = zip(groups, self._pool.run(tasks), strict=True)
        partial: dict[int, CropBatch] = {}
        num_missing = counts.copy()
        for step in range(len(counts)):
            while num_missing[step]:
                group, ((keypoints, problems), crops) = next(results)
                for error in problems:
                    self.count_unreadable(str(error))
                for n, index in enumerate(group.tolist()):
                    its_step = int(step_of[index])
                    start = int(starts[its_step])
                    if its_step not in partial:
                        its_rows = rows[start : start + counts[its_step]]
                        partial[its_step] = self._create_batch(its_rows, first_step + its_step)
                    partial[its_step].crops.numpy()[index - start] = crops[n]
                    partial[its_step].keypoints.numpy()[index - start] = keypoints[n]
                    num_missing[its_step] -= 1
            batch = partial.pop(step, None)
            yield self._create_batch(rows[:0], first_step + step) if batch is None else batch
        next(results, None)  # exhausted, the pool keeps its workers for the next epoch

    def close(self) -> None:
        """Stop the workers."""
        self._pool.close()

    def _create_batch(self, rows: Rows, step: int) -> CropBatch:
        k = len(self.people.skeleton)
        crops = torch.empty((len(rows), *self.dataset.shape), dtype=torch.uint8)
        keypoints = torch.empty((len(rows), k, 3))
        return CropBatch(rows, crops, keypoints, self.compute_weight(step))


def _group_by_image(images: Rows, max_samples: int) -> list[Rows]:
    """Group indices of people into tasks: several images per task, each image in one task.

    Args:
        images: (n,) image of each person, in the order in which they are needed.
        max_samples: maximum number of people in a task. An image that has more, because some are
            shown repeatedly, is split, and decoded once for each part.
    """
    _, first, image_of = np.unique(images, return_index=True, return_inverse=True)
    by_image = np.argsort(first[image_of], kind="stable")
    sizes = np.unique(first[image_of], return_counts=True)[1]
    ends = []
    count = 0
    for end, size in zip(np.cumsum(sizes).tolist(), sizes.tolist(), strict=True):
        if count >= PEOPLE_PER_TASK or count + size > max_samples:
            ends.append(end - size)
            count = 0
        while size > max_samples:
            size -= max_samples
            ends.append(end - size)
        count += size
    return np.split(by_image, ends) if len(images) else []
