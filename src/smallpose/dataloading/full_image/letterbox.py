"""Letterboxing: fit a full image to the input size of a network, keep its shape, pad the rest."""

from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.dataloading.affine import compute_warp_matrix
from smallpose.dataloading.images import ImageArray

Floats = NDArray[np.float64]


class Letterbox(NamedTuple):
    """How an image of some size is fitted to a network.

    Args:
        center, scale: (2,) of the window that the network sees, image px.
        size_wh: of the network's input, px.
        matrix: (2, 3) from image to network px.
    """

    center: Floats
    scale: Floats
    size_wh: tuple[int, int]
    matrix: Floats


def compute_letterbox(
    image_wh: tuple[int, int],
    input_wh: tuple[int, int],
    size_divisor: int,
    mode: Literal["inside", "cover"],
) -> Letterbox:
    """Compute the window that shows a full image in its middle.

    Args:
        input_wh: nominal input size of the network.
        size_divisor: the sides of the input are multiples of this.
        mode: "inside" fits the image into `input_wh`; "cover" makes its short side as long as
            `input_wh`, and the input grows with the long side.
    """
    w, h = image_wh
    input_w, input_h = (-(-side // size_divisor) * size_divisor for side in input_wh)
    choose = min if mode == "inside" else max
    shown_w = choose(float(input_w), input_h * w / h)
    shown_h = choose(float(input_h), input_w * h / w)
    if mode == "cover":
        input_w = int(np.ceil(shown_w / size_divisor)) * size_divisor
        input_h = int(np.ceil(shown_h / size_divisor)) * size_divisor
    center = np.array([w / 2, h / 2])
    scale = np.array([w * input_w / shown_w, h * input_h / shown_h])
    size = (input_w, input_h)
    return Letterbox(center, scale, size, compute_warp_matrix(center, scale, size))


def apply_letterbox(image: ImageArray, letterbox: Letterbox, pad_value: int) -> ImageArray:
    """Warp an image to the network's input, (h, w, 3), padded with the grey level `pad_value`."""
    warped = cv2.warpAffine(
        image,
        letterbox.matrix,
        letterbox.size_wh,
        flags=cv2.INTER_LINEAR,
        borderValue=(pad_value, pad_value, pad_value),
    )
    return np.asarray(warped, np.uint8)
