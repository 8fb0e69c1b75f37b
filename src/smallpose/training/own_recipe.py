"""The recipe `own`: for a few dozen to a few thousand images of one's own.

It is the method's quick recipe (the first one of a method without quick) with the number of steps,
the batch, the learning rate and what is frozen chosen by the number of samples and by whether the
training starts from weights. Heatmap methods have unbiased targets.
`bench/own_recipe.py` compares it with the quick recipe at equal cost.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

from smallpose.core.counts import format_count
from smallpose.methods.base import PoseMethod, Recipe
from smallpose.methods.full_image import FullImageMethod, FullImageRecipe
from smallpose.models.codecs.heatmap_coding import HeatmapCoding

OWN = "own"
STEPS = (30, 0.5)  # factor, and the power of the number of samples with which steps rise
MIN_STEPS = 100
MAX_STEPS = 3000
BATCH_SIZES = (8, 32)
FULL_IMAGE_BATCH_SIZES = (4, 16)
BATCHES_PER_EPOCH = 8  # at least
FROZEN_BELOW = 20  # samples: fewer teach a backbone nothing
NUM_VALIDATIONS = 3
# A training that starts from weights has the quick recipe's rate from so many samples on, and below
# it a share in proportion to their number: a few samples cannot replace what a high rate destroys.
FULL_RATE_FROM = 400
LEAST_RATE = 0.1  # share; no less was better with 40 samples
# Share where the weights are published ones: those that others trained on many photographs are
# nearer to their goal.
PUBLISHED_RATE = 0.4
# Peaks stay where the joints are: with little training, a network learns more from exact targets.
HEATMAP_TARGETS = "unbiased"


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
    rate = _choose_rate(method, n) if data.has_weights else 1.0
    data_epochs = steps / math.ceil(n / batch_size)
    recipe = replace(
        quick,
        steps=steps,
        batch_size=batch_size,
        learning_rate=quick.learning_rate * rate,
        backbone_rate=0.0 if data.has_weights and n < FROZEN_BELOW else 1.0,
        validate_every=max(math.ceil(data_epochs / NUM_VALIDATIONS), 1),
    )
    if isinstance(recipe, FullImageRecipe) and recipe.cosine:
        cosine: Any = tuple((epoch, value * rate) for epoch, value in recipe.cosine)
        recipe = replace(recipe, cosine=cosine)
    return recipe


def choose_heatmap_targets(method: PoseMethod, recipe_name: str) -> str:
    """Choose the targets of a heatmap method where the user did not: exact ones for `own`."""
    is_exact = recipe_name == OWN and method.heatmap_coding is not None
    return HEATMAP_TARGETS if is_exact else HeatmapCoding().targets


def describe_own_recipe(recipe: Recipe, data: OwnData, heatmap_targets: str = "rounded") -> str:
    """Describe in one line what was chosen, and from what."""
    start = "from weights" if data.has_weights else "from random weights"
    rate = f"learning rate {recipe.learning_rate:g}"
    backbone = "" if recipe.backbone_rate else ", backbone frozen"
    targets = "" if heatmap_targets == "rounded" else f", heatmap targets: {heatmap_targets}"
    length = (
        format_count(recipe.steps, "step") if recipe.steps else format_count(recipe.epochs, "epoch")
    )
    return (
        f"recipe own for {format_count(data.num_samples, 'sample')}, {start}: {length} of "
        f"{recipe.batch_size}, {rate}{backbone}{targets}"
    )


def _choose_rate(method: PoseMethod, num_samples: int) -> float:
    """Return the share of the quick recipe's rate for a training that starts from weights."""
    share = min(max(num_samples / FULL_RATE_FROM, LEAST_RATE), 1.0)
    return share * PUBLISHED_RATE if method.card.checkpoint else share
