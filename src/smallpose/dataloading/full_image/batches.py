"""Batches of full images for bottom-up and one-stage methods."""

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smallpose.dataloading.augmentation import make_counter_rng
from smallpose.dataloading.batches import BatchLoader, LoaderOptions
from smallpose.dataloading.full_image.batch_people import (
    MASK_STRIDE,
    BatchPeople,
    concatenate_people,
)
from smallpose.dataloading.full_image.samples import FullImageDataset
from smallpose.dataloading.worker_pool import WorkerPool

Rows = NDArray[np.intp]

# purposes of generators that belong to no single image
_ORDER = 1
_SIZE = 2


class FullImageBatch(NamedTuple):
    """Images of one step.

    Args:
        rows: in the table of people, of everyone in the images that the step is about.
        images: (b, h, w, 3) uint8 RGB.
        people: the labels.
        weight: of this rank's mean loss; see `AnyBatch`.
    """

    rows: Rows
    images: Tensor
    people: BatchPeople
    weight: float = 1.0

    @property
    def crops(self) -> Tensor:
        """Return the images; `AnyBatch` calls samples crops."""
        return self.images

    @property
    def keypoints(self) -> BatchPeople:
        """Return the labels; `AnyBatch` calls labels keypoints."""
        return self.people


class FullImageLoader(BatchLoader):
    """Loads batches of full images; see `BatchLoader`.

    Args:
        dataset: the samples.
        sizes: minimum and maximum side to which each step is resized at random, in multiples of
            32; None keeps the size.
    """

    def __init__(
        self,
        dataset: FullImageDataset,
        options: LoaderOptions,
        sizes: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(dataset.people, len(dataset), len(dataset), options)
        self.dataset, self.sizes = dataset, sizes
        self._pool = WorkerPool(dataset, options.num_workers)

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[FullImageBatch]:
        """Yield the batches of an epoch; see `BatchLoader`."""
        order = make_counter_rng(self.dataset.seed, epoch, 0, _ORDER).permutation(len(self.dataset))
        steps = [
            order[self.sample_indices(step)] for step in range(first_step, self.steps_per_epoch)
        ]
        tasks = [(epoch, [index]) for indices in steps for index in indices.tolist()]
        results = self._pool.run(tasks)
        w, h = self.dataset.input_wh
        for step, indices in enumerate(steps, first_step):
            images = torch.empty((len(indices), h, w, 3), dtype=torch.uint8)
            parts = []
            for n in range(len(indices)):
                ((columns, problem),), samples = next(results)
                images.numpy()[n] = samples[0]
                parts.append(BatchPeople(*(torch.from_numpy(column) for column in columns)))
                if problem:
                    self.count_unreadable(problem)
            image_rows = self.dataset.image_rows[indices]
            rows = np.concatenate(
                [self.dataset.table.rows_of_image(int(image)) for image in image_rows]
            )
            batch = FullImageBatch(
                rows, images, concatenate_people(parts), self.compute_weight(step)
            )
            yield batch if self.sizes is None else self._resize(batch, epoch, step)
        next(results, None)  # exhausted, the pool keeps its workers for the next epoch

    def close(self) -> None:
        """Stop the workers."""
        self._pool.close()

    def _resize(self, batch: FullImageBatch, epoch: int, step: int) -> FullImageBatch:
        """Resize a batch to the random side of its step."""
        assert self.sizes is not None
        rng = make_counter_rng(self.dataset.seed, epoch, step, _SIZE)
        side = 32 * int(rng.integers(self.sizes[0] // 32, self.sizes[1] // 32 + 1))
        images = [cv2.resize(image, (side, side)) for image in batch.images.numpy()]
        people = batch.people
        factor = torch.tensor([side / batch.images.shape[2], side / batch.images.shape[1]])
        keypoints = people.keypoints.clone()
        keypoints[..., :2] *= factor
        mask = torch.nn.functional.interpolate(people.heatmap_mask[:, None], side // MASK_STRIDE)
        resized = BatchPeople(
            people.image_index,
            keypoints,
            people.corners * factor,
            people.area * factor.prod(),
            mask[:, 0],
        )
        return batch._replace(images=torch.from_numpy(np.stack(images)), people=resized)
