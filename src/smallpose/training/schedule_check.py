"""Say when the learning rate never rises to its value, never falls, or falls at the beginning."""

import math

from smallpose.core.counts import format_count
from smallpose.methods.base import Recipe
from smallpose.methods.full_image import FullImageRecipe

_WARM_UP_SHARE = 0.1  # of the steps, in the remedy
_DECAY_SHARES = (0.8, 0.95)  # of the epochs, in the remedy
_EARLY_SHARE = 0.2  # of the epochs, before which a fall is unusual: recipes fall from 0.64 on
_MIN_WARM_UP_STEPS = 10  # of a recipe whose warm-up shrinks with the training


def describe_short_schedule(recipe: Recipe, steps: int) -> list[str]:
    """Say what of a recipe's schedule lies beyond the end of a training, with what to type.

    Args:
        steps: of the whole training.
    """
    if not steps or not recipe.epochs:
        return []
    if isinstance(recipe, FullImageRecipe) and recipe.cosine:
        return _describe_short_rise(recipe, steps)
    if recipe.schedule == "one_cycle":
        return []
    lines = []
    if recipe.warm_up >= steps:
        lines.append(
            f"the training ends within the warm-up (warm_up={recipe.warm_up}, "
            f"{format_count(steps, 'step')}): its learning rate stays below "
            f"{recipe.learning_rate:g}; add warm_up={int(steps * _WARM_UP_SHARE)}"
        )
    late = [epoch for epoch in recipe.decay_at if epoch >= recipe.epochs]
    if late:
        remedy = _suggest_decays(recipe)
        lines.append(
            f"the learning rate does not fall at epoch {' and '.join(f'{e:g}' for e in late)} "
            f"(decay_at), because the training has {recipe.epochs:g}; add decay_at={remedy}"
        )
    return lines


def describe_early_fall(recipe: Recipe, steps: int, steps_per_epoch: int) -> list[str]:
    """Say when the rate falls in the first fifth of a training.

    It does where a file of a method, or a longer run, has another number of epochs and the same
    `decay_at`. Where `describe_decays` has a line, that is enough.

    Args:
        steps: of the whole training.
        steps_per_epoch: of the data.
    """
    if not _falls_early(recipe) or describe_decays(recipe, steps, steps_per_epoch):
        return []
    first = min(recipe.decay_at)
    return [
        f"the learning rate falls to a tenth at epoch {first:g} of {recipe.epochs:g} "
        f"(decay_at), in the first fifth of the training; add decay_at={_suggest_decays(recipe)}, "
        f"or decay_at={','.join(f'{epoch:g}' for epoch in recipe.decay_at)} if it is meant so"
    ]


def describe_decays(recipe: Recipe, steps: int, steps_per_epoch: int) -> list[str]:
    """Say where the rate falls in a training whose length is given in steps.

    With `steps`, the epochs of a recipe are shares of the training, and not those of the log.

    Args:
        steps: of the whole training.
        steps_per_epoch: of the data.
    """
    has_cosine = isinstance(recipe, FullImageRecipe) and bool(recipe.cosine)
    if not (recipe.steps and recipe.epochs) or has_cosine or recipe.schedule != "steps":
        return []
    epochs = math.ceil(steps / max(steps_per_epoch, 1))
    within = [epoch for epoch in recipe.decay_at if epoch < recipe.epochs]
    if not within or epochs == recipe.epochs:
        return []
    first_steps = [math.ceil(epoch * steps / recipe.epochs) for epoch in within]
    places = " and ".join(f"{step} (epoch {step / steps_per_epoch:.3g})" for step in first_steps)
    written = ",".join(f"{epoch:g}" for epoch in within)
    early = (
        f"; add decay_at={_suggest_decays(recipe)} for later ones" if _falls_early(recipe) else ""
    )
    return [
        f"the learning rate falls at step {places} of {steps} ({epochs}): decay_at={written} is in "
        f"{format_count(recipe.epochs, 'epoch')} of the recipe, of which steps makes shares{early}"
    ]


def _falls_early(recipe: Recipe) -> bool:
    has_cosine = isinstance(recipe, FullImageRecipe) and bool(recipe.cosine)
    if has_cosine or recipe.schedule != "steps" or not recipe.decay_at:
        return False
    return min(recipe.decay_at) < _EARLY_SHARE * recipe.epochs


def _suggest_decays(recipe: Recipe) -> str:
    first, last = (round(share * recipe.epochs, 2) for share in _DECAY_SHARES)
    return f"{first:g}" if recipe.schedule == "flat_cosine" else f"{first:g},{last:g}"


def _describe_short_rise(recipe: FullImageRecipe, steps: int) -> list[str]:
    """Say when the warm-up in epochs is over after a few steps, as in a test of two steps."""
    warm_up_steps = recipe.warm_epochs * steps / recipe.epochs
    if not 0 < warm_up_steps < _MIN_WARM_UP_STEPS:
        return []
    return [
        f"the warm-up (warm_epochs={recipe.warm_epochs:g} of "
        f"{format_count(recipe.epochs, 'epoch')}) lasts {warm_up_steps:.2g} of "
        f"{format_count(steps, 'step')}, and the learning rate is {recipe.cosine[0][1]:g} from "
        f"then on; add warm_epochs={recipe.epochs * _WARM_UP_SHARE:g}"
    ]
