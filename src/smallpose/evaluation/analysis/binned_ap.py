"""AP along a scale: along keypoint density (Fig. 4a), along a person's height in pixels.

Bins have equally many people; on request those of a wide range of values are split. An unmatched
detection is a false positive in the bin of the person it belongs to (protocol `owned`), so that a
bin's AP does not depend on how full the others are.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smallpose.core.instances import Instances
from smallpose.core.interval import Interval
from smallpose.core.predictions import Predictions
from smallpose.evaluation.areas import get_detection_boxes, get_person_area
from smallpose.evaluation.config import ScoringConfig
from smallpose.evaluation.matching.arrays import Bits, Floats, ImageGroups, Ints, Mask
from smallpose.evaluation.matching.greedy import match_detections
from smallpose.evaluation.matching.image_groups import group_by_image
from smallpose.evaluation.matching.keypoint_selection import ScoredPoses, select_keypoints
from smallpose.evaluation.matching.native_matching import MAX_CLASSES
from smallpose.evaluation.protocols import (
    PAPER_LIMITS,
    SizeLimits,
    compute_small_density,
    find_owners,
)
from smallpose.evaluation.scoring.bootstrap import (
    MIN_CLUSTERS,
    Weights,
    compute_interval,
    count_clusters,
    draw_weights,
    index_clusters,
    list_ends,
    resample_curves,
)
from smallpose.evaluation.scoring.count_matches import find_unmatched, sort_groups
from smallpose.evaluation.scoring.precision_recall import RECALLS, THRESHOLDS, compute_curves

MIN_SPLIT_PEOPLE = 25  # of each part of a bin that is split
MAX_HEIGHT_RATIO = 1.6  # of the heights of a bin
TINY = 1e-9


@dataclass(frozen=True)
class Bin:
    """AP of people within a range of values.

    Args:
        low, high, mean: smallest, largest and mean value among them.
        people: how many they are.
        ap: None without people: a gap, not a zero.
        interval: 95 % of it, where there are resamples.
        is_scarce: as of `GroupScore`.
    """

    low: float
    high: float
    mean: float
    people: int
    ap: float | None
    interval: Interval | None = None
    is_scarce: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the bin for JSON."""
        record = asdict(self) | {"interval": list_ends(self.interval)}
        del record["is_scarce"]
        return record


def measure_density(
    truth: Instances,
    num_joints: int | None = None,
    *,
    size_area: str = "box",
    size_limits: SizeLimits = PAPER_LIMITS,
) -> Floats:
    """Return the (n,) keypoint density of small people who count; NaN for all others.

    Args:
        num_joints: K of Eq. 3 for all people; by default each source's own.
        size_area, size_limits: as for `evaluate`.
    """
    k = truth.num_source_joints if num_joints is None else np.full(len(truth), num_joints)
    area = get_person_area(truth, size_area)
    density = compute_small_density(area, truth.num_labelled, k, size_limits)
    return np.where(truth.is_counted, density, np.nan)


def measure_height(truth: Instances) -> Floats:
    """Return the (n,) height of the box in px, of people who count; NaN for all others."""
    return np.where(truth.is_counted, truth.boxes_xywh[:, 3], np.nan)


def compute_binned_ap(
    truth: Instances,
    predictions: Predictions,
    values: ArrayLike,
    *,
    num_bins: int = 10,
    max_ratio: float | None = None,
    num_resamples: int = 0,
    seed: int = 0,
    **options: Any,
) -> list[Bin]:
    """Compute AP in bins of equally many people, in the order of their values.

    Args:
        values: (n,) such as `measure_density(truth)`; people with NaN are ignored.
        num_bins: at most 32; fewer come back when many values are equal.
        max_ratio: of the largest to the smallest value of a bin; wider ones are split as long as
            both parts keep 25 people (default: none is split).
        num_resamples: of the bootstrap for intervals; 0 for none.
        options: as for `evaluate`.
    """
    scale = Scale(values, num_bins, max_ratio)
    return compute_binned_aps(
        truth, predictions, [scale], num_resamples=num_resamples, seed=seed, **options
    )[0]


@dataclass(frozen=True)
class Scale:
    """What people are sorted by, and their bins.

    Args:
        values, num_bins, max_ratio: as for `compute_binned_ap`.
        has_intervals: False to leave them out, which take most of the time.
    """

    values: ArrayLike
    num_bins: int = 10
    max_ratio: float | None = None
    has_intervals: bool = True


def compute_binned_aps(
    truth: Instances,
    predictions: Predictions,
    scales: Sequence[Scale],
    *,
    num_resamples: int = 0,
    seed: int = 0,
    **options: Any,
) -> list[list[Bin]]:
    """Compute what `compute_binned_ap` does along several scales, and match people only once.

    Args:
        num_resamples, seed, options: as for `compute_binned_ap`.
    """
    config = ScoringConfig(**{"protocols": ("owned",), **options})
    scored = select_keypoints(truth, predictions, config)
    values = [
        np.where(scored.classes[0], np.asarray(scale.values, dtype=np.float64), np.nan)
        for scale in scales
    ]
    members = [
        _split_people(value, min(scale.num_bins, MAX_CLASSES), scale.max_ratio)
        if np.isfinite(value).any()
        else np.zeros((0, len(truth)), dtype=bool)
        for value, scale in zip(values, scales, strict=True)
    ]
    stacked = np.concatenate(members)
    if not len(stacked):
        return [[] for _ in scales]
    has_interval = np.repeat(
        [scale.has_intervals for scale in scales], [len(groups) for groups in members]
    )
    scores = iter(
        score_groups(truth, predictions, scored, stacked, num_resamples, seed, has_interval)
    )
    return [
        [_describe_bin(value[is_member], next(scores)) for is_member in groups]
        for value, groups in zip(values, members, strict=True)
    ]


def _describe_bin(values: Floats, score: "GroupScore") -> Bin:
    return Bin(
        low=float(values.min()),
        high=float(values.max()),
        mean=_compute_mean(values),
        people=score.people,
        ap=score.ap,
        interval=score.interval,
        is_scarce=score.is_scarce,
    )


@dataclass(frozen=True)
class GroupScore:
    """AP of a group of people; None without any.

    Args:
        interval: 95 % of it, where there are resamples.
        is_scarce: whether, of resamples, its people are in too few images or videos for one.
    """

    people: int
    ap: float | None
    interval: Interval | None = None
    is_scarce: bool = False


def score_groups(
    truth: Instances,
    predictions: Predictions,
    scored: ScoredPoses,
    members: Mask,
    num_resamples: int = 0,
    seed: int = 0,
    has_interval: Mask | None = None,
) -> list[GroupScore]:
    """Score groups of people under the protocol `owned`.

    Args:
        scored: of both tables, from `select_keypoints`.
        members: (c, n) the people of each group.
        num_resamples: for intervals; 0 for none.
        has_interval: (c,) whose intervals are wanted (default: of all groups).
    """
    groups = group_by_image(truth, predictions)
    matches = match_detections(groups, scored.poses, members, THRESHOLDS)
    boxes_xywh = get_detection_boxes(predictions)
    owners = find_owners(groups, boxes_xywh, truth.boxes_xywh, scored.is_counted)
    is_owned = np.where(owners >= 0, members[:, owners], False)
    false_positives = find_unmatched(matches, len(THRESHOLDS)) * is_owned
    scores = predictions.scores[groups.detections]
    order = np.argsort(-scores, kind="stable")
    group_scores = []
    resampling = None
    if num_resamples:
        wanted = members if has_interval is None else members & has_interval[:, None]
        resampling = _draw_images(groups, sort_groups(truth), wanted, num_resamples, seed)
    for c, (tp, fp) in enumerate(zip(matches.true_positives, false_positives, strict=True)):
        num_people = int(members[c].sum())
        # A detection that counts in no bit of the group changes no sum.
        counting = order[(tp | fp)[order] > 0]
        ap = compute_curves(
            counting, scores, true_positives=tp, false_positives=fp, num_people=num_people
        ).ap
        interval = None
        is_scarce = resampling is not None and not resampling.has_enough_clusters[c]
        if resampling is not None and not is_scarce:
            bits = tp[counting], fp[counting]
            resampled = _resample_ap(resampling, c, *bits, groups.detection_image[counting])
            interval = compute_interval(ap, resampled, resampling.num_clusters)
        group_scores.append(GroupScore(num_people, ap, interval, is_scarce))
    return group_scores


@dataclass(frozen=True)
class _Resampling:
    """Draws of images or videos, for intervals of groups of people.

    Args:
        weights: batches of (b, m) how often each draw has each image.
        num_people: batches of (b, c) people of each group in each draw.
        has_enough_clusters: (c,) whether the people of a group are in enough images or videos.
        num_clusters: images or videos that are drawn.
    """

    weights: list[Weights]
    num_people: list[NDArray[np.int64]]
    has_enough_clusters: Mask
    num_clusters: int


def _draw_images(
    groups: ImageGroups, clusters: Sequence[str], members: Mask, num_resamples: int, seed: int
) -> _Resampling:
    """Draw the images, and count the people of each group, (c, n), in each draw."""
    num_images = len(groups.image_ids)
    people = np.zeros((num_images, len(members)))
    for c, is_member in enumerate(members):
        image = groups.people_image[is_member[groups.people]]
        people[:, c] = np.bincount(image, minlength=num_images)
    cluster = index_clusters(clusters)
    in_clusters = [len(np.unique(cluster[column > 0])) for column in people.T]
    weights = list(draw_weights(clusters, num_resamples, seed))
    return _Resampling(
        weights=weights,
        # Doubles hold the counts exactly, and products of integers take ten times as long.
        num_people=[(batch.astype(np.float64) @ people).astype(np.int64) for batch in weights],
        has_enough_clusters=np.array(in_clusters) >= MIN_CLUSTERS,
        num_clusters=count_clusters(clusters),
    )


@np.errstate(over="ignore")
def _compute_mean(values: Floats) -> float:
    """Return the mean, which is infinite where the sum of sizes up to 1e308 is."""
    return float(values.mean())


def _split_people(value: Floats, num_bins: int, max_ratio: float | None) -> Mask:
    """Return (b, n) the people of each bin; people with NaN are in none."""
    is_known = np.isfinite(value)
    known = np.sort(value[is_known])
    edges = np.unique(np.quantile(known, np.linspace(0, 1, num_bins + 1)))
    if max_ratio is not None:
        edges = _split_wide_bins(known, edges, max_ratio)
    index = np.searchsorted(edges, value, side="right") - 1
    index = np.clip(index, 0, max(len(edges) - 2, 0))
    members = (index == np.arange(max(len(edges) - 1, 1))[:, None]) & is_known
    # With few people an edge between two of them can leave a bin empty.
    return np.asarray(members[members.any(axis=1)])


def _split_wide_bins(known: Floats, edges: Floats, max_ratio: float) -> Floats:
    """Add edges where a bin's values span more than a ratio, from the lowest bin on.

    Args:
        known: (n,) values in rising order.
        edges: (b + 1,) of the bins.
    """
    i = 0
    while i < len(edges) - 1 and len(edges) <= MAX_CLASSES:
        is_last = i == len(edges) - 2
        start = np.searchsorted(known, edges[i])
        stop = len(known) if is_last else np.searchsorted(known, edges[i + 1])
        inside = known[start:stop]
        if len(inside) < 2 * MIN_SPLIT_PEOPLE or not inside[-1] > max_ratio * max(inside[0], 0):
            i += 1
            continue
        middle = np.sqrt(max(inside[0], TINY) * inside[-1])
        middle = np.clip(middle, inside[MIN_SPLIT_PEOPLE], inside[-MIN_SPLIT_PEOPLE])
        if not inside[0] < middle < edges[i + 1]:
            i += 1
            continue
        edges = np.insert(edges, i + 1, middle)
    return edges


def _resample_ap(
    resampling: _Resampling, c: int, true_positives: Bits, false_positives: Bits, image: Ints
) -> Floats:
    """Return the (b,) AP of group `c` in each draw; NaN without people.

    Args:
        true_positives, false_positives, image: (e,) of the detections that count, by falling score.
    """
    resampled = []
    for weights, counts in zip(resampling.weights, resampling.num_people, strict=True):
        num_people = np.ascontiguousarray(counts[:, c])
        precision, _ = resample_curves(
            true_positives,
            false_positives,
            image,
            weights,
            num_people,
            len(THRESHOLDS),
            RECALLS,
        )
        resampled.append(np.where(num_people > 0, precision.mean(axis=(1, 2)), np.nan))
    return np.concatenate(resampled)
