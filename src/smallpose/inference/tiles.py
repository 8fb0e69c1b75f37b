"""Detect people in overlapping tiles of a large image, so that small people are seen larger.

A network sees an image at its own input size: of 3840 px reduced to 640, a person 48 px tall has 8
left. So the image is cut into overlapping tiles, and processed in full as well. People smaller
than the overlap are complete in some tile; people cut by a tile's border are left to the views that
show them complete, and detections of one person in several views are merged by OKS.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from smallpose.dataloading.images import ImageArray
from smallpose.dataloading.large_images import LargeImage
from smallpose.inference.large_images import detect_in_reduced_image, detect_in_windows
from smallpose.methods.full_image import Detections, FullImageMethod
from smallpose.models.codecs.nms import oks_nms

Ints = NDArray[np.int64]

OKS_THRESHOLD = 0.7  # of one person in two views, which differ more than peaks of one heatmap
EDGE = 0.01  # share of a tile's side within which a box is taken to be cut by its border


def compute_tile_windows(image_wh: tuple[int, int], side: int, overlap: int) -> Ints:
    """Return (m, 4) x, y, width, height of tiles that cover the image, px.

    The tiles of an image have the same size, do not leave the image, and are spaced evenly:
    neighbours share at least `overlap` px. An image that is a single tile has none.
    """
    tile_wh = [min(side, length) for length in image_wh]
    starts = []
    for length, tile in zip(image_wh, tile_wh, strict=True):
        step = max(tile - overlap, 1)
        count = 1 + max(-(-(length - tile) // step), 0)
        starts.append(np.round(np.linspace(0, length - tile, count)).astype(np.int64))
    x, y = np.meshgrid(*starts)
    if x.size == 1:
        return np.zeros((0, 4), dtype=np.int64)
    size = np.broadcast_to(np.array(tile_wh), (x.size, 2))
    return np.concatenate([np.stack([x.ravel(), y.ravel()], axis=1), size], axis=1)


def detect_in_tiles(
    method: FullImageMethod,
    image: ImageArray | LargeImage,
    flip_test: bool,
    batch_size: int,
    side: int,
    overlap: int,
) -> Detections:
    """Detect the people of one image, px of the image, in its tiles and in the full image.

    Args:
        image: (h, w, 3) uint8 RGB, or an image that is read in parts.
        side, overlap: of the tiles, px of the image.
    """
    image_wh = (image.shape[1], image.shape[0])
    windows = compute_tile_windows(image_wh, side, overlap)
    if isinstance(image, LargeImage):
        in_tiles = detect_in_windows(method, image, windows, flip_test, batch_size)
        in_full_image = detect_in_reduced_image(method, image, flip_test, batch_size)
    else:
        tiles = [image[y : y + h, x : x + w] for x, y, w, h in windows.tolist()]
        *in_tiles, in_full_image = method.detect_in_images([*tiles, image], flip_test, batch_size)
    if not len(windows):
        return in_full_image
    parts = [
        _drop_cut_people(_shift_to_image(detections, window), window, image_wh)
        for detections, window in zip(in_tiles, windows, strict=True)
    ]
    sigmas = method.skeleton.sigmas
    return _merge_views(parts, in_full_image, sigmas, overlap, method.max_people)


def _shift_to_image(detections: Detections, window: Ints) -> Detections:
    """Shift detections from px of a tile to px of the image."""
    corner = torch.from_numpy(window[:2].astype(np.float64))
    return detections._replace(
        keypoints=detections.keypoints + corner,
        boxes_xyxy=detections.boxes_xyxy + corner.repeat(2),
    )


def _drop_cut_people(detections: Detections, window: Ints, image_wh: tuple[int, int]) -> Detections:
    """Drop people whose box reaches a border of the tile that is no border of the image."""
    x, y, w, h = window.tolist()
    low = detections.boxes_xyxy[:, :2] < torch.tensor([x + EDGE * w, y + EDGE * h])
    high = detections.boxes_xyxy[:, 2:] > torch.tensor([x + w - EDGE * w, y + h - EDGE * h])
    low &= torch.tensor([x > 0, y > 0])
    high &= torch.tensor([x + w < image_wh[0], y + h < image_wh[1]])
    return _take_rows(detections, ~(low | high).any(dim=1))


def _merge_views(
    tiles: Sequence[Detections],
    full_image: Detections,
    sigmas: NDArray[np.float64],
    overlap: int,
    max_people: int | None,
) -> Detections:
    """Merge the detections of all views into one per person.

    People smaller than the overlap are preferably taken from a tile, which shows them larger; the
    others from the view with the highest score.
    """
    columns = zip(*tiles, full_image, strict=True)
    merged = Detections(*(torch.cat(column) for column in columns))
    sides = merged.boxes_xyxy[:, 2:] - merged.boxes_xyxy[:, :2]
    is_in_tile = torch.arange(len(sides)) < len(sides) - len(full_image.scores)
    is_preferred = is_in_tile & (sides.amax(dim=1) <= overlap)
    bonus = merged.scores.abs().max() + 1 if len(sides) else 1
    rank = merged.scores + is_preferred * bonus
    points = merged.keypoints.numpy()
    area = np.ptp(points, axis=1).prod(axis=1) if len(points) else np.zeros(0)
    kept = oks_nms(points, rank.numpy(), area, sigmas, OKS_THRESHOLD)
    kept = kept[np.argsort(-merged.scores.numpy()[kept], kind="stable")][:max_people]
    return _take_rows(merged, torch.from_numpy(kept))


def _take_rows(detections: Detections, rows: torch.Tensor) -> Detections:
    return Detections(*(column[rows] for column in detections))
