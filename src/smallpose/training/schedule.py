"""The optimizer, and the learning rate as a function of the step: nothing to save or restore."""

import functools
import inspect
import math
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from smallpose.methods.base import PoseMethod, Recipe
from smallpose.methods.full_image import FullImageRecipe
from smallpose.training.muon import RATE_SHARE, Muon, find_matrices

OPTIMIZERS: dict[str, type[torch.optim.Adam]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "muon": Muon,
}
WARM_UP_FROM = 0.001  # share of the rate at the first step (MMPose)
# Shares of the rate at the first and the last step of flat_cosine (RTMPose in MMPose).
FLAT_COSINE_ENDS = (1e-5, 0.05)


def create_optimizer(method: PoseMethod, recipe: Recipe) -> torch.optim.Optimizer:
    """Create Adam, AdamW or Muon with the method's factors of learning rate and weight decay.

    Each parameter group has its factor of the rate under "rate_share". Weights of a backbone whose
    rate is 0 need no gradients any more.
    """
    groups: dict[tuple[float, float, bool], list[nn.Parameter]] = {}
    matrices = find_matrices(method) if recipe.optimizer == "muon" else set()
    for name, weight in method.named_parameters():
        rate, decay = method.param_group_factors(name, weight, recipe)
        if method.is_backbone_weight(name):
            rate *= recipe.backbone_rate
            weight.requires_grad_(weight.requires_grad and recipe.backbone_rate > 0)
        if weight.requires_grad:
            groups.setdefault((rate, decay, name in matrices), []).append(weight)
    param_groups = [
        _make_group(weights, rate, decay * recipe.weight_decay, is_matrix)
        for (rate, decay, is_matrix), weights in groups.items()
    ]
    optimizer_class = _leave_out_compiler(recipe.optimizer)
    # Fused: one kernel instead of ten small ones per tensor, a tenth of the time of a tiny step.
    return optimizer_class(param_groups, lr=recipe.learning_rate, betas=recipe.betas, fused=True)


def _make_group(
    weights: list[nn.Parameter], rate_share: float, decay: float, is_matrix: bool
) -> dict[str, Any]:
    group = {"params": weights, "rate_share": rate_share, "weight_decay": decay}
    if is_matrix:
        group |= {"rate_share": rate_share * RATE_SHARE, "weight_decay": 0.0, "orthogonal": True}
    return group


@functools.cache
def _leave_out_compiler(name: str) -> type[torch.optim.Adam]:
    """Return a subclass of an optimizer, with its methods below their wrappers for `torch.compile`.

    PyTorch's wrappers import the compiler, which takes longer than PyTorch itself. They matter only
    where a compiled function calls the methods; a training calls them outside of its network.
    """
    optimizer = OPTIMIZERS[name]
    wrapped = ("add_param_group", "zero_grad", "state_dict", "load_state_dict", "step")
    methods = {method: inspect.unwrap(getattr(optimizer, method)) for method in wrapped}
    methods["step"] = torch.no_grad()(methods["step"])  # the wrapper of step does this, too
    return type(optimizer.__name__, (optimizer,), methods)


def compute_learning_rate(step: int, steps_per_epoch: float, recipe: Recipe) -> float:
    """Return the learning rate of a step, counted from 0 over the whole run.

    Args:
        steps_per_epoch: of the recipe's epochs; not those of the data where `recipe.steps` is set.
    """
    if isinstance(recipe, FullImageRecipe) and recipe.cosine:
        return _follow_cosines(step, steps_per_epoch, recipe)
    if recipe.schedule == "one_cycle":
        return recipe.learning_rate * _follow_one_cycle(
            step, steps_per_epoch * recipe.epochs, recipe
        )
    warm_up = min(step / max(recipe.warm_up - 1, 1), 1.0) if recipe.warm_up else 1.0
    if recipe.schedule == "flat_cosine":
        return recipe.learning_rate * _follow_flat_cosine(step, steps_per_epoch, recipe, warm_up)
    num_decays = sum(step >= epoch * steps_per_epoch for epoch in recipe.decay_at)
    return recipe.learning_rate * (WARM_UP_FROM + (1 - WARM_UP_FROM) * warm_up) * 0.1**num_decays


def _follow_one_cycle(step: int, steps: float, recipe: Recipe) -> float:
    """Return the factor of a rise along half a cosine from 1/25, then a fall to nearly 0."""
    warm_up_steps = max(steps * recipe.warm_up / 100, 1.0)
    if step < warm_up_steps:
        return _interpolate_cosine(1 / 25, 1.0, step / warm_up_steps)
    share = (step - warm_up_steps) / max(steps - warm_up_steps, 1.0)
    return _interpolate_cosine(1.0, 1e-4, share)


def _follow_flat_cosine(step: int, steps_per_epoch: float, recipe: Recipe, warm_up: float) -> float:
    """Return the factor of a linear rise, a flat part, and a fall along half a cosine.

    Args:
        warm_up: share of the rise that is over.
    """
    first, last = FLAT_COSINE_ENDS
    begin = recipe.decay_at[0] if recipe.decay_at else recipe.epochs
    share = (step / steps_per_epoch - begin) / max(recipe.epochs - begin, 1e-9)
    return (first + (1 - first) * warm_up) * _interpolate_cosine(1.0, last, max(share, 0.0))


def _follow_cosines(step: int, steps_per_epoch: float, recipe: FullImageRecipe) -> float:
    """Return RTMO's rate: a quadratic rise, then cosines from each (epoch, rate) to the next."""
    warm_up_steps = recipe.warm_epochs * steps_per_epoch
    if step < warm_up_steps:
        # A short training's warm-up may end within a step.
        share = min((step + 1) / warm_up_steps, 1.0)
        return recipe.cosine[0][1] * share**2
    epoch = step / steps_per_epoch
    for (begin, high), (end, low) in pairwise(recipe.cosine):
        if begin <= epoch < end:
            return _interpolate_cosine(high, low, (epoch - begin) / (end - begin))
    return recipe.cosine[-1][1]


def _interpolate_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(share, 1.0))) / 2
