"""What a method is shown in training: crops of people, or whole pictures with all of theirs."""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from smallpose.methods.base import PoseMethod, Recipe
from smallpose.methods.whole import WholeImageMethod, WholeRecipe
from smallpose.samples.crops import Batch, Crops, ImageOfPeople, trainable
from smallpose.samples.images import Pictures
from smallpose.samples.whole import WholeBatch, WholeImages, Wholes
from smallpose.table.instances import Instances
from smallpose.training.experiment import Experiment

AnyBatch = Batch | WholeBatch


class Feed(Protocol):
    """Batches of an epoch, from any step on; `Crops` and `Wholes` are such."""

    dataset: Any
    unreadable: dict[str, None]

    @property
    def people(self) -> int:
        """Samples of an epoch."""

    @property
    def steps(self) -> int:
        """Steps of an epoch."""

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[AnyBatch]:
        """The steps of an epoch from `first_step` on."""


def make_feed(
    experiment: Experiment,
    people: Instances,
    pictures: Pictures,
    method: PoseMethod,
    recipe: Recipe,
) -> Feed:
    """The training people, in the form the method learns from."""
    if isinstance(method, WholeImageMethod):
        assert isinstance(recipe, WholeRecipe)
        wholes = WholeImages(
            *(people, images_of_people(people), pictures, method.input_wh, recipe.augment),
            *(experiment.seed, recipe.epochs),
        )
        return Wholes(wholes, recipe.batch_size, experiment.jobs, experiment.most_bad, recipe.sizes)
    crops = ImageOfPeople(
        *(people, trainable(people), pictures, method.input_wh, recipe.augment),
        *(experiment.seed, method.udp_warp),
    )
    return Crops(crops, recipe.batch_size, experiment.jobs, experiment.most_bad)


def images_of_people(people: Instances) -> NDArray[np.intp]:
    """Rows of the images with somebody to learn from; the others teach nothing but background."""
    return np.unique(people.image_rows[trainable(people)])
