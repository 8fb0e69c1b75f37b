"""How heatmap methods place the peaks of their training targets, and how they read the maps.

Published methods round peaks to whole pixels of a map with a quarter of the crop's resolution, and
read a maximum with a quarter shift. That is the default; for a small person, whose crop is
enlarged, half a pixel of the map can be a large part of a limb.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from smallpose.core.errors import InputError
from smallpose.models.codecs.dark import (
    choose_blur_kernel,
    decode_dark_heatmaps,
    encode_exact_heatmaps,
)
from smallpose.models.codecs.heatmap import (
    STRIDE,
    decode_heatmaps,
    encode_heatmaps,
    flip_back_heatmaps,
)

TARGETS = ("rounded", "unbiased", "half-pixel")
DECODINGS = ("quarter", "dark")
# Crop px of the centre of the 4 × 4 px that the first pixel of a map covers.
HALF_PIXEL_OFFSET = (STRIDE - 1) / 2


@dataclass(frozen=True, kw_only=True)
class HeatmapCoding:
    """How keypoints become heatmaps and heatmaps keypoints.

    Args:
        targets: "rounded" (MMPose's: pixel i of a map is at 4 i of the crop, and peaks are on whole
            pixels), "unbiased" (the same grid, peaks anywhere) or "half-pixel" (pixel i is in the
            middle of the four px that it covers, at 4 i + 1.5, and peaks are anywhere). The last is
            symmetric: mirrored crops have mirrored maps.
        decoding: "quarter" (a quarter of a pixel towards the larger neighbour) or "dark" (a Newton
            step); "" is the one that suits the targets.

    Raises: InputError for other targets or another decoding.
    """

    targets: str = "rounded"
    decoding: str = ""

    def __post_init__(self) -> None:
        for flag, value, names in (
            ("--heatmap-targets", self.targets, TARGETS),
            ("--heatmap-decoding", self.decoding or DECODINGS[0], DECODINGS),
        ):
            if value not in names:
                raise InputError(f"{flag} {value}", "is unknown", f"use {', '.join(names)}")
        if not self.decoding:
            suited = "quarter" if self.targets == "rounded" else "dark"
            object.__setattr__(self, "decoding", suited)

    def to_dict(self) -> dict[str, Any]:
        """Return the coding for JSON."""
        return asdict(self)

    @staticmethod
    def from_dict(record: Mapping[str, Any] | None) -> "HeatmapCoding":
        """Restore what `to_dict` returned; the published coding for weights that record none."""
        return HeatmapCoding(**(record or {}))

    @property
    def offset_px(self) -> float:
        """Return where the first pixel of a map lies, crop px on both axes."""
        return HALF_PIXEL_OFFSET if self.targets == "half-pixel" else 0.0

    def encode(
        self, keypoints: Tensor, visible: Tensor, map_wh: tuple[int, int], sigma: float
    ) -> tuple[Tensor, Tensor]:
        """Encode (b, k, 2) keypoints in crop px as maps and loss weights, as `encode_heatmaps`."""
        if self.targets == "rounded":
            return encode_heatmaps(keypoints, visible, map_wh, sigma)
        points = (keypoints.float() - self.offset_px) / STRIDE
        return encode_exact_heatmaps(points, visible, map_wh, sigma)

    def decode(self, heatmaps: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        """Decode (b, k, h, w) maps to (b, k, 2) keypoints in crop px and (b, k) scores."""
        if self.decoding == "quarter":
            points, scores = decode_heatmaps(heatmaps)
        else:
            points, scores = decode_dark_heatmaps(heatmaps, choose_blur_kernel(sigma))
            points = points * STRIDE
        return points + torch.full_like(points, self.offset_px), scores

    def flip_back(self, heatmaps: Tensor, flip_indices: Tensor) -> Tensor:
        """Flip the maps of mirrored crops back; the symmetric grid needs no shift."""
        is_shifted = self.targets != "half-pixel"
        return flip_back_heatmaps(heatmaps, flip_indices, shift=is_shifted)
