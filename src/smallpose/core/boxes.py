"""Boxes: xywh and xyxy, area, clipping, extent of keypoints, overlap. All in px, floats."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# How a box came about; written into every annotation, because "small" depends on it.
BOX_RULES = ("", "mask", "drawn", "extent130", "extent_head130")


def to_xyxy(boxes_xywh: Array) -> Array:
    """(n, 4) corner and size to (n, 4) two corners."""
    return np.concatenate([boxes_xywh[:, :2], boxes_xywh[:, :2] + boxes_xywh[:, 2:]], axis=1)


def to_xywh(boxes_xyxy: Array) -> Array:
    """(n, 4) two corners to (n, 4) corner and size."""
    return np.concatenate([boxes_xyxy[:, :2], boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]], axis=1)


def box_area(boxes_xywh: Array) -> Array:
    """(n,) width × height, px²; the area that decides a person's size class (Sec. 3.1)."""
    area: Array = boxes_xywh[:, 2] * boxes_xywh[:, 3]
    return area


def clip_boxes(boxes_xywh: Array, width: Array, height: Array) -> Array:
    """Cut (n, 4) boxes to [0, width] × [0, height]; a box outside is left with size 0.

    Args:
        width, height: (n,) of each box's image; 0 where unknown, and such a box is left as it is.
    """
    corners = to_xyxy(boxes_xywh)
    limits = np.stack([width, height, width, height], axis=1)
    clipped = to_xywh(np.clip(corners, 0.0, np.maximum(limits, 0.0)))
    known = np.asarray((limits > 0).all(axis=1))
    # A box that lies inside keeps its own numbers to the last bit: x + w - x is not always w.
    inside = np.asarray(((corners >= 0) & (corners <= limits)).all(axis=1))
    return np.where((known & ~inside)[:, None], clipped, boxes_xywh)


def extent(keypoints: Array) -> Array:
    """(n, k, 3) keypoints to (n, 4) xywh boxes around those with v > 0; NaN without any."""
    seen = keypoints[:, :, 2:] > 0
    low = np.where(seen, keypoints[:, :, :2], np.inf).min(axis=1)
    high = np.where(seen, keypoints[:, :, :2], -np.inf).max(axis=1)
    box = np.concatenate([low, high - low], axis=1)
    box[~seen.any(axis=(1, 2))] = np.nan
    return box


def grow(boxes_xywh: Array, factor: float) -> Array:
    """(n, 4) boxes with both sides `factor` times as long, about the same centre."""
    size = boxes_xywh[:, 2:] * factor
    corner = boxes_xywh[:, :2] - (size - boxes_xywh[:, 2:]) / 2
    return np.concatenate([corner, size], axis=1)


def union(first_xywh: Array, second_xywh: Array) -> Array:
    """(n, 4) smallest boxes around both; a NaN box leaves the other one as it is."""
    a, b = to_xyxy(first_xywh), to_xyxy(second_xywh)
    low, high = np.fmin(a[:, :2], b[:, :2]), np.fmax(a[:, 2:], b[:, 2:])
    return np.concatenate([low, high - low], axis=1)


def box_iou(first_xywh: Array, second_xywh: Array) -> Array:
    """(a, 4) and (b, 4) boxes to their (a, b) intersection over union."""
    a, b = to_xyxy(first_xywh)[:, None], to_xyxy(second_xywh)[None]
    sides = np.clip(
        np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None
    )
    shared = sides[..., 0] * sides[..., 1]
    total = box_area(first_xywh)[:, None] + box_area(second_xywh)[None] - shared
    iou: Array = np.divide(shared, total, out=np.zeros_like(shared), where=total > 0)
    return iou
