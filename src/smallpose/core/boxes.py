"""Compute with boxes: conversion, area, clipping, boxes around keypoints, overlap. All in px."""

from functools import reduce

import numpy as np
from numpy.typing import NDArray

from smallpose.core import record_words

Array = NDArray[np.float64]

BOX_RULES = record_words.BOX_RULES

# Files may have numbers up to 1e308, whose sums and products are infinite.
_ALLOW_INFINITE = np.errstate(over="ignore", invalid="ignore")


@_ALLOW_INFINITE
def to_xyxy(boxes_xywh: Array) -> Array:
    """Convert (n, 4) boxes from corner and size to two corners."""
    return np.concatenate([boxes_xywh[:, :2], boxes_xywh[:, :2] + boxes_xywh[:, 2:]], axis=1)


@_ALLOW_INFINITE
def to_xywh(boxes_xyxy: Array) -> Array:
    """Convert (n, 4) boxes from two corners to corner and size."""
    return np.concatenate([boxes_xyxy[:, :2], boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]], axis=1)


@_ALLOW_INFINITE
def box_area(boxes_xywh: Array) -> Array:
    """Return (n,) width × height, px²: the area that decides a person's size class (Sec. 3.1)."""
    area: Array = boxes_xywh[:, 2] * boxes_xywh[:, 3]
    return area


def clip_boxes(boxes_xywh: Array, width: Array, height: Array) -> Array:
    """Clip (n, 4) boxes to [0, width] × [0, height]; a box outside gets size 0.

    Args:
        width, height: (n,) of each box's image; where one is 0 (unknown), the box stays as it is.
    """
    corners = to_xyxy(boxes_xywh)
    limits = np.stack([width, height, width, height], axis=1)
    clipped = to_xywh(np.clip(corners, 0.0, np.maximum(limits, 0.0)))
    has_limits = np.asarray((limits > 0).all(axis=1))
    # A box inside keeps its own numbers to the last bit: x + w - x is not always w.
    is_inside = np.asarray(((corners >= 0) & (corners <= limits)).all(axis=1))
    return np.where((has_limits & ~is_inside)[:, None], clipped, boxes_xywh)


@_ALLOW_INFINITE
def box_around_keypoints(keypoints: Array) -> Array:
    """Return (n, 4) xywh boxes around the keypoints with v > 0 of (n, k, 3); NaN without any."""
    is_labelled = keypoints[:, :, 2:] > 0
    # Joint by joint: NumPy takes twice as long to reduce the axis in the middle.
    points = np.where(is_labelled, keypoints[:, :, :2], np.inf)
    low = reduce(np.minimum, points.swapaxes(0, 1))
    points = np.where(is_labelled, keypoints[:, :, :2], -np.inf)
    high = reduce(np.maximum, points.swapaxes(0, 1))
    boxes = np.concatenate([low, high - low], axis=1)
    boxes[~is_labelled.any(axis=(1, 2))] = np.nan
    return boxes


def scale_boxes(boxes_xywh: Array, factor: float) -> Array:
    """Multiply both sides of (n, 4) boxes by `factor`, about the same centre."""
    size = boxes_xywh[:, 2:] * factor
    corner = boxes_xywh[:, :2] - (size - boxes_xywh[:, 2:]) / 2
    return np.concatenate([corner, size], axis=1)


def enclose_boxes(first_xywh: Array, second_xywh: Array) -> Array:
    """Return (n, 4) the smallest boxes around both; where one is NaN, the other."""
    first, second = to_xyxy(first_xywh), to_xyxy(second_xywh)
    low = np.fmin(first[:, :2], second[:, :2])
    high = np.fmax(first[:, 2:], second[:, 2:])
    return np.concatenate([low, high - low], axis=1)


def box_iou(first_xywh: Array, second_xywh: Array) -> Array:
    """Return the (a, b) intersection over union of (a, 4) and (b, 4) boxes."""
    first, second = to_xyxy(first_xywh)[:, None], to_xyxy(second_xywh)[None]
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., 2:], second[..., 2:])
    sides = np.clip(high - low, 0, None)
    intersection = sides[..., 0] * sides[..., 1]
    union = box_area(first_xywh)[:, None] + box_area(second_xywh)[None] - intersection
    iou: Array = np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)
    return iou
