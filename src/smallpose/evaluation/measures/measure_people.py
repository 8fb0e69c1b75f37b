"""Compare measures of predictions with those of the labels, by size and density of the people.

A person is judged on the prediction that they are matched with loosely (OKS from .1), as in the
diagnosis of errors. Who cannot be read is counted with the reason.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from smallpose.core.instances import Instances
from smallpose.core.interval import Interval
from smallpose.core.predictions import Predictions
from smallpose.evaluation.analysis.error_diagnosis import match_loosely
from smallpose.evaluation.config import ScoringConfig
from smallpose.evaluation.matching.arrays import Floats, Ints, Mask
from smallpose.evaluation.matching.image_groups import group_by_image, index_truth_images
from smallpose.evaluation.matching.keypoint_selection import select_keypoints
from smallpose.evaluation.measures.agreement import Agreement, measure_agreement
from smallpose.evaluation.measures.bootstrap import ReadingSums, compute_measure_intervals
from smallpose.evaluation.measures.definition import Measure, refuse_missing_joints
from smallpose.evaluation.measures.geometry import (
    is_finite,
    read_values,
    select_points,
    subtract_values,
)
from smallpose.evaluation.protocols import CLASSES

LARGE_DEGREES = 15.0  # an error of an angle or tilt from which on it is large
LARGE_SHARE = 0.15  # the same of a length, of the labelled length
STEEP_TILT = 75.0  # degrees; 15 from horizontal, where +90 and -90 are one axis


@dataclass(frozen=True)
class Readings:
    """One measure of every person who can be read.

    Args:
        people: (r,) rows of the truth.
        truth, error: (r,) the labelled value, and predicted minus labelled.
        is_large: (r,) whether the error reaches the limit of a large one.
        is_unlabelled, is_missed, is_uncounted, is_unmeasurable: (n,) why each other person who
            counts could not be read; the first reason that holds.
    """

    people: Ints
    truth: Floats
    error: Floats
    is_large: Mask
    is_unlabelled: Mask
    is_missed: Mask
    is_uncounted: Mask
    is_unmeasurable: Mask


@dataclass(frozen=True)
class ClassAgreement:
    """One measure of one class of people.

    Args:
        people: who count in the class.
        read: of them, whose value was read from labels and prediction.
        unlabelled: without a label of a joint.
        missed: labelled, but not matched by a prediction.
        uncounted: a predicted joint has no score above the minimum, or is no number.
        unmeasurable: two points on one spot.
        agreement: of those who were read.
        steep_share: of them, whose labelled value is beyond 75: tilts near horizontal.
        intervals: 95 % intervals by name; empty where none were computed.
    """

    people: int
    read: int
    unlabelled: int
    missed: int
    uncounted: int
    unmeasurable: int
    agreement: Agreement
    steep_share: float
    intervals: dict[str, Interval | None]

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers for JSON."""
        counts = ("people", "read", "unlabelled", "missed", "uncounted", "unmeasurable")
        data = {name: getattr(self, name) for name in counts} | self.agreement.to_dict()
        if self.intervals:
            data["intervals"] = {
                name: None if one is None else [one.low, one.high]
                for name, one in self.intervals.items()
            }
        return data


@dataclass(frozen=True)
class MeasureResult:
    """One measure by class of people, in the order of `CLASSES`."""

    measure: Measure
    classes: tuple[ClassAgreement, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers for JSON."""
        return {
            "kind": self.measure.kind,
            "unit": self.measure.unit,
            "points": ["+".join(point) for point in self.measure.points],
            "classes": {
                one.name: result.to_dict()
                for one, result in zip(CLASSES, self.classes, strict=True)
            },
        }


@dataclass(frozen=True)
class MatchedPeople:
    """The people who count, and their predictions.

    Args:
        classes: (c, n) membership in `CLASSES`.
        detection: (n,) row of each person's prediction; -1 without one.
    """

    classes: Mask
    detection: Ints


def measure_people(
    truth: Instances,
    predictions: Predictions,
    measures: Sequence[Measure],
    *,
    min_joint_score: float = 0.0,
    num_resamples: int = 0,
    seed: int = 0,
    **options: Any,
) -> list[MeasureResult]:
    """Measure every person in labels and predictions.

    Args:
        measures: of joints of the truth, see `parse_measures`.
        min_joint_score: predicted joints count whose score is above it; all where no joint of the
            results has a score above zero.
        num_resamples: of the bootstrap over images, or videos; 0 for no intervals.
        options: as for `evaluate`; under `coco` alone only the detections within its limit count.
    Raises: InputError where the results lack a joint.
    """
    if len(predictions):
        refuse_missing_joints(measures, predictions.skeleton)
    matched = match_counted_people(truth, predictions, **options)
    results = []
    for measure in measures:
        readings = read_people(truth, predictions, measure, matched, min_joint_score)
        classes = [
            _summarize(readings, is_member, intervals)
            for is_member, intervals in zip(
                matched.classes,
                _resample(truth, readings, matched.classes, num_resamples, seed),
                strict=True,
            )
        ]
        results.append(MeasureResult(measure, tuple(classes)))
    return results


def match_counted_people(
    truth: Instances, predictions: Predictions, **options: Any
) -> MatchedPeople:
    """Match the people who count with one prediction each, from an OKS of .1 on."""
    config = ScoringConfig(**options)
    scored = select_keypoints(truth, predictions, config)
    groups = group_by_image(truth, predictions, config.detection_limit)
    person = match_loosely(groups, scored)
    is_matched = person >= 0
    detection = np.full(len(truth), -1, dtype=np.intp)
    detection[person[is_matched]] = groups.detections[is_matched]
    return MatchedPeople(classes=scored.classes, detection=detection)


def read_people(
    truth: Instances,
    predictions: Predictions,
    measure: Measure,
    matched: MatchedPeople,
    min_joint_score: float = 0.0,
) -> Readings:
    """Read one measure of every person who counts, in labels and prediction."""
    n = len(truth)
    is_member = matched.classes[0]
    points, lowest = select_points(measure, truth.keypoints, truth.skeleton)
    is_labelled = (lowest > 0).all(axis=1)
    is_found = matched.detection >= 0
    rows = np.flatnonzero(is_member & is_labelled & is_found)
    is_counted = np.zeros(n, dtype=bool)
    labelled, predicted = np.full(n, np.nan), np.full(n, np.nan)
    if len(rows):
        poses = predictions.keypoints[matched.detection[rows]]
        predicted_points, scores = select_points(measure, poses, predictions.skeleton)
        is_counted[rows] = is_finite(predicted_points)
        if (predictions.keypoint_scores > 0).any():
            is_counted[rows] &= (scores > min_joint_score).all(axis=1)
        labelled[rows] = read_values(measure.kind, points[rows])
        predicted[rows] = read_values(measure.kind, predicted_points)
    is_measurable = np.isfinite(labelled) & np.isfinite(predicted)
    people = rows[is_counted[rows] & is_measurable[rows]]
    error = subtract_values(measure.kind, predicted[people], labelled[people])
    limit = LARGE_DEGREES if measure.kind != "length" else LARGE_SHARE * labelled[people]
    is_judged = is_member & is_labelled & is_found
    return Readings(
        people=people,
        truth=labelled[people],
        error=error,
        is_large=np.abs(error) >= limit,
        is_unlabelled=is_member & ~is_labelled,
        is_missed=is_member & is_labelled & ~is_found,
        is_uncounted=is_judged & ~is_counted,
        is_unmeasurable=is_judged & is_counted & ~is_measurable,
    )


def _summarize(
    readings: Readings, is_member: Mask, intervals: dict[str, Interval | None]
) -> ClassAgreement:
    is_read = is_member[readings.people]
    values = readings.truth[is_read]
    agreement = measure_agreement(values, readings.error[is_read], readings.is_large[is_read])
    return ClassAgreement(
        people=int(np.count_nonzero(is_member)),
        read=int(np.count_nonzero(is_read)),
        unlabelled=int(np.count_nonzero(readings.is_unlabelled & is_member)),
        missed=int(np.count_nonzero(readings.is_missed & is_member)),
        uncounted=int(np.count_nonzero(readings.is_uncounted & is_member)),
        unmeasurable=int(np.count_nonzero(readings.is_unmeasurable & is_member)),
        agreement=agreement,
        steep_share=float((np.abs(values) > STEEP_TILT).mean()) if len(values) else 0.0,
        intervals=intervals,
    )


def _resample(
    truth: Instances, readings: Readings, classes: Mask, num_resamples: int, seed: int
) -> Iterator[dict[str, Interval | None]]:
    """Yield the intervals of each class; without resamples, empty ones."""
    if not num_resamples:
        yield from ({} for _ in classes)
        return
    image_ids, image = index_truth_images(truth)
    group_of = dict(zip(truth.images.ids.tolist(), truth.images.groups, strict=True))
    groups = [group_of[image_id] for image_id in image_ids.tolist()]
    sums = ReadingSums.collect(
        image[readings.people], readings.error, readings.is_large, classes[:, readings.people]
    )
    yield from compute_measure_intervals(sums, groups, num_resamples, seed)
