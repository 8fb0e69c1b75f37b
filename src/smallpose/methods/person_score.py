"""Rules that make a person's score from the scores of their box and keypoints.

The rule determines the order in which people are matched, and with it the AP; so it has a name.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CONFIDENT = 0.2  # keypoint score


def box_times_confident_mean(box_scores: Floats, keypoint_scores: Floats) -> Floats:
    """Multiply the box score by the mean of the confident keypoint scores (MMPose, heatmaps).

    The mean is 0 where no keypoint is confident.
    """
    is_confident = keypoint_scores > CONFIDENT
    total = np.where(is_confident, keypoint_scores, 0.0).sum(axis=1)
    mean: Floats = total / np.maximum(is_confident.sum(axis=1), 1)
    return box_scores * mean


def box_times_mean(box_scores: Floats, keypoint_scores: Floats) -> Floats:
    """Multiply the box score by the mean of all keypoint scores."""
    mean: Floats = keypoint_scores.mean(axis=1)
    return box_scores * mean


def box_plus_mean_plus_best(box_scores: Floats, keypoint_scores: Floats) -> Floats:
    """Add the box score, the mean and the maximum of the keypoint scores (MMPose, RLE)."""
    total: Floats = box_scores + keypoint_scores.mean(axis=1) + keypoint_scores.max(axis=1)
    return total


def box_alone(box_scores: Floats, keypoint_scores: Floats) -> Floats:
    """Return the box scores, which ignore the keypoints."""
    return box_scores.copy()


SCORE_RULES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "box_times_confident_mean": box_times_confident_mean,
    "box_times_mean": box_times_mean,
    "box_plus_mean_plus_best": box_plus_mean_plus_best,
    "box": box_alone,
}
