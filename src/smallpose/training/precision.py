"""Choose the precision of a training's network: --precision.

Weights, their updates, outputs and losses are float32 in any case; in bfloat16 the convolutions and
matrix products in between are computed by `torch.autocast`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from smallpose.catalog.early_checks import refuse_two_precisions
from smallpose.inference.computation import has_fast_bfloat16
from smallpose.methods.base import PoseMethod, Recipe
from smallpose.system.progress import print_status
from smallpose.training.config import TrainingConfig

# Methods whose AP is equal after training in bfloat16, in the mean of three seeds (bench/README.md,
# train_speed). SimCC's was lower, and ViTPose's gradients are slower in bfloat16 on CPUs.
MEASURED = ("simple_baseline_r18_tiny",)


def set_precision(
    config: TrainingConfig,
    method: PoseMethod,
    recipe: Recipe,
    state: Mapping[str, Any] | None = None,
    *,
    silent: bool = False,
) -> Recipe:
    """Return the recipe with the precision that the configuration asks for, and print auto's.

    Args:
        state: from which the run resumes; "auto" keeps its precision, whatever the device.
        silent: print nothing, as all processes but the first do.
    Raises: InputError for one that contradicts `half`.
    """
    precision = config.precision
    if not precision:
        return recipe
    refuse_two_precisions(precision, dict(config.overrides).items())
    uses_bfloat16 = precision == "bfloat16"
    reason = ""
    if precision == "auto":
        uses_bfloat16, reason = _choose_bfloat16(method, state)
    recipe = replace(recipe, half=uses_bfloat16)
    if precision == "auto" and not silent:
        name = get_precision_name(recipe)
        print_status(f"--precision auto: training {method.name} in {name}; {reason}")
    if precision == "bfloat16" and not silent and not has_fast_bfloat16(method.device):
        print_status(
            f"--precision bfloat16: {_name_device(method)} has no fast bfloat16; float32 is faster"
        )
    return recipe


def get_precision_name(recipe: Recipe) -> str:
    """Return the precision in which a recipe trains, for records."""
    return "bfloat16" if recipe.half else "float32"


def _choose_bfloat16(method: PoseMethod, state: Mapping[str, Any] | None) -> tuple[bool, str]:
    """Return whether "auto" takes bfloat16, and why."""
    if state is not None:
        identity = state.get("identity", {})
        return bool(identity.get("half")), "as the run began"
    if method.name not in MEASURED:
        return False, f"{method.name} has not been measured to train as well in bfloat16"
    if not has_fast_bfloat16(method.device):
        return False, f"{_name_device(method)} has no fast bfloat16"
    return True, "weights, their updates and the loss stay in float32"


def _name_device(method: PoseMethod) -> str:
    return "this CPU" if method.device.type == "cpu" else "this device"
