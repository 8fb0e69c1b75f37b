"""Estimate a mean or a variance over images with its interval, for images clustered in videos.

Nothing is resampled: the influence of each cluster on the estimate is summed (the sandwich
estimator of robust statistics), which takes milliseconds for any number of images.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smallpose.core.interval import Interval
from smallpose.core.student_t import compute_t_quantile

Floats = NDArray[np.float64]
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate(Interval):
    """A number with its 95 % interval, and how many values it was computed from.

    Args:
        n: number of values.
    """

    n: int = 0

    def to_dict(self) -> dict[str, float | int | None]:
        """Return plain numbers; None for what is unknown."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        return {k: v if math.isfinite(v) else None for k, v in numbers.items()} | {"n": self.n}


def estimate_mean(
    values: ArrayLike, groups: Sequence[str] | NDArray[np.intp] | None = None
) -> Estimate:
    """Estimate the mean of values.

    Args:
        values: (n,); values that are not finite are left out.
        groups: (n,) values of one group are correlated; "" is a group of its own. Without groups,
            all values are independent.
    Returns: the mean; its ends are NaN where there are not two groups.
    """
    x, cluster = _select_finite(values, groups)
    if not len(x):
        return Estimate(math.nan)
    return _estimate_interval(float(x.mean()), x - x.mean(), cluster)


def estimate_variance(
    values: ArrayLike, groups: Sequence[str] | NDArray[np.intp] | None = None
) -> Estimate:
    """Estimate the variance of values, with n − 1 below; otherwise as `estimate_mean`.

    The lower end is never below 0, because no variance is.
    """
    x, cluster = _select_finite(values, groups)
    if len(x) < 2:
        return Estimate(math.nan, n=len(x))
    squares = (x - x.mean()) ** 2
    estimate = _estimate_interval(float(x.var(ddof=1)), squares - squares.mean(), cluster)
    return replace(estimate, low=max(estimate.low, 0.0)) if estimate.has_ends else estimate


def estimate_from_error(mean: float | None, error: float | None, n: int) -> Estimate:
    """Return the interval of a mean of n independent values, from its standard error."""
    if mean is None or error is None:
        return Estimate(math.nan if mean is None else mean, n=n)
    half_width = _compute_half_width(error, n)
    return Estimate(mean, mean - half_width, mean + half_width, n)


def _estimate_interval(value: float, influence: Floats, cluster: NDArray[np.intp]) -> Estimate:
    n = len(influence)
    num_clusters = int(cluster.max(initial=-1)) + 1
    if num_clusters < 2:
        return Estimate(value, n=n)
    sums = np.bincount(cluster, influence, num_clusters)
    error = float(np.sqrt((sums**2).sum() * num_clusters / (num_clusters - 1))) / n
    half_width = _compute_half_width(error, num_clusters)
    return Estimate(value, value - half_width, value + half_width, n)


def _compute_half_width(error: float, num_clusters: int) -> float:
    return compute_t_quantile(LEVEL, num_clusters - 1) * error


def _select_finite(
    values: ArrayLike, groups: Sequence[str] | NDArray[np.intp] | None
) -> tuple[Floats, NDArray[np.intp]]:
    x = np.asarray(values, dtype=np.float64)
    is_finite = np.isfinite(x)
    cluster = _number_clusters(groups, len(x))[is_finite]
    return x[is_finite], np.unique(cluster, return_inverse=True)[1].astype(np.intp)


def _number_clusters(groups: Sequence[str] | NDArray[np.intp] | None, n: int) -> NDArray[np.intp]:
    if groups is None:
        return np.arange(n)
    if isinstance(groups, np.ndarray):
        return groups
    numbers: dict[object, int] = {}
    keys = (group or row for row, group in enumerate(groups))
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.intp)
