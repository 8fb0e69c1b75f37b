"""Confidence intervals by a bootstrap over images, or over videos where images have one.

People of one image, and images of one video, resemble each other; resampling clusters keeps that.
A resample is a weight per image, so that nothing is matched again.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.interval import Interval
from smallpose.core.student_t import compute_t_quantile
from smallpose.evaluation.matching import native
from smallpose.evaluation.matching.arrays import Bits, Floats, Ints
from smallpose.evaluation.matching.oks import TINY
from smallpose.evaluation.protocols import CLASSES
from smallpose.evaluation.scoring.match_counts import MatchCounts
from smallpose.evaluation.scoring.precision_recall import RECALLS

Weights = NDArray[np.uint16]
LEVEL = 0.95
_BATCH = 128  # resamples at a time; bounds the memory
_MAX_KEPT = 5_000_000  # weights of draws that are kept for the next result: 10 MB
_MAX_EMPTY = 0.2  # share of resamples without any person above which there is no interval
_LOGIT_EDGE = 1e-3  # shares are kept this far from 0 and 1, where the logit is infinite
# Resamples are kept this share of the value from 0, and of its distance to 1 from 1: a few in which
# nobody is found lie so far out on the logit scale that an AP75 of 2 would reach up to 60.
_LEAST_SHARE = 0.15
_MAX_UNMATCHED = 0.05
# Clusters with a person of the class below which intervals contain the true value less or more
# often than they promise (measured by bench/coverage.py).
MIN_CLUSTERS = 10
MIN_RESAMPLES = 10  # below, an interval is mostly chance


def index_clusters(groups: Sequence[str]) -> Ints:
    """Return the (m,) index of each image's cluster: its group, or itself where it has none.

    >>> index_clusters(["a", "", "a", ""]).tolist()
    [0, 1, 0, 2]
    """
    if not any(groups):  # the usual case, in which every image is a cluster of its own
        return np.arange(len(groups), dtype=np.intp)
    indices: dict[object, int] = {}
    keys = (group or row for row, group in enumerate(groups))
    return np.array([indices.setdefault(key, len(indices)) for key in keys], dtype=np.intp)


def count_clusters(groups: Sequence[str]) -> int:
    """Count the clusters to resample."""
    return int(index_clusters(groups).max(initial=-1)) + 1


def draw_weights(groups: Sequence[str], num_resamples: int, seed: int) -> Iterator[Weights]:
    """Yield batches of (b, m): how often each image was drawn; clusters with replacement.

    All figures and tables of a report are made of the same draws; small ones are kept.
    """
    if num_resamples * len(groups) > _MAX_KEPT:
        return _draw_batches(groups, num_resamples, seed)
    return iter(_draw_and_keep(tuple(groups), num_resamples, seed))


@lru_cache(maxsize=4)
def _draw_and_keep(groups: tuple[str, ...], num_resamples: int, seed: int) -> tuple[Weights, ...]:
    batches = tuple(_draw_batches(groups, num_resamples, seed))
    for weights in batches:
        weights.setflags(write=False)
    return batches


def _draw_batches(groups: Sequence[str], num_resamples: int, seed: int) -> Iterator[Weights]:
    cluster = index_clusters(groups)
    num_clusters = count_clusters(groups)
    rng = np.random.default_rng(seed)
    for start in range(0, num_resamples, _BATCH):
        size = min(_BATCH, num_resamples - start)
        counts = np.zeros((size, max(num_clusters, 1)), dtype=np.uint16)
        for row in counts:
            drawn = rng.integers(0, num_clusters, num_clusters)
            row += np.bincount(drawn, minlength=len(row)).astype(np.uint16)
        yield counts[:, cluster]


@native.prefer_compiled(native.resample_curves)
def resample_curves(
    true_positives: Bits,
    false_positives: Bits,
    image: Ints | NDArray[np.int32],
    weights: Weights,
    num_people: NDArray[np.int64],
    num_thresholds: int,
    recalls: Floats,
) -> tuple[Floats, Floats]:
    """Return (b, t, r) precision and (b, t) recall of one class, resampled; -1 without people.

    Args:
        true_positives, false_positives: (d,) by falling score; a bit per threshold.
        image: (d,) index of each detection's image.
        weights: (b, m) how often each image was drawn.
        num_people: (b,) of the class, weighted.
        recalls: (r,) at which precision is read off.
    """
    precision = np.full((len(weights), num_thresholds, len(recalls)), -1.0)
    recall = np.full((len(weights), num_thresholds), -1.0)
    for b, weight in enumerate(weights.astype(np.int64)[:, image]):
        if num_people[b] == 0:
            continue
        for t in range(num_thresholds):
            positives = np.flatnonzero(weight * ((true_positives >> t) & 1))
            tp = np.cumsum(weight[positives])
            fp = np.cumsum(weight * ((false_positives >> t) & 1))[positives]
            value = tp / (fp.astype(float) + tp + TINY)
            falling = np.append(np.maximum.accumulate(value[::-1])[::-1], 0.0)
            index = np.searchsorted(tp / num_people[b], recalls, side="left")
            precision[b, t] = falling[index]
            recall[b, t] = tp[-1] / num_people[b] if len(tp) else 0.0
    return precision, recall


def resample_metrics(
    match_counts: MatchCounts,
    protocols: Sequence[str],
    max_detections: int | None,
    num_resamples: int,
    seed: int = 0,
) -> dict[str, dict[str, Floats]]:
    """Return (b,) values of every metric under the same resamples, by protocol and name.

    Args:
        max_detections: of an image that count under `coco`.
    Returns: NaN where a class has no people.
    Raises: InputError for fewer than two resamples.
    """
    if num_resamples < 2:
        raise InputError(
            f"--intervals {num_resamples}", "too few resamples", "use 1000, or 0 for no intervals"
        )
    batches: dict[str, dict[str, list[Floats]]] = {protocol: {} for protocol in protocols}
    classes = {
        protocol: [_select_counting(match_counts, protocol, c, order) for c in range(len(CLASSES))]
        for protocol in protocols
        if protocol != "recall"
        for order in (match_counts.select_best(max_detections if protocol == "coco" else None),)
    }
    for weights in draw_weights(match_counts.groups, num_resamples, seed):
        num_people = _sum_weighted(weights, match_counts.num_people).astype(np.int64)
        for protocol in protocols:
            for c, one in enumerate(CLASSES):
                people = num_people[:, c].copy()
                if protocol == "recall":
                    precision = recall = _resample_recall(match_counts, c, weights, people)
                else:
                    precision, recall = _resample_class(
                        match_counts, classes[protocol][c], weights, people
                    )
                metrics = {
                    f"AP{one.suffix}": precision.mean(axis=1),
                    f"AR{one.suffix}": recall.mean(axis=1),
                }
                if one.name == "all":
                    for percent in (50, 75):
                        is_level = match_counts.thresholds == percent / 100
                        metrics[f"AP{percent}"] = precision[:, is_level].mean(axis=1)
                for name, values in metrics.items():
                    batches[protocol].setdefault(name, []).append(values)
    return {
        protocol: {name: np.concatenate(values) for name, values in metrics.items()}
        for protocol, metrics in batches.items()
    }


def compute_weighted_ap(
    match_counts: MatchCounts,
    weights: Weights,
    max_detections: int | None = None,
    protocol: str = "coco",
    c: int = 0,
) -> Floats:
    """Return (b,) AP of a class, images counted as often as the weights say; NaN without people.

    Args:
        weights: (b, m) how often each image is in each sample.
        max_detections: of an image that count.
        c: index of the class among those that were counted.
    """
    order = match_counts.select_best(max_detections)
    precision, _ = _resample_class(
        match_counts,
        _select_counting(match_counts, protocol, c, order),
        weights,
        weights.astype(np.int64) @ match_counts.num_people[:, c],
    )
    return np.asarray(precision.mean(axis=1))


def _resample_recall(
    match_counts: MatchCounts, c: int, weights: Weights, num_people: NDArray[np.int64]
) -> Floats:
    """Return the (b, t) share of a class's people who were matched; NaN without people."""
    num_matched = _sum_weighted(weights, match_counts.num_matched[:, c])
    with np.errstate(invalid="ignore"):
        return np.asarray(num_matched / num_people[:, None])


def _sum_weighted(weights: Weights, counts: NDArray[np.int64]) -> Floats:
    """Return (b, ·) sums of the (m, ·) counts: whole numbers, which doubles add exactly."""
    return np.asarray(weights.astype(np.float64) @ counts.astype(np.float64))


class _CountingDetections(NamedTuple):
    """The detections that count in a class, by falling score.

    Args:
        true_positives, false_positives: (d,) a bit per threshold.
        image: (d,) index of each detection's image.
    """

    true_positives: Bits
    false_positives: Bits
    image: NDArray[np.int32]


def _select_counting(
    match_counts: MatchCounts, protocol: str, c: int, order: Ints
) -> _CountingDetections:
    """Select the detections of `order` that are true or false positives of a class."""
    true_positives = match_counts.true_positives[c, order]
    false_positives = match_counts.false_positives[protocol][c, order]
    is_counting = (true_positives | false_positives) > 0
    return _CountingDetections(
        true_positives[is_counting],
        false_positives[is_counting],
        match_counts.image[order[is_counting]].astype(np.int32),
    )


def _resample_class(
    match_counts: MatchCounts,
    counting: _CountingDetections,
    weights: Weights,
    num_people: NDArray[np.int64],
) -> tuple[Floats, Floats]:
    """Return a class's (b, t) precision, averaged over recalls, and recall; NaN without people."""
    precision, recall = resample_curves(
        *counting,
        weights,
        num_people,
        len(match_counts.thresholds),
        RECALLS,
    )
    is_empty = num_people == 0
    precision[is_empty], recall[is_empty] = np.nan, np.nan
    return precision.mean(axis=2), recall


def count_class_clusters(match_counts: MatchCounts) -> NDArray[np.int64]:
    """Count the clusters, (c,) per class, that contain a person of the class."""
    cluster = index_clusters(match_counts.groups)
    people = np.zeros((int(cluster.max(initial=-1)) + 1, len(CLASSES)), dtype=np.int64)
    np.add.at(people, cluster, match_counts.num_people)
    return np.asarray(np.count_nonzero(people, axis=0), dtype=np.int64)


def get_class_index(name: str) -> int:
    """Return the index into `CLASSES` of a metric such as `AP`, `AP75` or `AR_S_dense`."""
    suffix = name[2:] if name[2:].startswith("_") else ""
    return [one.suffix for one in CLASSES].index(suffix)


def compute_interval(
    value: float | None, resamples: Floats, num_clusters: int, level: float = LEVEL
) -> Interval | None:
    """Compute the interval of a share that contains the true value with probability `level`.

    An AP of a sample is biased upward, and resamples of the sample are biased once more, so that
    their percentiles lie too high. On the logit scale the bias is subtracted and the half width is
    Student's t times the standard error: centre 2 z(value) - mean z(resamples). `bench/coverage.py`
    measures how often the true value is inside.

    Args:
        value: computed from all images, 0 to 1.
        resamples: (b,) values; NaN where the class has no people.
        num_clusters: that were resampled.
    Returns: None where too many resamples have no people, where all are the same or too near to
        0 or 1 to be told apart, or where there are not two clusters.
    """
    known = _select_known(value, resamples, num_clusters)
    if known is None or value is None:
        return None
    least = _LEAST_SHARE * min(value, 1 - value)
    z = _to_logit(np.clip(known, least, 1 - least))
    if np.ptp(z) == 0:
        return None
    centre = 2 * float(_to_logit(np.array(value))) - float(z.mean())
    half_width = _compute_half_width(z, num_clusters, level)
    low, high = 1 / (1 + np.exp(-np.array([centre - half_width, centre + half_width])))
    # A value nearer to 0 or 1 than the logit is computed stays inside.
    return Interval(value, min(float(low), value), max(float(high), value))


def rests_on_few_matches(value: float | None, resamples: Floats) -> bool:
    """Return whether more than a twentieth of the resamples find (almost) nobody.

    Then the interval of an AP is too narrow: it contains the true value in 75 to 92 % of the cases,
    and that of an AR in 95 % or more (`bench/coverage.py --skill 0.2`).
    """
    known = resamples[np.isfinite(resamples)]
    if not value or not len(known):
        return False
    return float(np.mean(known < _LEAST_SHARE * value)) > _MAX_UNMATCHED


def keep_from_ends(resamples: Floats, num_people: int) -> Floats:
    """Move resampled shares of few people half a person away from 0 and 1.

    A resample in which nobody, or everybody, is found is as far on the logit scale as its floor,
    and a few of them would make an interval of almost everything: 2 to 100 % of 13 in 14.
    """
    margin = 0.5 / max(num_people, 1)
    return np.clip(resamples, margin, 1 - margin)


def compute_difference_interval(
    value: float, resamples: Floats, num_clusters: int, level: float = LEVEL
) -> Interval | None:
    """Compute the interval of a difference; as `compute_interval`, without the logit scale.

    Where both results are the same in every image, the difference is exactly 0.
    """
    if value == 0 and len(resamples) and not np.any(resamples):
        return Interval.exact(0.0)
    known = _select_known(value, resamples, num_clusters)
    if known is None:
        return None
    centre = 2 * value - float(known.mean())
    half_width = _compute_half_width(known, num_clusters, level)
    return Interval(value, centre - half_width, centre + half_width)


def _select_known(value: float | None, resamples: Floats, num_clusters: int) -> Floats | None:
    """Select the resamples with people; None where they say nothing about the value."""
    known = resamples[np.isfinite(resamples)]
    is_scarce = len(known) < max((1 - _MAX_EMPTY) * len(resamples), 2)
    if value is None or is_scarce or num_clusters < 2 or np.ptp(known) == 0:
        return None
    return known


def _to_logit(share: Floats) -> Floats:
    inside = np.clip(share, _LOGIT_EDGE, 1 - _LOGIT_EDGE)
    return np.asarray(np.log(inside / (1 - inside)))


def _compute_half_width(resamples: Floats, num_clusters: int, level: float) -> float:
    error = compute_standard_error(resamples, num_clusters)
    return compute_t_quantile(level, num_clusters - 1) * error


def compute_standard_error(resamples: Floats, num_clusters: int) -> float:
    """Compute the standard error; the bootstrap's is too small by (m - 1) / m under the root."""
    return float(np.std(resamples, ddof=1) * np.sqrt(num_clusters / (num_clusters - 1)))


def list_ends(interval: Interval | None) -> list[float] | None:
    """Return [low, high] as JSON has them."""
    return None if interval is None else [interval.low, interval.high]
