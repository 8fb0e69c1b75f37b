"""How crops are enlarged: which interpolation, and how many px the network gets.

A small person's crop has many more pixels than the person has in the image. Published methods fill
them bilinearly, which is the default.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from smallpose.core.errors import InputError

INTERPOLATIONS = ("linear", "cubic")


@dataclass(frozen=True, kw_only=True)
class CropOptions:
    """How crops of people are cut for a top-down method.

    Args:
        interpolation: "linear" (MMPose's) or "cubic".
        zoom: factor of both sides of the crop, and so of what the network gets; at least 1.

    Raises: InputError for another interpolation, or a zoom below 1.
    """

    interpolation: str = "linear"
    zoom: int = 1

    def __post_init__(self) -> None:
        if self.interpolation not in INTERPOLATIONS:
            raise InputError(
                f"--crop-interpolation {self.interpolation}",
                "no such interpolation",
                f"use {' or '.join(INTERPOLATIONS)}",
            )
        if self.zoom < 1:
            raise InputError(f"--zoom {self.zoom}", "is below 1", "use 1, 2 or more")

    def to_dict(self) -> dict[str, Any]:
        """Return the options for JSON."""
        return asdict(self)

    @staticmethod
    def from_dict(record: Mapping[str, Any] | None) -> "CropOptions":
        """Restore what `to_dict` returned; the defaults for weights that record none."""
        return CropOptions(**(record or {}))

    def override(self, interpolation: str = "", zoom: int = 0) -> "CropOptions":
        """Return these options with those that are given ("" and 0 are not) in their place."""
        return CropOptions(
            interpolation=interpolation or self.interpolation, zoom=zoom or self.zoom
        )
