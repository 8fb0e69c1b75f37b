"""The recipe `own`: for a few dozen to a few thousand images of one's own.

It is the method's quick recipe with the number of steps, the batch, the learning rates and what is
frozen chosen by the number of samples and by whether the training starts from weights.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

from smallpose.methods.base import PoseMethod, Recipe
from smallpose.methods.full_image import FullImageMethod, FullImageRecipe

OWN = "own"
STEPS_PER_ROOT = 40  # steps rise with the square root of the samples
MIN_STEPS = 200
MAX_STEPS = 2500
BATCH_SIZES = (8, 32)
FULL_IMAGE_BATCH_SIZES = (4, 16)
STEPS_PER_SAMPLE = 10  # a batch is at most so small a share of the samples
FROZEN_BELOW = 20  # samples: fewer teach a backbone nothing
NUM_VALIDATIONS = 3
TUNED_RATE = 0.4  # share of the quick recipe's rate where a training starts from weights
TUNED_BACKBONE = 0.5  # factor of the backbone's rate there


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
    quick = method.recipes["quick"]
    n = max(data.num_samples, 1)
    steps = min(max(round(STEPS_PER_ROOT * math.sqrt(n)), MIN_STEPS), MAX_STEPS)
    is_full_image = isinstance(method, FullImageMethod)
    smallest, largest = FULL_IMAGE_BATCH_SIZES if is_full_image else BATCH_SIZES
    batch_size = min(max(n // STEPS_PER_SAMPLE, smallest), largest, quick.batch_size)
    factor = TUNED_RATE if data.has_weights else 1.0
    data_epochs = steps / math.ceil(n / batch_size)
    recipe = replace(
        quick,
        steps=steps,
        batch_size=batch_size,
        learning_rate=quick.learning_rate * factor,
        backbone_rate=_choose_backbone_rate(n) if data.has_weights else 1.0,
        validate_every=max(math.ceil(data_epochs / NUM_VALIDATIONS), 1),
    )
    if isinstance(recipe, FullImageRecipe) and recipe.cosine:
        cosine: Any = tuple((epoch, rate * factor) for epoch, rate in recipe.cosine)
        recipe = replace(recipe, cosine=cosine)
    return recipe


def describe_own_recipe(recipe: Recipe, data: OwnData) -> str:
    """Describe in one line what was chosen, and from what."""
    start = "from weights" if data.has_weights else "from random weights"
    rate = f"learning rate {recipe.learning_rate:g}"
    backbone = f", the backbone's {recipe.backbone_rate:g} of it" if data.has_weights else ""
    if not recipe.backbone_rate:
        backbone = ", backbone frozen"
    length = f"{recipe.steps:,} steps" if recipe.steps else f"{recipe.epochs:,} epochs"
    return (
        f"recipe own for {data.num_samples:,} samples, {start}: {length} of {recipe.batch_size}, "
        f"{rate}{backbone}"
    )


def _choose_backbone_rate(num_samples: int) -> float:
    return 0.0 if num_samples < FROZEN_BELOW else TUNED_BACKBONE
