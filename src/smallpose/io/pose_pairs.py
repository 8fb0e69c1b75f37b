"""Pair some people with the detections in their images, and measure how well their joints fit.

It tells how results are written (the order, the sides, the scale of their joints) and is no
evaluation: a sample of people is looked at, and all joints have one tolerance.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smallpose.core.distinct import find_runs, is_member, measure_runs
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import Skeleton

MAX_PEOPLE = 100  # that are looked at
MAX_DETECTIONS = 30  # of an image that are looked at, those with the highest scores
TOLERANCE = 0.1  # distance of a joint at which its fit is .6, relative to the root of the area
MIN_FIT = 0.5  # of joints that count as found

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]


class PosePairs(NamedTuple):
    """People with the detections in their images.

    Args:
        people: (p,) row of each pair's person in the truth.
        detections: (p,) row of each pair's detection.
    """

    people: Indices
    detections: Indices

    @property
    def num_people(self) -> int:
        """Return how many people are in any pair."""
        return int(np.count_nonzero(np.bincount(self.people)))


class PairedPoses(NamedTuple):
    """The two poses of each pair, in the joints of the predictions.

    Args:
        pairs: which they are.
        skeleton: whose joints the keypoints are read as.
        detected_xy: (p, k, 2) px.
        labels: (p, k, 3) x, y, v; v is 0 where the truth lacks the joint.
        area: (p,) px², of the people.
        own_fit: (p, k) how well each keypoint fits as it is; see `measure_fit`.
    """

    pairs: PosePairs
    skeleton: Skeleton
    detected_xy: Floats
    labels: Floats
    area: Floats
    own_fit: Floats

    def measure_mean_fit(self, detected_xy: Floats) -> Floats:
        """Return (p,) how well poses at other places, (p, k, 2), fit."""
        return average_rows(measure_fit(detected_xy, self.labels, self.area))

    def count_fitting(self, mean_fit: Floats) -> int:
        """Count the people whose best pair fits."""
        best = choose_best_pairs(self.pairs, mean_fit)
        return int(np.count_nonzero(mean_fit[best] > MIN_FIT))


def list_sampled_images(truth: Instances) -> NDArray[np.int64]:
    """Return the ids of the images whose detections `pair_sampled_people` looks at."""
    return truth.images.ids[truth.image_rows[sample_people(truth)]]


def list_sampled_rows(predictions: Predictions, image_ids: NDArray[np.int64]) -> Indices:
    """Return the rows that `pair_sampled_people` may look at, in the order of the file.

    Args:
        image_ids: from `list_sampled_images`.
    """
    rows = np.flatnonzero(is_member(predictions.image_ids, image_ids))
    rows = rows[np.lexsort((-predictions.scores[rows], predictions.image_ids[rows]))]
    ids = predictions.image_ids[rows]
    starts = find_runs(ids)
    rank = np.arange(len(rows)) - np.repeat(starts, measure_runs(starts, len(rows)))
    return np.sort(rows[rank < MAX_DETECTIONS])


def sample_people(truth: Instances) -> Indices:
    """Return the rows of some people, evenly over the file."""
    is_clear = truth.is_counted & (truth.area > 0) & (truth.num_labelled > 0)
    people = np.flatnonzero(is_clear)
    steps = np.linspace(0, len(people) - 1, min(len(people), MAX_PEOPLE))
    return people[steps.round().astype(np.intp)] if len(people) else people


def pair_sampled_people(truth: Instances, predictions: Predictions) -> PosePairs:
    """Pair some people with the best detections in their images."""
    people = sample_people(truth)
    image_ids = truth.images.ids[truth.image_rows[people]]
    rows = np.flatnonzero(is_member(predictions.image_ids, image_ids))
    rows = rows[np.argsort(-predictions.scores[rows], kind="stable")]
    rows_of: dict[int, list[int]] = {}
    for row, image in zip(rows.tolist(), predictions.image_ids[rows].tolist(), strict=True):
        rows_of.setdefault(image, []).append(row)
    pairs = [
        (person, row)
        for person, image in zip(people.tolist(), image_ids.tolist(), strict=True)
        for row in rows_of.get(image, [])[:MAX_DETECTIONS]
    ]
    columns = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    return PosePairs(columns[:, 0], columns[:, 1])


def find_placeholders(keypoints: Floats) -> Mask:
    """Find (n, k) keypoints at a point that tools write for "no label", whatever their v.

    It is 0, 0 in most tools; counting pixels from 0 in place of 1 makes it -1, -1, and others
    write -0.5, -0.5 or -999, -999.
    """
    x, y = keypoints[:, :, 0], keypoints[:, :, 1]
    return np.asarray((x == y) & (x <= 0))


def collect_poses(truth: Instances, predictions: Predictions) -> PairedPoses:
    """Pair some people with the best detections in their images, and return their poses."""
    pairs = pair_sampled_people(truth, predictions)
    detected_xy = predictions.keypoints[pairs.detections, :, :2]
    labels = read_labels(truth, pairs.people, predictions.skeleton.joints)
    area = truth.area[pairs.people]
    return PairedPoses(
        pairs=pairs,
        skeleton=predictions.skeleton,
        detected_xy=detected_xy,
        labels=labels,
        area=area,
        own_fit=measure_fit(detected_xy, labels, area),
    )


def read_labels(truth: Instances, people: Indices, joints: Sequence[str]) -> Floats:
    """Return (p, k, 3) labels of people by the names of joints.

    v is 0 where the truth lacks the joint, or has a label only in name: at a placeholder.
    """
    starts = find_runs(people)  # pairs of a person are side by side
    labels = np.zeros((len(starts), len(joints), 3))
    for index, joint in enumerate(joints):
        if joint in truth.skeleton.joints:
            row = truth.skeleton.joints.index(joint)
            labels[:, index] = truth.keypoints[people[starts], row]
    labels[find_placeholders(labels), 2] = 0
    return np.repeat(labels, measure_runs(starts, len(people)), axis=0)


def measure_fit(detected_xy: Floats, labels: Floats, area: Floats) -> Floats:
    """Return (p, k) how well each keypoint fits its label, 0 to 1; NaN without one.

    Args:
        detected_xy: (p, k, 2)
        labels: (p, k, 3)
        area: (p,) of the people, which scales the distances.
    """
    with np.errstate(over="ignore"):  # coordinates up to 1e308 are read, and fit nowhere
        offset = detected_xy - labels[:, :, :2]
        square = offset[:, :, 0] ** 2 + offset[:, :, 1] ** 2  # faster than a sum over the axis
        fit = np.exp(-square / (2 * TOLERANCE**2 * area[:, None]))
    return np.asarray(np.where(labels[:, :, 2] > 0, fit, np.nan))


def choose_best_pairs(pairs: PosePairs, quality: Floats) -> Indices:
    """Return for each person the index of the pair with the highest quality."""
    order = np.lexsort((-quality, pairs.people))
    is_first = np.diff(pairs.people[order], prepend=-1) > 0
    return np.asarray(order[is_first])


def average_rows(fit: Floats) -> Floats:
    """Return (p,) the mean of each row's known values; 0 where there is none."""
    is_known = ~np.isnan(fit)
    total = np.einsum("pk->p", np.where(is_known, fit, 0.0))  # np.nansum takes three times as long
    return np.asarray(total / np.maximum(np.count_nonzero(is_known, axis=1), 1))
