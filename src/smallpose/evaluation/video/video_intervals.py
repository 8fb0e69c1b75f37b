"""Intervals of numbers whose videos were resampled."""

import numpy as np

from smallpose.core.interval import Interval
from smallpose.evaluation.matching.arrays import Floats
from smallpose.evaluation.scoring.bootstrap import (
    MIN_CLUSTERS,
    compute_difference_interval,
    compute_interval,
)


def interval_of_share(value: float, drawn: Floats, num_videos: int) -> float | Interval | None:
    """Return a share with its interval; alone where there is none, None where it is unknown."""
    if not np.isfinite(value):
        return None
    if not len(drawn) or num_videos < MIN_CLUSTERS:
        return value
    return compute_interval(value, drawn, num_videos) or value


def interval_of_difference(value: float, drawn: Floats, num_videos: int) -> float | Interval | None:
    """Return a number of any sign with its interval, as `interval_of_share`."""
    if not np.isfinite(value):
        return None
    if not len(drawn) or num_videos < MIN_CLUSTERS:
        return value
    return compute_difference_interval(value, drawn, num_videos) or value


def interval_of_size(value: float, drawn: Floats, num_videos: int) -> float | Interval:
    """Return a number above 0, such as px, with its interval on the logarithmic scale.

    Videos differ in such numbers by factors: on the scale of the number itself, intervals over ten
    videos contain the true number in 90 to 92 % of sets. Where a resample is 0, as of labels that
    do not move, there is no logarithm, and the scale is that of the number.
    """
    if not len(drawn) or num_videos < MIN_CLUSTERS:
        return value
    known = drawn[np.isfinite(drawn)]
    if value <= 0 or (known <= 0).any():
        return compute_difference_interval(value, drawn, num_videos) or value
    scaled = compute_difference_interval(float(np.log(value)), np.log(drawn), num_videos)
    if scaled is None:
        return value
    low, high = float(np.exp(scaled.low)), float(np.exp(scaled.high))
    return Interval(value, min(low, value), max(high, value))
