"""Tell frames of one video by their labels: people of successive frames are near each other."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Instances

Floats = NDArray[np.float64]

MIN_FRAMES = 5  # with people; fewer tell nothing
MAX_FRAMES = 60  # that are looked at
MAX_PEOPLE = 20  # of a frame
MAX_P = 0.01  # of the order of the frames, by permutation
NUM_PERMUTATIONS = 400
MIN_STILL_IOU = 0.7  # of people who hardly move, whose frames have no order


def are_continuous(truth: Instances, images: Sequence[int]) -> bool:
    """Return whether the labelled boxes of images in this order are as those of a video.

    The mean IoU of each person with the nearest one in the next image is compared with that in the
    same images in random orders (one-sided, `MAX_P`); people who hardly move need no order.

    Args:
        images: rows of images, in the order of their numbers.
    """
    ious = _measure_overlaps(truth, images[:MAX_FRAMES])
    if ious is None:
        return False
    n = len(ious)
    order = np.arange(n)
    mean = _average_successive(ious, order)
    if mean >= MIN_STILL_IOU:
        return True
    rng = np.random.default_rng(0)
    drawn = np.array(
        [_average_successive(ious, rng.permutation(n)) for _ in range(NUM_PERMUTATIONS)]
    )
    return bool((1 + np.sum(drawn >= mean)) / (1 + NUM_PERMUTATIONS) <= MAX_P)


def _average_successive(ious: Floats, order: NDArray[np.intp]) -> float:
    return float(ious[order[:-1], order[1:]].mean())


def _measure_overlaps(truth: Instances, images: Sequence[int]) -> Floats | None:
    """Return (n, n) the mean IoU of the people of one image with the nearest of another.

    None where too few images have people.
    """
    rows_of = [
        rows[:MAX_PEOPLE]
        for image in images
        if len(rows := np.flatnonzero((truth.image_rows == image) & truth.is_counted))
    ]
    if len(rows_of) < MIN_FRAMES:
        return None
    starts = np.cumsum([0, *map(len, rows_of)])[:-1]
    boxes = truth.boxes_xywh[np.concatenate(rows_of)]
    nearest = np.maximum.reduceat(_measure_ious(boxes), starts, axis=1)
    sums = np.add.reduceat(nearest, starts, axis=0)
    return np.asarray(sums / np.array([len(rows) for rows in rows_of])[:, None])


def _measure_ious(boxes: Floats) -> Floats:
    """Return (n, n) the IoU of each box with each."""
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    size = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
    overlap = size.clip(min=0).prod(axis=2)
    area = boxes[:, 2:].prod(axis=1)
    return np.asarray(overlap / np.maximum(area[:, None] + area - overlap, 1e-9))
