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
        network: computes a tensor or a tuple of tensors.
        flip_back: turns the outputs of mirrored images into those of the images.
    """
    outputs = network(images)
    flipped = flip_back(network(images.flip(-1)))
    if isinstance(outputs, tuple):
        return tuple((a + b) / 2 for a, b in zip(outputs, flipped, strict=True))
    return (outputs + flipped) / 2


def explain_missing_flip_test(problem: str) -> str:
    """Say why the flip test is left out and what to do."""
    return (
        f"the flip test is left out: {problem}; declare the pairs with --swap left:right,…, or "
        'list them under "swap" in a skeleton file and pass it with --skeleton'
    )
