"""Batch loaders: the steps of an epoch, as one of several training processes sees them.

The samples of a step are the same for any number of workers and ranks; each rank takes every
world_size-th of them. Step sizes differ by at most one sample, so that the last step of an epoch is
not a small remainder that makes batch norm statistics noisy, and every rank has samples.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from smallpose.core.instances import Instances
from smallpose.dataloading.images import refuse_unreadable

Rows = NDArray[np.intp]


class AnyBatch(Protocol):
    """The interface that batches of crops and of full images share."""

    @property
    def rows(self) -> Rows:
        """Return the rows of the people in the batch, in the table of people."""

    @property
    def crops(self) -> Tensor:
        """Return the samples, (b, h, w, 3) uint8 RGB: the input of a method's `prepare`."""

    @property
    def keypoints(self) -> Any:
        """Return the labels: the input of a method's `targets`; they have a method `to`."""

    @property
    def weight(self) -> float:
        """Return the weight of this rank's mean loss: its samples × ranks / the step's samples."""


@dataclass(frozen=True, kw_only=True)
class LoaderOptions:
    """How samples are grouped into steps and shared between processes.

    Args:
        batch_size: maximum number of samples per step, summed over ranks.
        num_workers: worker processes of this rank; 0 prepares samples in this process.
        max_unreadable: share of the images that may be unreadable before the run stops.
        rank, world_size: the index of this process, and the number of processes.
        num_ahead: batches that a thread of this process may prepare ahead; see `prefetch.py`.
    """

    batch_size: int
    num_workers: int = 0
    max_unreadable: float = 0.001
    rank: int = 0
    world_size: int = 1
    num_ahead: int = 0


class BatchLoader(ABC):
    """Loads the batches of an epoch, starting at any step.

    Args:
        people: the table that `rows` of batches refer to.
        num_samples: samples per epoch, over all ranks.
        num_images: number of images that the samples come from.
        options: how samples are grouped and shared.

    Attributes:
        unreadable: what was wrong with each unreadable image, in the order of their discovery.
    """

    def __init__(
        self, people: Instances, num_samples: int, num_images: int, options: LoaderOptions
    ) -> None:
        self.people, self.options = people, options
        self.num_samples, self.num_images = num_samples, num_images
        self.unreadable: dict[str, None] = {}

    @property
    def steps_per_epoch(self) -> int:
        """Return the number of steps of an epoch."""
        return -(-self.num_samples // self.options.batch_size)

    @abstractmethod
    def batches(self, epoch: int, first_step: int = 0) -> Iterator[AnyBatch]:
        """Yield this rank's part of the steps of an epoch from `first_step` on.

        Raises: RunError when workers die, InputError when too many images are unreadable.
        """

    @abstractmethod
    def close(self) -> None:
        """Stop the workers; the next epoch starts new ones."""

    def first_index(self, step: int) -> int:
        """Return the index of a step's first sample in the order of the epoch."""
        return -(-step * self.num_samples // self.steps_per_epoch)

    def sample_indices(self, step: int) -> Rows:
        """Return the indices of this rank's samples of a step in the order of the epoch."""
        indices = np.arange(self.first_index(step), self.first_index(step + 1))
        return indices[indices % self.options.world_size == self.options.rank]

    def compute_weight(self, step: int) -> float:
        """Return `AnyBatch.weight` of a step."""
        num_samples = self.first_index(step + 1) - self.first_index(step)
        return len(self.sample_indices(step)) * self.options.world_size / num_samples

    def count_unreadable(self, problem: str) -> None:
        """Record an unreadable image; raise InputError when there are too many."""
        self.unreadable[problem] = None
        where = problem.split(";")[0]
        max_unreadable = self.options.max_unreadable
        refuse_unreadable(where, len(self.unreadable), self.num_images, max_unreadable)
