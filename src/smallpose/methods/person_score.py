"""How sure a method is of a person: rules that make one score of a box's and its keypoints'.

The rule decides the order in which people are matched, and with it the AP; so it has a name.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def box_times_confident_mean(box_scores: Floats, keypoint_scores: Floats) -> Floats:
    """Box score × mean of the keypoint scores above 0.2; 0 where none is (MMPose, heatmaps)."""
    sure = keypoint_scores > 0.2
    total = np.where(sure, keypoint_scores, 0.0).sum(axis=1)
    mean: Floats = total / np.maximum(sure.sum(axis=1), 1)
    return box_scores * mean


def box_times_mean(box_scores: Floats, keypoint_scores: Floats) -> Floats:
    """Box score × mean of all keypoint scores."""
    mean: Floats = keypoint_scores.mean(axis=1)
    return box_scores * mean


def box_plus_mean_plus_best(box_scores: Floats, keypoint_scores: Floats) -> Floats:
    """Box score + mean + largest keypoint score (MMPose, RLE)."""
    total: Floats = box_scores + keypoint_scores.mean(axis=1) + keypoint_scores.max(axis=1)
    return total


def box_alone(box_scores: Floats, keypoint_scores: Floats) -> Floats:
    """The box's score; says nothing about the keypoints."""
    return box_scores.copy()


SCORE_RULES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "box_times_confident_mean": box_times_confident_mean,
    "box_times_mean": box_times_mean,
    "box_plus_mean_plus_best": box_plus_mean_plus_best,
    "box": box_alone,
}
