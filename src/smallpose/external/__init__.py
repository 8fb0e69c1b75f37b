"""Published models that are none of the paper's methods, run as their makers publish them."""

# ruff: noqa: E402 (the modules below cannot be imported without these packages)
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from smallpose.catalog.method_checks import refuse_missing_weights
from smallpose.core.errors import InputError
from smallpose.system.packages import require_packages

require_packages("smallpose.external", "cv2", "torch")

from smallpose.external import movenet
from smallpose.external.package_weights import PackageWeights
from smallpose.methods import create_method
from smallpose.methods.base import PoseMethod

__all__ = ["EXTERNAL", "PACKAGE_WEIGHTS", "create_model"]

EXTERNAL: Mapping[str, Callable[[Path | None], PoseMethod]] = {"movenet": movenet.MoveNet}
PACKAGE_WEIGHTS: Mapping[str, PackageWeights] = {"movenet": movenet.WEIGHTS}


def create_model(
    name: str, skeleton: Any = None, weights: Path | str | None = None, **options: Any
) -> PoseMethod:
    """Create a method of the paper or a published model, in eval mode.

    Args:
        name: a key of `METHODS` or of `EXTERNAL`, or `FILE.py:NAME`.
        skeleton, weights, options: as in `create_method`; a published model has its own joints
            and weights.

    Raises: InputError for an unknown name, weights that do not fit, or a method without weights.
    """
    if name in EXTERNAL:
        if skeleton is not None:
            remedy = "leave --skeleton out"
            raise InputError(f"--skeleton {skeleton}", f"{name} has its own 17 joints", remedy)
        return EXTERNAL[name](None if weights is None else Path(weights)).eval()
    if weights is None:
        refuse_missing_weights(name, None)
    return create_method(name, skeleton, weights, **options)
