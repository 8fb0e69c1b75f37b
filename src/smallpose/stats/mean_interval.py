"""How sure a mean or a variance over images is, where images of one video resemble each other.

No draws: the influence of each cluster on the number is added up (the sandwich of robust
statistics), which takes milliseconds for any number of images.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smallpose.core.interval import Interval

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
        """Plain numbers; None for what is not known."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        return {k: v if np.isfinite(v) else None for k, v in numbers.items()} | {"n": self.n}


def estimate_mean(
    values: ArrayLike, groups: Sequence[str] | NDArray[np.intp] | None = None
) -> Estimate:
    """The mean of values with its interval.

    Args:
        values: (n,); those that are not finite are left out.
        groups: (n,) whose values resemble each other; "" stands alone. Without, all stand alone.
    """
    x, cluster = _select_finite(values, groups)
    if not len(x):
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    return _estimate_interval(float(x.mean()), x - x.mean(), cluster)


def estimate_variance(
    values: ArrayLike, groups: Sequence[str] | NDArray[np.intp] | None = None
) -> Estimate:
    """The variance (n − 1 below) of values with its interval; as `mean_of`."""
    x, cluster = _select_finite(values, groups)
    if len(x) < 2:
        return Estimate(float("nan"), float("nan"), float("nan"), len(x))
    squares = (x - x.mean()) ** 2
    return _estimate_interval(float(x.var(ddof=1)), squares - squares.mean(), cluster)


def _estimate_interval(value: float, influence: Floats, cluster: NDArray[np.intp]) -> Estimate:
    n, clusters = len(influence), int(cluster.max(initial=-1)) + 1
    if clusters < 2:
        return Estimate(value, float("nan"), float("nan"), n)
    sums = np.bincount(cluster, influence, clusters)
    error = float(np.sqrt((sums**2).sum() * clusters / (clusters - 1))) / n
    reach = _compute_half_width(error, clusters)
    return Estimate(value, value - reach, value + reach, n)


def _compute_half_width(error: float, clusters: int) -> float:
    from scipy.special import stdtrit  # only here: loading it takes longer than a small file

    return -float(stdtrit(clusters - 1, (1 - LEVEL) / 2)) * error


def estimate_from_error(mean: float | None, error: float | None, n: int) -> Estimate:
    """The interval of a mean of n values that stand alone, from its standard error."""
    nan = float("nan")
    if mean is None or error is None:
        return Estimate(nan if mean is None else mean, nan, nan, n)
    reach = _compute_half_width(error, n)
    return Estimate(mean, mean - reach, mean + reach, n)


def _select_finite(
    values: ArrayLike, groups: Sequence[str] | NDArray[np.intp] | None
) -> tuple[Floats, NDArray[np.intp]]:
    x = np.asarray(values, dtype=np.float64)
    there = np.isfinite(x)
    cluster = _number_clusters(groups, len(x))[there]
    return x[there], np.unique(cluster, return_inverse=True)[1].astype(np.intp)


def _number_clusters(groups: Sequence[str] | NDArray[np.intp] | None, n: int) -> NDArray[np.intp]:
    if groups is None:
        return np.arange(n)
    if isinstance(groups, np.ndarray):
        return groups
    seen: dict[object, int] = {}
    keys = (group or row for row, group in enumerate(groups))
    return np.array([seen.setdefault(key, len(seen)) for key in keys], dtype=np.intp)
