"""Compare two poses of one image joint by joint, in units of the person's size."""

import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import box_area, box_around_keypoints
from smallpose.core.skeleton import SIGMAS, Skeleton

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

UNKNOWN_SIGMA = 0.079  # of joints that are none of the 21


def list_sigmas(skeleton: Skeleton) -> Floats:
    """Return (k,) OKS sigmas; joints without a known one get that of a shoulder."""
    if skeleton.custom_sigmas is not None:
        return np.array(skeleton.custom_sigmas)
    return np.array([SIGMAS.get(name, UNKNOWN_SIGMA) for name in skeleton.joints])


def measure_areas(keypoints: Floats, boxes_xywh: Floats) -> Floats:
    """Return (n,) px² of the larger of the box and the extent of the labelled joints."""
    extent = box_area(box_around_keypoints(keypoints))
    return np.asarray(np.fmax(np.fmax(box_area(boxes_xywh), extent), 1.0))


def measure_distances(first: Floats, second: Floats, areas: Floats, sigmas: Floats) -> Floats:
    """Return (p, k) d² / (2 (2 sigma)² area) of p pairs of poses, as in the exponent of OKS.

    Args:
        first, second: (p, k, 3) poses.
        areas: (p,) px².
        sigmas: (k,).
    """
    squared = ((first[:, :, :2] - second[:, :, :2]) ** 2).sum(axis=2)
    return np.asarray(squared / (2 * (2 * sigmas) ** 2 * areas[:, None]))


def list_pairs(first_images: Ints, second_images: Ints) -> tuple[Ints, Ints]:
    """List all pairs of a row of the first and a row of the second that share an image.

    Returns: (p,) rows of the first and (p,) rows of the second, ordered by the first.
    """
    order = np.argsort(second_images, kind="stable")
    sorted_images = second_images[order]
    start = np.searchsorted(sorted_images, first_images, side="left")
    count = np.searchsorted(sorted_images, first_images, side="right") - start
    first = np.repeat(np.arange(len(first_images)), count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return first, order[np.repeat(start, count) + within]
