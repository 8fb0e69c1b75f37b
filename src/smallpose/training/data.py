"""What a method is shown in training: crops of people, or whole pictures with all of theirs."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.dataloading.batches import AnyBatch, Feed
from smallpose.dataloading.full_image.samples import WholeImages, Wholes
from smallpose.dataloading.images import Pictures
from smallpose.dataloading.top_down.batches import Crops, ImageOfPeople, trainable
from smallpose.methods.base import PoseMethod, Recipe
from smallpose.methods.full_image import WholeImageMethod, WholeRecipe
from smallpose.training.config import Experiment
from smallpose.training.distributed import ALONE, Ranks

__all__ = ["AnyBatch", "Feed", "images_of_people", "make_feed"]


def make_feed(
    experiment: Experiment,
    people: Instances,
    pictures: Pictures,
    method: PoseMethod,
    recipe: Recipe,
    ranks: Ranks = ALONE,
) -> Feed:
    """This process's part of the training people, in the form the method learns from.

    Raises: InputError when a step has no sample for some process.
    """
    place = {"rank": ranks.rank, "world": ranks.world}
    how = (recipe.batch_size, experiment.jobs, experiment.most_bad)
    feed: Feed
    if isinstance(method, WholeImageMethod):
        if experiment.cache is not None:
            raise InputError(
                f"--cache {experiment.cache}",
                f"keeps people cut out, and {method.name} takes whole pictures",
                "leave it out, or train a top-down method",
            )
        assert isinstance(recipe, WholeRecipe)
        rows, augment, epochs = images_of_people(people), recipe.augment, recipe.epochs
        if recipe.steps:  # the data's epochs are not the recipe's
            epochs = -(-recipe.steps // -(-len(rows) // recipe.batch_size))
            augment = replace(augment, closing=round(augment.closing * epochs / recipe.epochs))
        wholes = WholeImages(
            people, rows, pictures, method.input_wh, augment, experiment.seed, epochs
        )
        feed = Wholes(wholes, *how, recipe.sizes, **place)
    else:
        if experiment.cache is not None and not ranks.first:
            ranks.wait()  # the first process fills it
        crops = ImageOfPeople(
            people,
            trainable(people),
            pictures,
            method.input_wh,
            recipe.augment,
            experiment.seed,
            method.udp_warp,
            experiment.cache,
            experiment.jobs,
        )
        if experiment.cache is not None and ranks.first:
            ranks.wait()
        feed = Crops(crops, *how, **place)
    if feed.people // feed.steps < ranks.world:
        raise InputError(
            f"batch_size={recipe.batch_size}",
            f"steps of {feed.people // feed.steps} samples for {ranks.world} processes",
            "start fewer processes, or take a larger batch_size",
        )
    return feed


def images_of_people(people: Instances) -> NDArray[np.intp]:
    """Rows of the images with somebody to learn from; the others teach nothing but background."""
    return np.unique(people.image_rows[trainable(people)])
