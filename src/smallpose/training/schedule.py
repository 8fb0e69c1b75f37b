"""The optimizer, and the learning rate as a function of the step: nothing to save or restore."""

import math
from itertools import pairwise

import torch
from torch import nn

from smallpose.methods.base import PoseMethod, Recipe
from smallpose.methods.full_image import WholeRecipe

WARM_UP_FROM = 0.001  # share of the rate at the first step (MMPose)


def make_optimizer(method: PoseMethod, recipe: Recipe) -> torch.optim.Optimizer:
    """Adam or AdamW; which weights are decayed, and how fast each learns, the method says.

    Each group has its share of the rate under "rate_share".
    """
    alike: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, weight in method.named_parameters():
        if weight.requires_grad:
            alike.setdefault(method.treatment(name, weight, recipe), []).append(weight)
    groups = [
        {"params": weights, "rate_share": rate, "weight_decay": decay * recipe.weight_decay}
        for (rate, decay), weights in alike.items()
    ]
    kind = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    # Fused: one call instead of ten small ones per tensor, which is a tenth of a tiny step.
    return kind(groups, lr=recipe.learning_rate, betas=recipe.betas, fused=True)


def learning_rate(step: int, steps_of_epoch: float, recipe: Recipe) -> float:
    """The rate of a step, counted from 0 over the whole run.

    Args:
        steps_of_epoch: of the recipe's epochs; not those of the data where the run is cut short.
    """
    if isinstance(recipe, WholeRecipe) and recipe.cosine:
        return _along_cosines(step, steps_of_epoch, recipe)
    if recipe.schedule == "one_cycle":
        return recipe.learning_rate * _one_cycle(step, steps_of_epoch * recipe.epochs, recipe)
    warm = min(step / max(recipe.warm_up - 1, 1), 1.0) if recipe.warm_up else 1.0
    passed = sum(step >= epoch * steps_of_epoch for epoch in recipe.decay_at)
    return recipe.learning_rate * (WARM_UP_FROM + (1 - WARM_UP_FROM) * warm) * 0.1**passed


def _one_cycle(step: int, steps: float, recipe: Recipe) -> float:
    """Up along half a cosine from 1/25, then down along another to nearly nothing."""
    rising = max(steps * recipe.warm_up / 100, 1.0)
    if step < rising:
        return _cosine(1 / 25, 1.0, step / rising)
    return _cosine(1.0, 1e-4, (step - rising) / max(steps - rising, 1.0))


def _along_cosines(step: int, steps_of_epoch: float, recipe: WholeRecipe) -> float:
    """Up with the square of the step, then from each (epoch, rate) to the next; RTMO's."""
    rising = recipe.warm_epochs * steps_of_epoch
    if step < rising:
        return recipe.cosine[0][1] * ((step + 1) / rising) ** 2
    epoch = step / steps_of_epoch
    for (begin, high), (end, low) in pairwise(recipe.cosine):
        if begin <= epoch < end:
            return _cosine(high, low, (epoch - begin) / (end - begin))
    return recipe.cosine[-1][1]


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(share, 1.0))) / 2
