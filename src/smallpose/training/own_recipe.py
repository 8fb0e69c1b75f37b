"""The recipe `own`: for a few dozen to a few thousand images of one's own.

It is the method's quick recipe (the first one of a method without quick) with the number of steps,
the batch, the learning rates, what is frozen and the augmentation chosen by the number of samples
and by whether the training starts from weights.
`bench/own_recipe.py` compares it with the quick recipe at equal cost.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

from smallpose.core.counts import format_count
from smallpose.dataloading.augmentation import Augmentation
from smallpose.methods.base import PoseMethod, Recipe
from smallpose.methods.full_image import FullImageMethod, FullImageRecipe

OWN = "own"
STEPS = (30, 0.6)  # factor, and the power of the number of samples with which steps rise
MIN_STEPS = 200
MAX_STEPS = 3000
# Small steps, and so more of them in the same time, teach more than large ones.
BATCH_SIZES = (5, 16)
FULL_IMAGE_BATCH_SIZES = (4, 16)
BATCHES_PER_EPOCH = 8  # at least
FROZEN_BELOW = 20  # samples: fewer teach a backbone nothing
NUM_VALIDATIONS = 3
# Share of the quick recipe's rate where a training starts from weights: those that others trained
# on many photographs are nearer to their goal.
TUNED_RATE = 1.0
TUNED_PUBLISHED_RATE = 0.4
TUNED_BACKBONE = 0.5  # factor of the backbone's rate there
# The least augmentation of crops there. A network that learns from nothing in so few steps learns
# less with it; one that has weights forgets fewer of them.
TUNED_ROTATE_DEG = 40.0
TUNED_ROTATE_CHANCE = 0.6
TUNED_SCALE = 0.25
TUNED_SHIFT = 0.12


@dataclass(frozen=True)
class OwnData:
    """What the recipe depends on.

    Args:
        num_samples: people for top-down methods, images for full-image methods.
        has_weights: whether the training starts from weights.
    """

    num_samples: int
    has_weights: bool


def create_own_recipe(method: PoseMethod, data: OwnData) -> Recipe:
    """Create the recipe for so many samples."""
    quick = method.recipes.get("quick") or next(iter(method.recipes.values()))
    n = max(data.num_samples, 1)
    factor, power = STEPS
    steps = min(max(round(factor * n**power), MIN_STEPS), MAX_STEPS)
    is_full_image = isinstance(method, FullImageMethod)
    smallest, largest = FULL_IMAGE_BATCH_SIZES if is_full_image else BATCH_SIZES
    batch_size = min(max(n // BATCHES_PER_EPOCH, smallest), largest, quick.batch_size)
    tuned = TUNED_PUBLISHED_RATE if method.card.checkpoint else TUNED_RATE
    rate = tuned if data.has_weights else 1.0
    data_epochs = steps / math.ceil(n / batch_size)
    recipe = replace(
        quick,
        steps=steps,
        batch_size=batch_size,
        learning_rate=quick.learning_rate * rate,
        backbone_rate=_choose_backbone_rate(n) if data.has_weights else 1.0,
        validate_every=max(math.ceil(data_epochs / NUM_VALIDATIONS), 1),
    )
    if data.has_weights and not is_full_image:
        recipe = replace(recipe, augment=_strengthen(recipe.augment))
    if isinstance(recipe, FullImageRecipe) and recipe.cosine:
        cosine: Any = tuple((epoch, value * rate) for epoch, value in recipe.cosine)
        recipe = replace(recipe, cosine=cosine)
    return recipe


def describe_own_recipe(recipe: Recipe, data: OwnData) -> str:
    """Describe in one line what was chosen, and from what."""
    start = "from weights" if data.has_weights else "from random weights"
    rate = f"learning rate {recipe.learning_rate:g}"
    backbone = f", the backbone's {recipe.backbone_rate:g} of it" if data.has_weights else ""
    if not recipe.backbone_rate:
        backbone = ", backbone frozen"
    length = (
        format_count(recipe.steps, "step") if recipe.steps else format_count(recipe.epochs, "epoch")
    )
    return (
        f"recipe own for {format_count(data.num_samples, 'sample')}, {start}: {length} of "
        f"{recipe.batch_size}, {rate}{backbone}"
    )


def _strengthen(augment: Augmentation) -> Augmentation:
    """Return the augmentation with its rotation, scale and shift raised to their least values."""
    return replace(
        augment,
        rotate_deg=max(augment.rotate_deg, TUNED_ROTATE_DEG),
        rotate_chance=max(augment.rotate_chance, TUNED_ROTATE_CHANCE),
        scale=max(augment.scale, TUNED_SCALE),
        shift=max(augment.shift, TUNED_SHIFT),
    )


def _choose_backbone_rate(num_samples: int) -> float:
    return 0.0 if num_samples < FROZEN_BELOW else TUNED_BACKBONE
