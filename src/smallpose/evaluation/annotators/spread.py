"""OKS sigmas by COCO's definition: how far annotators of the same joint are apart.

COCO measured sigma² = E[d² / area] on people labelled more than once, d being the distance of a
label from the joint. The joint itself is not known, so d² is taken from the mean of the m labels of
a person and divided by m - 1, as for any variance. Along x or y alone the spread is sigma / √2.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.core.interval import Interval
from smallpose.core.student_t import compute_t_quantile
from smallpose.evaluation.annotators.match_annotators import Floats, Ints, RepeatedLabels

Mask = NDArray[np.bool_]

LEVEL = 0.95
MIN_PEOPLE = 10  # labelled twice; below, a joint has no sigma of its own
MIN_CLUSTERS = 10  # images or videos; below, there is no interval


@dataclass(frozen=True)
class Spread:
    """A sigma, or a share of one, and what it was measured on.

    Args:
        sigma: None where too few people were labelled twice; its interval is NaN without images
            enough.
        people, labels: how many have two or more labels, and their labels.
    """

    sigma: Interval | None
    people: int
    labels: int


def measure_sigmas(labels: RepeatedLabels, is_out: Mask, pool_sides: bool = False) -> list[Spread]:
    """Measure the sigma of each joint, with an interval that is clustered by image or video.

    Args:
        is_out: (p, a, k) labels to leave out.
        pool_sides: give a left joint and its right one the same sigma, from both.
    """
    squares, degrees = sum_squares(labels, is_out)
    spreads = []
    for k, partner in enumerate(labels.skeleton.flip_indices.tolist()):
        sides = [k, partner] if pool_sides and partner != k else [k]
        joint_squares, joint_degrees = squares[:, sides].sum(axis=1), degrees[:, sides].sum(axis=1)
        num_people = int((joint_degrees > 0).sum())
        num_labels = int((degrees[:, sides] + (degrees[:, sides] > 0)).sum())
        sigma = None
        if num_people >= MIN_PEOPLE:
            sigma = estimate_spread(joint_squares, joint_degrees, labels.cluster)
        spreads.append(Spread(sigma=sigma, people=num_people, labels=num_labels))
    return spreads


def sum_squares(labels: RepeatedLabels, is_out: Mask) -> tuple[Floats, Floats]:
    """Return (p, k) sums of squared distances from the mean over the area, and labels less one."""
    is_used = labels.is_labelled & ~is_out
    count = is_used.sum(axis=1)
    xy = np.where(is_used[..., None], labels.keypoints[..., :2], 0.0)
    mean = xy.sum(axis=1) / np.maximum(count, 1)[..., None]
    squared = ((xy - mean[:, None]) ** 2).sum(axis=-1) * is_used
    degrees = np.maximum(count - 1, 0).astype(float)
    return np.asarray(squared.sum(axis=1) / labels.area[:, None]), degrees


def measure_pairs(labels: RepeatedLabels) -> Floats:
    """Return (p, a, a, k) squared distances over the area; NaN where one label is missing."""
    xy, is_labelled = labels.keypoints[..., :2], labels.is_labelled
    step = xy[:, :, None] - xy[:, None]
    squared = np.asarray((step**2).sum(axis=-1) / labels.area[:, None, None, None])
    is_pair = is_labelled[:, :, None] & is_labelled[:, None]
    is_pair &= ~np.eye(is_labelled.shape[1], dtype=bool)[None, :, :, None]
    return np.where(is_pair, squared, np.nan)


def estimate_spread(squares: Floats, degrees: Floats, cluster: Ints) -> Interval | None:
    """Estimate the root of a variance and its 95 % interval from clusters.

    Each cluster is left out once (jackknife), on the scale of 1 / sigma: a few people whose labels
    are far apart then widen the interval upward, as they must.

    Args:
        squares: (n,) sums of squares of each person.
        degrees: (n,) labels less one.
        cluster: (n,) index of the person's image or video.
    Returns: None without any degree of freedom or distance; the ends are NaN where there are fewer
        than `MIN_CLUSTERS`, or the upper one has no limit.
    """
    if not degrees.sum() or not squares.any():
        return None
    sums, weights = np.bincount(cluster, weights=squares), np.bincount(cluster, weights=degrees)
    sums, weights = sums[weights > 0], weights[weights > 0]
    sigma = float(np.sqrt(sums.sum() / weights.sum()))
    m = len(sums)
    if m < MIN_CLUSTERS:
        return Interval(sigma)
    with np.errstate(divide="ignore"):
        inverse = np.sqrt((weights.sum() - weights) / (sums.sum() - sums))
    error = float(np.sqrt((m - 1) / m * ((inverse - inverse.mean()) ** 2).sum()))
    centre = m / sigma - (m - 1) * float(inverse.mean())
    reach = compute_t_quantile(LEVEL, m - 1) * error
    if not centre - reach > 0:
        return Interval(sigma)
    return Interval(sigma, min(1 / (centre + reach), sigma), max(1 / (centre - reach), sigma))
