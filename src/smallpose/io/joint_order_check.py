"""Find results whose keypoints are in the order of another skeleton than the ground truth's.

A plain list of results has no joint names: it is in the order of the truth. Where another known
skeleton has as many joints, the poses themselves tell whether its order fits better.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smallpose.core.distinct import is_member
from smallpose.core.instances import Instances
from smallpose.core.joint_order import list_joints
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import SKELETONS, Skeleton

MAX_PEOPLE = 200  # that are looked at
MIN_PEOPLE = 3  # fewer tell nothing
MAX_DETECTIONS = 30  # of an image that are looked at, those with the highest scores
TOLERANCE = 0.1  # distance of a joint at which its fit is .6, relative to the root of the area
MIN_FIT = 0.5  # of joints that count as found
MIN_GAIN = 0.25  # by which another order must fit better

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


class _Pairs(NamedTuple):
    """People with the detections in their images.

    Args:
        people: (p,) row of each pair's person in the truth.
        detections: (p,) row of each pair's detection.
    """

    people: Indices
    detections: Indices


def describe_other_order(truth: Instances, predictions: Predictions) -> str | None:
    """Say that the keypoints seem to be in the order of another skeleton; None if they do not."""
    assumed = predictions.skeleton
    candidates = [
        skeleton
        for skeleton in SKELETONS.values()
        if len(skeleton) == len(assumed) and skeleton.joints != assumed.joints
    ]
    if not candidates or not set(assumed.joints) <= set(truth.skeleton.joints):
        return None
    pairs = _pair_sampled_people(truth, predictions)
    if np.count_nonzero(np.bincount(pairs.people)) < MIN_PEOPLE:
        return None
    own_fit = _measure_fit(truth, predictions, pairs, assumed)
    for candidate in candidates:
        is_contested = np.array(candidate.joints) != np.array(assumed.joints)
        other_fit = _measure_fit(truth, predictions, pairs, candidate)
        best = _choose_best_pairs(pairs, own_fit, other_fit)
        own = _mean(own_fit[best][:, is_contested])
        other = _mean(other_fit[best][:, is_contested])
        common = _mean(own_fit[best][:, ~is_contested])
        order = f"the order of {candidate.name}"
        remedy = 'name the joints of the results under "keypoint_names"'
        if other > max(own + MIN_GAIN, MIN_FIT):
            return (
                f"the keypoints fit {order} better than that of the ground truth, in which they "
                f"are read; {remedy}"
            )
        if np.isnan(other) and common > max(own + MIN_GAIN, MIN_FIT):
            joints = tuple(np.array(assumed.joints)[is_contested].tolist())
            return (
                f"{list_joints(joints)} are far from the ground truth where all other joints fit, "
                f"as in {order}; {remedy}"
            )
    return None


def list_sampled_images(truth: Instances) -> NDArray[np.int64]:
    """Return the ids of the images whose detections `describe_other_order` looks at."""
    return truth.images.ids[truth.image_rows[_sample_people(truth)]]


def list_sampled_rows(predictions: Predictions, image_ids: NDArray[np.int64]) -> Indices:
    """Return the rows that `describe_other_order` may look at, in the order of the file.

    Args:
        image_ids: from `list_sampled_images`.
    """
    rows = np.flatnonzero(is_member(predictions.image_ids, image_ids))
    rows = rows[np.lexsort((-predictions.scores[rows], predictions.image_ids[rows]))]
    ids = predictions.image_ids[rows]
    starts = np.flatnonzero(np.diff(ids, prepend=ids[:1] - 1))
    rank = np.arange(len(rows)) - np.repeat(starts, np.diff(starts, append=len(rows)))
    return np.sort(rows[rank < MAX_DETECTIONS])


def add_order_note(truth: Instances, predictions: Predictions) -> Predictions:
    """Add what `describe_other_order` says to the notes of the predictions."""
    note = describe_other_order(truth, predictions)
    return predictions if note is None else replace(predictions, notes=(*predictions.notes, note))


def _sample_people(truth: Instances) -> Indices:
    """Return the rows of some people, evenly over the file."""
    is_clear = truth.is_counted & (truth.area > 0) & (truth.num_labelled > 0)
    people = np.flatnonzero(is_clear)
    steps = np.linspace(0, len(people) - 1, min(len(people), MAX_PEOPLE))
    return people[steps.round().astype(np.intp)] if len(people) else people


def _pair_sampled_people(truth: Instances, predictions: Predictions) -> _Pairs:
    """Pair some people with the best detections in their images."""
    people = _sample_people(truth)
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
    return _Pairs(columns[:, 0], columns[:, 1])


def _measure_fit(
    truth: Instances, predictions: Predictions, pairs: _Pairs, order: Skeleton
) -> Floats:
    """Return (p, k) how well each keypoint fits, 0 to 1, read in the order of a skeleton.

    It is NaN where the truth lacks the joint or the person's is not labelled.
    """
    fit = np.full((len(pairs.people), len(order)), np.nan)
    scale = 2 * TOLERANCE**2 * truth.area[pairs.people]
    for index, joint in enumerate(order.joints):
        if joint not in truth.skeleton.joints:
            continue
        labels = truth.keypoints[pairs.people, truth.skeleton.joints.index(joint)]
        is_labelled = labels[:, 2] > 0
        with np.errstate(over="ignore"):  # coordinates up to 1e308 are read, and fit nowhere
            offset = predictions.keypoints[pairs.detections, index, :2] - labels[:, :2]
            fit[is_labelled, index] = np.exp(-(offset**2).sum(axis=1) / scale)[is_labelled]
    return fit


def _choose_best_pairs(pairs: _Pairs, own_fit: Floats, other_fit: Floats) -> Indices:
    """Return for each person the pair that fits best in either order."""
    quality = np.maximum(_row_means(own_fit), _row_means(other_fit))
    order = np.lexsort((-quality, pairs.people))
    is_first = np.diff(pairs.people[order], prepend=-1) > 0
    return np.asarray(order[is_first])


def _row_means(fit: Floats) -> Floats:
    count = np.count_nonzero(~np.isnan(fit), axis=1)
    return np.asarray(np.nansum(fit, axis=1) / np.maximum(count, 1))


def _mean(fit: Floats) -> float:
    """Return the mean of the known values; NaN where there is none."""
    known = fit[~np.isnan(fit)]
    return float(known.mean()) if len(known) else float("nan")
