"""What a training loop asks for: the steps of an epoch, as one of several processes sees them.

The samples of a step are the same for any number of workers and of ranks, and a rank is given
every world-th of them. Steps differ by one sample at most, so that the last one of an epoch is
not a handful that batch norms choke on, and no rank goes without.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from smallpose.core.instances import Instances
from smallpose.dataloading.images import refuse_unreadable

Rows = NDArray[np.intp]


class AnyBatch(Protocol):
    """What batches of crops and of whole pictures have in common."""

    @property
    def rows(self) -> Rows:
        """Of the people's table: whom the batch is about."""

    @property
    def crops(self) -> Tensor:
        """(b, h, w, 3) uint8 RGB: what a method's `prepare` takes."""

    @property
    def keypoints(self) -> Any:
        """What a method's `targets` takes, moved by its `to`."""

    @property
    def weight(self) -> float:
        """Of a rank's mean loss in the mean over ranks: its samples × ranks / the step's."""


class Feed(ABC):
    """Batches of an epoch, from any step on.

    Args:
        people: the table that batches' `rows` are of.
        samples: what an epoch goes through.
        images: how many pictures these are of.
        batch_size: samples per step at most, summed over ranks.
        jobs: worker processes of this rank; 0 works in this one.
        most_bad: share of the images that may be unreadable before the run stops.
        rank, world: which of how many processes this is.
    """

    def __init__(
        self,
        people: Instances,
        samples: int,
        images: int,
        batch_size: int,
        jobs: int,
        most_bad: float,
        rank: int,
        world: int,
    ) -> None:
        self.table, self.samples, self.images = people, samples, images
        self.batch_size, self.jobs, self.most_bad = batch_size, jobs, most_bad
        self.rank, self.world = rank, world
        self.unreadable: dict[str, None] = {}

    @property
    def people(self) -> int:
        """How many samples an epoch goes through, over all ranks."""
        return self.samples

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return -(-self.samples // self.batch_size)

    @abstractmethod
    def batches(self, epoch: int, first_step: int = 0) -> Iterator[AnyBatch]:
        """This rank's part of the steps of an epoch from `first_step` on.

        Raises: RunError when workers die, InputError when too many pictures are unreadable.
        """

    @abstractmethod
    def close(self) -> None:
        """End the workers; they start anew with the next epoch."""

    def begin(self, step: int) -> int:
        """Place in the epoch's order of a step's first sample."""
        return -(-step * self.samples // self.steps)

    def places(self, step: int) -> Rows:
        """This rank's places of a step in the epoch's order."""
        all_ranks = np.arange(self.begin(step), self.begin(step + 1))
        return all_ranks[all_ranks % self.world == self.rank]

    def weight(self, step: int) -> float:
        """See `AnyBatch.weight`."""
        all_ranks = self.begin(step + 1) - self.begin(step)
        return len(self.places(step)) * self.world / all_ranks

    def count_bad(self, wrong: str) -> None:
        """Remember a picture that cannot be read; raises InputError when they are too many."""
        self.unreadable[wrong] = None
        where = wrong.split(";")[0]
        refuse_unreadable(where, len(self.unreadable), self.images, self.most_bad)
