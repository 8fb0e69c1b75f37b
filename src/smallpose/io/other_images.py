"""Tell results that fit people of other images than those that their ids name."""

from typing import NamedTuple

import numpy as np

from smallpose.core.counts import format_share
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.io.pose_pairs import (
    MIN_FIT,
    Floats,
    Indices,
    Mask,
    average_rows,
    find_placeholders,
    measure_fit,
    read_labels,
)

MAX_COMPARED = 200  # detections, those with the highest scores
MIN_FITTING = 10  # detections that fit a person of another image
MIN_SHARE_FITTING = 0.4  # of the detections compared, likewise
MIN_TIMES = 4  # as many as fit in their own image, and as fit mirrored, by chance
# Closer fits tell more where there are many people; small people are never fitted so closely.
FITS = (0.9, 0.8, 0.65, MIN_FIT)
_MIN_SIDES = 0.5  # of sides of boxes that are compared to each other, and their inverse
_MAX_PEOPLE = 50_000  # that are compared by their boxes


class _Fits(NamedTuple):
    """How well detections fit people: (d,) in other images and in their own, the best of each.

    `person` is the row of the best person in another image, -1 without one.
    """

    other: Floats
    own: Floats
    person: Indices


def describe_other_images(truth: Instances, sampled: Predictions) -> str | None:
    """Say that most detections fit people of other images, and few those of their own.

    Mirrored poses are as alike to people of any image as poses are by chance, so many more must
    fit than these.
    """
    people = np.flatnonzero(truth.is_counted & (truth.area > 0) & (truth.num_labelled > 0))
    if len(sampled) < MIN_FITTING or len(people) > _MAX_PEOPLE:
        return None
    detections = sampled.take(np.argsort(-sampled.scores, kind="stable")[:MAX_COMPARED])
    # Once for all detections: 1 kB a person at most.
    labels = read_labels(truth, people, detections.skeleton.joints)
    fits = _measure_fits(truth, people, labels, detections, detections.keypoints)
    num_compared = len(detections)
    enough = max(MIN_FITTING, MIN_SHARE_FITTING * num_compared)
    if np.count_nonzero(fits.other >= MIN_FIT) < enough:
        return None
    mirrored = _measure_fits(truth, people, labels, detections, _mirror(detections))
    for fit in FITS:
        num_other = int(np.count_nonzero(fits.other >= fit))
        num_own = int(np.count_nonzero(fits.own >= fit))
        num_chance = int(np.count_nonzero(np.maximum(mirrored.other, mirrored.own) >= fit))
        if num_other >= max(enough, MIN_TIMES * num_own, MIN_TIMES * num_chance):
            share = format_share(num_other, num_compared, "detection fits", "detections fit")
            return (
                f"results and labels seem to number their images differently: {share} a person of "
                f"another image ({_name_example(truth, detections, fits)}), and {num_own:,} one of "
                "the image that their image_id names; give the results the ids of the labels' "
                "images, or the names of their images (file_name)"
            )
    return None


def _name_example(truth: Instances, detections: Predictions, fits: _Fits) -> str:
    """Name the image of the detection that fits best elsewhere, and the image that it fits."""
    best = int(np.argmax(fits.other))
    image = int(truth.image_rows[fits.person[best]])
    name = truth.images.file_names[image]
    fitting = f"{truth.images.ids[image]}" + (f", {name}" if name else "")
    return f"such as one of image_id {detections.image_ids[best]}, which fits {fitting}"


def _mirror(detections: Predictions) -> Floats:
    """Return the (d, k, 3) poses mirrored about the middle of all, with left and right changed."""
    skeleton = detections.skeleton
    partners = [joint.replace("left", "\0").replace("right", "left") for joint in skeleton.joints]
    partners = [joint.replace("\0", "right") for joint in partners]
    order = [
        skeleton.joints.index(one) if one in skeleton.joints else index
        for index, one in enumerate(partners)
    ]
    mirrored = detections.keypoints[:, order].copy()
    is_placeholder = find_placeholders(mirrored)
    x = mirrored[:, :, 0]
    known = x[~is_placeholder]
    if len(known):
        x[~is_placeholder] = known.min() + known.max() - known
    return mirrored


def _measure_fits(
    truth: Instances,
    people: Indices,
    labels: Floats,
    detections: Predictions,
    keypoints: Floats,
) -> _Fits:
    """Measure how well poses, (d, k, 3), fit the people whose boxes are like theirs.

    Args:
        labels: (n, k, 3) of the people.
    """
    num_detections = len(detections)
    image_ids = truth.images.ids[truth.image_rows[people]]
    boxes, areas = truth.boxes_xywh[people], truth.area[people]
    result = _Fits(
        other=np.zeros(num_detections),
        own=np.zeros(num_detections),
        person=np.full(num_detections, -1),
    )
    for row in range(num_detections):  # one by one, as all pairs may need much memory
        alike = np.flatnonzero(_find_alike(keypoints[row], boxes))
        if not len(alike):
            continue
        poses = np.broadcast_to(keypoints[row, :, :2], (len(alike), *keypoints.shape[1:2], 2))
        fit = average_rows(measure_fit(poses, labels[alike], areas[alike]))
        is_own = image_ids[alike] == detections.image_ids[row]
        result.own[row] = fit[is_own].max(initial=0)
        best = int(np.argmax(np.where(is_own, -1, fit)))
        if not is_own[best]:
            result.other[row], result.person[row] = fit[best], people[alike[best]]
    return result


def _find_alike(pose: Floats, boxes_xywh: Floats) -> Mask:
    """Return (n,) which boxes are near the extent of a pose, (k, 3), and about as large."""
    xy = pose[~find_placeholders(pose[None])[0], :2]
    if not len(xy):
        return np.zeros(len(boxes_xywh), dtype=bool)
    low, high = xy.min(axis=0), xy.max(axis=0)
    sides = np.maximum(high - low, 1)
    with np.errstate(all="ignore"):
        size = np.sqrt(boxes_xywh[:, 2] * boxes_xywh[:, 3]) / np.sqrt(sides.prod())
        shift = np.abs(boxes_xywh[:, :2] + boxes_xywh[:, 2:] / 2 - (low + high) / 2)
        is_near = (shift < _MIN_SIDES * boxes_xywh[:, 2:]).all(axis=1)
        return np.asarray(is_near & (size > _MIN_SIDES) & (size < 1 / _MIN_SIDES))
