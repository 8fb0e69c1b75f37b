"""Intervals of bias, limits of agreement and shares by a bootstrap over images or videos.

All of them follow from sums per image, so that a resample is a product with its weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from smallpose.core.interval import Interval
from smallpose.evaluation.matching.arrays import Floats, Ints, Mask
from smallpose.evaluation.measures.agreement import Z95
from smallpose.evaluation.scoring.bootstrap import (
    MIN_CLUSTERS,
    compute_difference_interval,
    compute_interval,
    count_clusters,
    draw_weights,
    index_clusters,
)


@dataclass(frozen=True)
class ReadingSums:
    """Sums over the readings of each image that has any.

    Args:
        images: (i,) index of these images, among all.
        sums: (i, c, 5) of each class: count, errors, squared errors, their sizes, large errors.
    """

    images: Ints
    sums: Floats

    @staticmethod
    def collect(image: Ints, error: Floats, is_large: Mask, classes: Mask) -> "ReadingSums":
        """Collect the sums of (r,) readings; `classes` (c, r) is their membership."""
        images, index = np.unique(image, return_inverse=True)
        terms = np.stack([np.ones(len(error)), error, error**2, np.abs(error), is_large], axis=1)
        sums = np.zeros((len(images), len(classes), terms.shape[1]))
        for c, is_member in enumerate(classes):
            np.add.at(sums[:, c], index[is_member], terms[is_member])
        return ReadingSums(images, sums)


def compute_measure_intervals(
    sums: ReadingSums, groups: Sequence[str], num_resamples: int, seed: int
) -> list[dict[str, Interval | None]]:
    """Compute the 95 % intervals of each class, by name of the number.

    Args:
        groups: (m,) of all images, the clusters that are resampled.
    Returns: None for a number whose class is in fewer than `MIN_CLUSTERS` clusters, or that cannot
        be told in too many resamples.
    """
    parts = [
        np.tensordot(weights[:, sums.images].astype(np.float64), sums.sums, axes=1)
        for weights in draw_weights(groups, num_resamples, seed)
    ]
    num_classes = sums.sums.shape[1]
    drawn = np.concatenate(parts) if parts else np.zeros((0, num_classes, 5))
    cluster = index_clusters(groups)
    total = count_clusters(groups)
    intervals: list[dict[str, Interval | None]] = []
    for c in range(num_classes):
        values = _derive_numbers(sums.sums[:, c].sum(axis=0)[None])
        resamples = _derive_numbers(drawn[:, c])
        num_clusters = len(np.unique(cluster[sums.images[sums.sums[:, c, 0] > 0]]))
        intervals.append(
            {
                name: _compute_one(name, float(values[name][0]), resamples[name], total)
                if num_clusters >= MIN_CLUSTERS
                else None
                for name in values
            }
        )
    return intervals


def _compute_one(name: str, value: float, resamples: Floats, num_clusters: int) -> Interval | None:
    if not np.isfinite(value):
        return None
    if name == "share_beyond":
        return compute_interval(value, resamples, num_clusters)
    return compute_difference_interval(value, resamples, num_clusters)


def _derive_numbers(sums: Floats) -> dict[str, Floats]:
    """Return the (b,) numbers of (b, 5) sums; NaN where there are too few readings."""
    n, first, second, size, large = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        bias = first / n
        variance = np.where(n > 1, np.maximum(second - n * bias**2, 0) / (n - 1), np.nan)
        half = Z95 * np.sqrt(variance)
        return {
            "bias": bias,
            "lower_limit": bias - half,
            "upper_limit": bias + half,
            "mean_abs_error": size / n,
            "share_beyond": large / n,
        }
