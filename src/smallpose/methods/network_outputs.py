"""Compute the outputs of a network, in the precision that was asked for, and check them."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from smallpose.core.errors import RunError

if TYPE_CHECKING:
    from smallpose.methods.base import PoseMethod


def are_finite(outputs: Any) -> bool:
    """Return whether all values of a tensor, or of tensors in nested tuples, are finite."""
    if isinstance(outputs, Tensor):
        return not outputs.is_floating_point() or bool(torch.isfinite(outputs).all())
    return all(are_finite(part) for part in outputs if part is not None)


def run_checked_network(method: "PoseMethod", images: Tensor) -> Any:
    """Compute the outputs for (b, 3, h, w), in `precision` where that is set, as float32.

    Raises: RunError when they are not finite: such poses could neither be scored nor written.
    """
    outputs = _run_network(method, images)
    if not are_finite(outputs):
        raise RunError(
            method.name,
            "the network computed values that are not finite, although its weights are",
            "use other weights, or float32 if you asked for another precision",
        )
    return outputs


def _run_network(method: "PoseMethod", images: Tensor) -> Any:
    if method.network is not None:
        return method.network(images)
    if method.precision is None:
        return method(images)
    with torch.autocast(method.device.type, method.precision):
        outputs = method(images)
    if isinstance(outputs, Tensor):
        return outputs.float()
    singles = [column.float() for column in outputs]
    return type(outputs)(*singles) if hasattr(outputs, "_fields") else tuple(singles)
