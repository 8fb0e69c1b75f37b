"""What is known of a published model apart from its code."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from smallpose.core.skeleton import Skeleton
from smallpose.external.package_weights import PackageWeights
from smallpose.methods.base import PoseMethod


@dataclass(frozen=True, kw_only=True)
class ExternalModel:
    """A published model that is none of the paper's methods. Each has a file of its own.

    Args:
        create: makes the model; the path is that of weights that the user names, else None.
        weights: where they are published.
        skeleton: its joints in the order of its results, by their names.
        input_wh: of the image or crop that the network sees, px; the largest where it takes more.
        normalisation: what the network is given for a pixel of 0 to 255, in words.
        needs_boxes: whether it is given the box of each person; else it detects people itself.
        extra: of smallpose, which installs what runs it.
    """

    create: Callable[[Path | None], PoseMethod]
    weights: PackageWeights
    skeleton: Skeleton
    input_wh: tuple[int, int]
    normalisation: str
    needs_boxes: bool
    extra: str

    @property
    def name(self) -> str:
        """Return its name in commands."""
        return self.weights.name
