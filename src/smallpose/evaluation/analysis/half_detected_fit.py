"""Find the height from which half of the people are detected, and its interval.

The limit is the height that splits people best into detected and missed ones: with the fewest
people missed above and detected below it. That is where the nearest rising curve (isotonic
regression) crosses one half. Its 95 % interval contains the heights that a likelihood ratio test
of "one half is reached here" does not reject (Banerjee and Wellner, 2001); people of one image or
video resemble each other, so the statistic is divided by their design effect near the limit.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from smallpose.evaluation.analysis.half_detected import (
    MAX_OUTSIDE,
    MIN_PEOPLE,
    Fall,
    HalfDetected,
    Tallest,
    describe_doubt,
)
from smallpose.evaluation.doubts import describe_height_doubt
from smallpose.evaluation.evaluate import Evaluation
from smallpose.evaluation.matching.arrays import Floats, Ints, Mask
from smallpose.evaluation.matching.image_groups import index_images, sort_rows
from smallpose.evaluation.scoring.bootstrap import MIN_CLUSTERS, index_clusters
from smallpose.evaluation.scoring.cluster_units import name_unit
from smallpose.evaluation.scoring.detected_people import DetectedPeople

_CRITICAL = 2.26916  # 95 % quantile of the test's limit distribution, by Banerjee and Wellner
_NUM_BINS = 100
_MIN_TALLEST = 5  # people; fewer are not worth a remark
_NUM_GROUPS = 8  # of equally many people, in which a fall is looked for
# Standard errors by which shares are above one half, and below it among taller people. Where the
# share is one half at all heights, a false alarm is rarer than 5 % (tests hold it).
_RISE_ERRORS = 2.0
_FALL_ERRORS = 2.8
_EDGE = 1e-12
_Block = tuple[float, float, int]  # of equal fitted values: their mean, weight and number


def find_half_detected_height(result: Evaluation) -> HalfDetected:
    """Find the height from which on half of the people of an evaluation are detected."""
    detected, counts = result.detected, result.match_counts
    image = index_images(counts.image_ids, detected.image_ids)
    half = locate_half(detected, index_clusters(counts.groups)[image])
    half = replace(
        half,
        doubt=describe_doubt(result.notes),
        caution=describe_height_doubt(result.notes),
        unit=name_unit(counts.groups),
    )
    return add_false_detections(half, result)


def add_false_detections(limit: HalfDetected, result: Evaluation) -> HalfDetected:
    """Return the limit with the number of detections, and of those that match nobody."""
    counts = result.match_counts
    num_detections = int(counts.num_detections.sum())
    false = next(iter(counts.false_positives.values()), None)
    if false is None:
        return replace(limit, num_detections=num_detections)
    # Those beyond a limit are not matched; under protocols without one, such scores are false.
    num_false = int(np.count_nonzero(false[0] & 1)) + num_detections - len(counts.scores)
    return replace(limit, num_detections=num_detections, num_false=num_false)


def locate_half(detected: DetectedPeople, cluster: Ints) -> HalfDetected:
    """Find the height from which on half of the people are detected.

    Args:
        cluster: (n,) image or video of each person, as a number from 0 on.
    """
    has_height = detected.height > 0
    rows = np.flatnonzero(has_height)
    rows = rows[sort_rows(detected.height[rows])]
    height, is_detected, cluster = detected.height[rows], detected.is_detected[rows], cluster[rows]
    n, num_clusters = len(rows), int(np.count_nonzero(np.bincount(cluster)))
    if n < MIN_PEOPLE or num_clusters < MIN_CLUSTERS:
        ends = (float(height[0]), float(height[-1])) if n else (np.nan, np.nan)
        return HalfDetected(np.nan, np.nan, np.nan, *ends, n, num_clusters, within=1.0)
    # The sum of (detected - 1/2) is smallest where a rising curve crosses one half.
    first = int(np.argmin(np.concatenate([[0.0], np.cumsum(is_detected - 0.5)])))
    limit = _name_limit(height, first)
    low, high = _find_interval(height, is_detected, cluster)
    low, high = min(low, limit), max(high, limit)
    below = rows[: first if 0 < first < n else n // 2]
    return HalfDetected(
        height=limit,
        low=low,
        high=high,
        smallest=float(height[0]),
        largest=float(height[-1]),
        people=n,
        clusters=num_clusters,
        within=float(((height >= low) & (height <= high)).mean()),
        num_below=len(below),
        num_partial=int((detected.outside[below] > MAX_OUTSIDE).sum()),
        fall=_find_fall(height, is_detected, cluster),
        tallest=_find_tallest(height, is_detected, first),
        num_above=n - first,
        detected_above=int(is_detected[first:].sum()),
    )


def _name_limit(height: Floats, first: int) -> float:
    """Return the height between two people, px; 0 before the first, infinity after the last."""
    if first == 0:
        return 0.0
    return np.inf if first == len(height) else float(np.sqrt(height[first - 1] * height[first]))


def _find_interval(height: Floats, is_detected: Mask, cluster: Ints) -> tuple[float, float]:
    """Find the lowest and the highest limit that the likelihood ratio test does not reject."""
    n = len(height)
    num_bins = min(_NUM_BINS, n)
    number = np.arange(n) * num_bins // n
    people = np.bincount(number, minlength=num_bins).astype(np.float64)
    share = np.bincount(number, is_detected, num_bins) / people
    fit = fit_nondecreasing(share, people)
    best = _compute_log_likelihood(share, people, fit)
    constrained = _fit_through_half(share, people)
    statistic = 2 * (best - _compute_log_likelihood(share, people, constrained))
    accepted = np.flatnonzero(statistic <= _CRITICAL)
    pad = max(int(np.ptp(accepted)), 5) // 2
    is_near = (number >= accepted[0] - pad) & (number <= accepted[-1] + pad)
    effect = _compute_design_effect(
        is_detected[is_near] - fit[number[is_near]], fit[number[is_near]], cluster[is_near]
    )
    accepted = np.flatnonzero(statistic <= _CRITICAL * effect)
    starts = np.searchsorted(number, np.arange(num_bins + 1))
    return _name_limit(height, starts[accepted[0]]), _name_limit(height, starts[accepted[-1]])


def _fit_through_half(share: Floats, people: Floats) -> Floats:
    """Return (b + 1, b) curves for b bins; curve i is at most one half in the first i, then more.

    What one more bin changes at the end of a fit is all that differs from the fit before.
    """
    num_bins = len(share)
    fits = np.empty((num_bins + 1, num_bins))
    for i, below in enumerate(_fit_beginnings(share, people)):
        fits[i, :i] = np.minimum(below, 0.5)
    for i, mirrored in enumerate(_fit_beginnings(-share[::-1], people[::-1])):
        fits[num_bins - i, num_bins - i :] = np.maximum(-mirrored[::-1], 0.5)
    return fits


def _compute_log_likelihood(share: Floats, people: Floats, probability: Floats) -> Any:
    """Sum over the last axis of probabilities."""
    p = np.clip(probability, _EDGE, 1 - _EDGE)
    return (people * (share * np.log(p) + (1 - share) * np.log(1 - p))).sum(axis=-1)


def _compute_design_effect(residual: Floats, fit: Floats, cluster: Ints) -> float:
    """Compute by how much the variance of a sum exceeds that of independent people; 1 or more."""
    standard = residual / np.sqrt(np.clip(fit * (1 - fit), 0.02, None))
    total = np.bincount(cluster, standard)
    return max(1.0, float((total**2).sum() / max((standard**2).sum(), _EDGE)))


def _find_fall(height: Floats, is_detected: Mask, cluster: Ints) -> Fall | None:
    """Find people most of which are detected, and taller people most of which are missed."""
    n = len(height)
    num_groups = min(_NUM_GROUPS, max(n // MIN_PEOPLE, 1))
    edges = np.arange(num_groups + 1) * n // num_groups
    runs = [(i, j) for i in range(num_groups) for j in range(i + 1, num_groups + 1)]
    group = np.repeat(np.arange(num_groups), np.diff(edges))
    people, detected = _count_up_to_group(group, is_detected, cluster, num_groups)
    errors = {
        (i, j): _count_errors_above_half(people[j] - people[i], detected[j] - detected[i])
        for i, j in runs
    }
    high = max(runs, key=lambda run: errors[run])
    above = [run for run in runs if run[0] >= high[1]]
    if not above or errors[high] < _RISE_ERRORS:
        return None
    low = min(above, key=lambda run: errors[run])
    if errors[low] > -_FALL_ERRORS:
        return None

    def select(run: tuple[int, int]) -> slice:
        return slice(edges[run[0]], edges[run[1]])

    return Fall(
        low=float(height[select(high)][0]),
        high=float(height[select(high)][-1]),
        share=float(is_detected[select(high)].mean()),
        from_height=float(height[select(low)][0]),
        to_height=float(height[select(low)][-1]),
        share_above=float(is_detected[select(low)].mean()),
    )


def _find_tallest(height: Floats, is_detected: Mask, first: int) -> Tallest | None:
    """Find the largest group of tallest people, above the limit, of whom most are missed.

    Args:
        first: number of people below the limit.
    """
    num_detected = np.cumsum(is_detected[:first:-1])
    num_people = np.arange(1, len(num_detected) + 1)
    is_missed = (num_people >= _MIN_TALLEST) & (2 * num_detected < num_people)
    if not is_missed.any():
        return None
    last = int(np.flatnonzero(is_missed)[-1])
    return Tallest(float(height[-1 - last]), last + 1, int(num_detected[last]))


def _count_up_to_group(
    group: Ints, is_detected: Mask, cluster: Ints, num_groups: int
) -> tuple[Ints, Ints]:
    """Count people, and those detected, of each cluster in the first 0, 1, … groups."""
    num_clusters = int(cluster.max()) + 1
    cell = (group + 1) * num_clusters + cluster
    counts = [
        np.bincount(cells, minlength=(num_groups + 1) * num_clusters)
        .reshape(num_groups + 1, num_clusters)
        .cumsum(axis=0)
        for cells in (cell, cell[is_detected])
    ]
    return counts[0], counts[1]


def _count_errors_above_half(people: Ints, detected: Ints) -> float:
    """Return by how many standard errors, over clusters, a share is above one half.

    Args:
        people, detected: (c,) numbers of each cluster.
    """
    num_people, num_detected = int(people.sum()), int(detected.sum())
    total = detected - people * (num_detected / num_people)
    # At least the error of one half, so that ten people who agree are not certain.
    error = max(float(np.sqrt((total**2).sum())), np.sqrt(num_people) / 4)
    return float((num_detected - 0.5 * num_people) / error)


def fit_nondecreasing(values: Floats, weights: Floats) -> Floats:
    """Fit the nearest values, by weighted squares, that never fall (pool adjacent violators).

    >>> fit_nondecreasing(np.array([0.0, 0.6, 0.4, 1.0]), np.ones(4)).tolist()
    [0.0, 0.5, 0.5, 1.0]
    """
    blocks: list[_Block] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        _pool_value(blocks, value, weight)
    return _spread_blocks(blocks)


def _fit_beginnings(values: Floats, weights: Floats) -> Iterator[Floats]:
    """Yield the fits of `fit_nondecreasing` to the first 0, 1, … values."""
    blocks: list[_Block] = []
    yield _spread_blocks(blocks)
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        _pool_value(blocks, value, weight)
        yield _spread_blocks(blocks)


def _pool_value(blocks: list[_Block], value: float, weight: float) -> None:
    """Add a value behind rising blocks, joined with those that it violates."""
    mean = value
    total = weight
    count = 1
    while blocks and blocks[-1][0] >= mean:
        last_mean, last_total, last_count = blocks.pop()
        mean = (last_mean * last_total + mean * total) / (last_total + total)
        total, count = last_total + total, last_count + count
    blocks.append((mean, total, count))


def _spread_blocks(blocks: list[_Block]) -> Floats:
    """Return the mean of its block for each value."""
    means = np.array([block[0] for block in blocks], dtype=np.float64)
    return np.repeat(means, [block[2] for block in blocks])
