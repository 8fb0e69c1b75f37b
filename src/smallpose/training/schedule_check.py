"""Say when the learning rate of a short training never rises to its value, or never falls."""

from smallpose.methods.base import Recipe
from smallpose.methods.full_image import FullImageRecipe

_WARM_UP_SHARE = 0.1  # of the steps, in the remedy
_DECAY_SHARES = (0.8, 0.95)  # of the epochs, in the remedy


def describe_short_schedule(recipe: Recipe, steps: int) -> list[str]:
    """Say what of a recipe's schedule lies beyond the end of a training, with what to type.

    Args:
        steps: of the whole training.
    """
    follows_cosines = isinstance(recipe, FullImageRecipe) and bool(recipe.cosine)
    if not steps or not recipe.epochs or follows_cosines or recipe.schedule == "one_cycle":
        return []
    lines = []
    if recipe.warm_up >= steps:
        lines.append(
            f"the training ends within the warm-up (warm_up={recipe.warm_up}, {steps:,} steps): "
            f"its learning rate stays below {recipe.learning_rate:g}; add "
            f"warm_up={int(steps * _WARM_UP_SHARE)}"
        )
    late = [epoch for epoch in recipe.decay_at if epoch >= recipe.epochs]
    if late:
        first, last = (round(share * recipe.epochs, 2) for share in _DECAY_SHARES)
        remedy = f"{first:g}" if recipe.schedule == "flat_cosine" else f"{first:g},{last:g}"
        lines.append(
            f"the learning rate does not fall at epoch {' and '.join(f'{e:g}' for e in late)} "
            f"(decay_at), because the training has {recipe.epochs:g}; add decay_at={remedy}"
        )
    return lines
