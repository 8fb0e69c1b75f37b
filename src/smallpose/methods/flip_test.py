"""Run the flip test: average the outputs of an image and of its mirror image.

A method defines how its outputs are flipped back (`PoseMethod.flip_back`), which exchanges the left
and right joints; without known pairs the flip test would average different joints.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor


def run_flip_test(
    network: Callable[[Tensor], Any], flip_back: Callable[[Any], Any], images: Tensor
) -> Any:
    """Compute the outputs of (b, 3, h, w) images, averaged with those of the mirrored images.

    Args:
        network: computes a tensor, or tensors in tuples, lists and dicts.
        flip_back: turns the outputs of mirrored images into those of the images.
    """
    outputs = network(images)
    flipped = flip_back(network(images.flip(-1)))
    return map_tensors(lambda a, b: (a + b) / 2, outputs, flipped)


def map_tensors(function: Callable[..., Any], *outputs: Any) -> Any:
    """Apply a function to the tensors of outputs that have the same form, and keep the form.

    The form is a tensor, or nested tuples (also named ones), lists and dicts of them.
    """
    first = outputs[0]
    if isinstance(first, dict):
        return {key: map_tensors(function, *(one[key] for one in outputs)) for key in first}
    if isinstance(first, tuple | list):
        parts = [map_tensors(function, *part) for part in zip(*outputs, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)
    return function(*outputs) if isinstance(first, Tensor) else first


def explain_missing_flip_test(problem: str) -> str:
    """Say why the flip test is left out and what to do."""
    return (
        f"the flip test is left out: {problem}; declare the pairs with --swap left:right,…, or "
        'list them under "swap" in a skeleton file and pass it with --skeleton'
    )
