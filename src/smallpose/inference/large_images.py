"""Predict people in images that are read in parts: tiles, crops, and the image reduced."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from smallpose.core.predictions import Predictions
from smallpose.dataloading.affine import PADDING
from smallpose.dataloading.images import ImageArray
from smallpose.dataloading.large_images import LargeImage, choose_factor
from smallpose.dataloading.top_down.crops import compute_clipped_windows, cut_windows
from smallpose.methods.full_image import Detections, FullImageMethod

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CROP_SIDE = 4096  # px; windows with a longer side are cut from the reduced image
_MARGIN = 4  # px around a window that interpolation looks at


def detect_in_reduced_image(
    method: FullImageMethod, image: LargeImage, flip_test: bool, batch_size: int
) -> Detections:
    """Detect the people of an image after reducing it, px of the image."""
    reduced, factor = image.reduce()
    detections = method.detect_in_images([reduced], flip_test, batch_size)[0]
    return detections._replace(
        keypoints=_enlarge(detections.keypoints, factor),
        boxes_xyxy=_enlarge(detections.boxes_xyxy, factor),
    )


def detect_in_windows(
    method: FullImageMethod,
    image: LargeImage,
    windows: Ints,
    flip_test: bool,
    batch_size: int,
) -> list[Detections]:
    """Detect the people in windows of an image, px of each window, in the order of the windows."""
    detections: dict[int, Detections] = {}
    for indices, tiles in _collect_batches(image.iterate_windows(windows), batch_size):
        parts = method.detect_in_images(tiles, flip_test, batch_size)
        detections.update(zip(indices, parts, strict=True))
    return [detections[index] for index in range(len(windows))]


def _collect_batches(
    tiles: Iterator[tuple[int, ImageArray]], batch_size: int
) -> Iterator[tuple[list[int], list[ImageArray]]]:
    indices: list[int] = []
    pixels: list[ImageArray] = []
    for index, tile in tiles:
        indices.append(index)
        pixels.append(tile)
        if len(pixels) == batch_size:
            yield indices, pixels
            indices = []
            pixels = []
    if pixels:
        yield indices, pixels


def cut_boxes_from_parts(
    image: LargeImage,
    boxes_xywh: Floats,
    input_wh: tuple[int, int],
    udp: bool = False,
    interpolation: str = "linear",
    padding: float = PADDING,
) -> tuple[NDArray[np.uint8], Floats, Floats]:
    """Cut the crops of boxes as `cut_boxes`, reading the image where they are.

    Windows with a side of more than `CROP_SIDE` are cut from the image reduced, whose pixels are
    still smaller than those of the crops.
    """
    center, scale = compute_clipped_windows(image.shape, boxes_xywh, input_wh, padding)
    w, h = input_wh
    crops = np.empty((len(center), h, w, 3), dtype=np.uint8)
    is_wide = scale.max(axis=1) > CROP_SIDE
    rows = np.flatnonzero(~is_wide)
    low = np.clip(np.floor(center - scale / 2).astype(np.int64) - _MARGIN, 0, None)
    high = np.ceil(center + scale / 2).astype(np.int64) + _MARGIN
    size_wh = np.array([image.width, image.height])
    low, high = np.minimum(low, size_wh - 1), np.clip(high, 1, size_wh)
    windows = np.concatenate([low, np.maximum(high - low, 1)], axis=1)[rows]
    for index, pixels in image.iterate_windows(windows):
        row = rows[index : index + 1]
        crops[row] = cut_windows(
            pixels, center[row] - low[row], scale[row], input_wh, udp, interpolation
        )
    wide = np.flatnonzero(is_wide)
    if len(wide):
        reduced, factor = image.reduce()
        shown = (center[wide] + 0.5) / factor - 0.5
        crops[wide] = cut_windows(
            reduced, shown, scale[wide] / factor, input_wh, udp, interpolation
        )
    return crops, center, scale


def reduce_with_predictions(
    image: LargeImage, predictions: Predictions
) -> tuple[ImageArray, Predictions]:
    """Return an image reduced for drawing, and the predictions in its px."""
    reduced, factor = image.reduce()
    keypoints = predictions.keypoints.copy()
    keypoints[:, :, :2] = (keypoints[:, :, :2] + 0.5) / factor - 0.5
    return reduced, replace(predictions, keypoints=keypoints)


def describe_reduction(image: LargeImage) -> str:
    """Return by how much an image is reduced to be seen in full, for a message."""
    factor = choose_factor(image.width, image.height, CROP_SIDE)
    return f"{image.width:,} × {image.height:,} px are reduced by {factor}"


def _enlarge(points: Tensor, factor: int) -> Tensor:
    return (points + 0.5) * factor - 0.5
