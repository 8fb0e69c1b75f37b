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
