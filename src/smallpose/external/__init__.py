"""Published models that are none of the paper's methods, run as their makers publish them."""

# ruff: noqa: E402 (the modules below cannot be imported without these packages)
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smallpose.catalog.method_checks import refuse_missing_weights
from smallpose.catalog.trained_weights import take_trained_weights
from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.system.packages import require_packages

require_packages("smallpose.external", "cv2", "torch")

from smallpose.external.external_model import ExternalModel
from smallpose.external.registry import MODELS
from smallpose.methods import create_method
from smallpose.methods.base import PoseMethod

__all__ = ["EXTERNAL", "create_model"]

EXTERNAL: Mapping[str, ExternalModel] = MODELS


def create_model(
    name: str, skeleton: Any = None, weights: Path | str | None = None, **options: Any
) -> PoseMethod:
    """Create a method of the paper or a published model, in eval mode.

    Args:
        name: a key of `METHODS` or of `EXTERNAL`, or `FILE.py:NAME`.
        skeleton, weights, options: as in `create_method`; a published model has its own joints
            and weights, and `rtmo_tiny` those that `smallpose weights train` made.

    Raises: InputError for an unknown name, weights that do not fit, or a method without weights.
    """
    if name in EXTERNAL:
        if skeleton is not None:
            remedy = "leave --skeleton out"
            what = f"{name} has its own {format_count(len(EXTERNAL[name].skeleton), 'joint')}"
            raise InputError(f"--skeleton {skeleton}", what, remedy)
        return EXTERNAL[name].create(None if weights is None else Path(weights)).eval()
    weights = take_trained_weights(name, weights)
    if weights is None:
        refuse_missing_weights(name, None)
    return create_method(name, skeleton, weights, **options)
