"""A network in parts, of which the first may be computed in a lower precision."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


def return_maps(maps: Tensor) -> Tensor:
    """Return maps as they are, for methods whose outputs are maps."""
    return maps


@dataclass(frozen=True)
class SplitNetwork:
    """A network in parts, of which the first may be computed in bfloat16.

    Args:
        layers: map (b, 3, h, w) images to features; less than 0.1 points of AP are lost in
            bfloat16 (bench/README.md).
        last: the 1×1 convolution that maps the features to a map of each joint, in float32.
        finish: maps these maps to the outputs of the method's `forward`, in float32.
    """

    layers: nn.Module
    last: nn.Conv2d
    finish: Callable[[Tensor], Any] = return_maps

    def compute_last(self, features: Tensor) -> Any:
        """Map the features to the outputs of the method's `forward`."""
        return self.finish(self.last(features))


@dataclass(frozen=True)
class SplitStages:
    """A network in three parts, of which the middle one may be computed in bfloat16.

    Each part returns a tensor or a tuple of tensors and gets those of the part before, one argument
    each.

    Args:
        first: maps (b, 3, h, w) images to features, in float32.
        middle: maps these to other features; less than 0.1 points of AP are lost in bfloat16
            (bench/README.md).
        last: maps these to the outputs of the method's `forward`, in float32.
        middle_name: what the middle is, for a message.
        fold: returns the same parts as engines compute them.
    """

    first: nn.Module
    middle: nn.Module
    last: nn.Module
    middle_name: str
    fold: Callable[[], "SplitStages"]
