"""Augmentation of pixels alone: colours, blur, and a rectangle that hides a part of the image."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.dataloading.augmentation import Augmentation
from smallpose.dataloading.images import ImageArray

_BLUR_PX = (3, 5, 7)
_ERASED_SIDE = (0.2, 0.4)  # minimum and maximum, as shares of the crop's sides


@dataclass(frozen=True, kw_only=True)
class PixelAugmentation(Augmentation):
    """Augmentation of crops that changes their pixels too, and is milder in the last epochs.

    The defaults are those of RTMPose in MMPose.

    Args:
        hsv: maximum change of hue (of 180), saturation and value (of 255).
        blur: probability of a box blur, and again of a median blur.
        erase: probability of blackening a rectangle whose sides are a fifth to two fifths of the
            crop's.
        closing: epochs at the end in which the values that follow take the place of `shift`,
            `scale`, `rotate_deg` and `erase`.
    """

    scale: float = 0.4
    hsv: tuple[int, int, int] = (5, 30, 30)
    blur: float = 0.1
    erase: float = 1.0
    closing: int = 30
    closing_shift: float = 0.0
    closing_scale: float = 0.25
    closing_rotate_deg: float = 60.0
    closing_erase: float = 0.5

    def to_closing(self) -> "PixelAugmentation":
        """Return the augmentation of the closing epochs."""
        return replace(
            self,
            shift=self.closing_shift,
            scale=self.closing_scale,
            rotate_deg=self.closing_rotate_deg,
            erase=self.closing_erase,
        )


def change_pixels(
    crop: NDArray[np.uint8], augmentation: PixelAugmentation, rng: np.random.Generator
) -> None:
    """Change the pixels of an (h, w, 3) RGB crop in place, in the order of MMPose's recipe."""
    crop[...] = jitter_hsv(crop, augmentation.hsv, rng)
    chances, sizes = rng.random(3), rng.choice(_BLUR_PX, 2)
    draw = rng.random(4)
    if chances[0] < augmentation.blur:
        crop[...] = cv2.blur(crop, (int(sizes[0]), int(sizes[0])))
    if chances[1] < augmentation.blur:
        crop[...] = cv2.medianBlur(crop, int(sizes[1]))
    if chances[2] < augmentation.erase:
        _erase_rectangle(crop, draw)


def _erase_rectangle(crop: NDArray[np.uint8], draw: NDArray[np.float64]) -> None:
    """Blacken a rectangle.

    Args:
        draw: (4,) height, width, top and left, each as a share of what is possible.
    """
    spans = []
    for side, size_draw, start_draw in zip(crop.shape[:2], draw[:2], draw[2:], strict=True):
        low, high = (int(share * side) for share in _ERASED_SIDE)
        size = low + int(size_draw * (high - low + 1))
        start = int(start_draw * (side - size + 1))
        spans.append(slice(start, start + size))
    crop[spans[0], spans[1]] = 0


def jitter_hsv(
    image: ImageArray, max_change: tuple[int, int, int], rng: np.random.Generator
) -> ImageArray:
    """Change hue, saturation and value, each with probability 1/2."""
    change = rng.uniform(-1, 1, 3) * max_change * (rng.random(3) < 0.5)
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV).astype(np.int16) + change.astype(np.int16)
    hsv[..., 0] %= 180
    np.clip(hsv[..., 1:], 0, 255, out=hsv[..., 1:])
    return np.asarray(cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB), np.uint8)
