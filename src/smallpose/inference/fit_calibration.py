"""Fit a `Calibration` on labelled images, and measure it on images that it was not fitted on."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from smallpose.core.counts import format_count, format_phrase
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.core.sizes import SIZES, classify_sizes
from smallpose.evaluation.analysis.error_diagnosis import MIN_OKS
from smallpose.evaluation.analysis.person_matches import match_people
from smallpose.evaluation.sigma_file import JointSigmas
from smallpose.inference.calibration import COVERAGE, Calibration, Curve, compute_sizes

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Mask = NDArray[np.bool_]

MIN_IMAGES = 10
MIN_DETECTIONS = 100
MIN_JOINTS = 500
NUM_FOLDS = 5
_MIN_IOU = 0.3  # of a detection's box and the person's
_MAX_BINS = 12
_JOINTS_PER_BIN = 100
_JOINTS_PER_FACTOR = 50
_NUM_ROUNDS = 5  # in which the factors are fitted in turn
_NUM_MOVES = 3  # of the knots of one line


@dataclass(frozen=True)
class LabelledDetections:
    """Detections that the labels judge.

    Args:
        predictions: all of them.
        rows: (m,) of those that are counted: they match a person, or no person and no region.
        is_correct: (m,) they match a person at OKS .5.
        people: (m,) row of the person in the truth; -1 where the OKS is below .1, or where the
            boxes hardly overlap.
        errors: (m, k) distance of each joint to its label, px; NaN where it is not labelled.
        size_classes: (m,) of the person; -1 without one.
    """

    predictions: Predictions
    rows: Rows
    is_correct: Mask
    people: Rows
    errors: Floats
    size_classes: Rows


@dataclass(frozen=True)
class CalibrationQuality:
    """Measured by cross-validation over images.

    Args:
        error_before, error_after: mean distance of score and share correct in ten bins.
        coverage: share of the joints within their expected error.
        coverage_by_size: (share, joints) by the name of the size class.
    """

    error_before: float
    error_after: float
    coverage: float
    coverage_by_size: dict[str, tuple[float, int]]


def fit_calibration(
    truth: Instances, predictions: Predictions, method: str, sigmas: JointSigmas | None = None
) -> Calibration:
    """Fit a calibration on predictions for labelled images.

    Args:
        predictions: in the joints of `truth`, with the scores of the method.
        sigmas: of OKS, by which detections are matched (default: those of the joints).

    Raises: InputError where there are too few images, detections or labelled joints.
    """
    labelled = _match_labels(truth, predictions, sigmas)
    _refuse_few(truth, labelled)
    return _fit_rows(labelled, np.ones(len(labelled.rows), dtype=bool), method)


def measure_quality(
    truth: Instances, predictions: Predictions, sigmas: JointSigmas | None = None
) -> CalibrationQuality:
    """Fit on four fifths of the images and measure on the others, in turn."""
    labelled = _match_labels(truth, predictions, sigmas)
    scores = predictions.scores[labelled.rows]
    calibrated = scores.copy()
    is_inside = np.zeros(labelled.errors.shape, dtype=bool)
    for is_held_out in _split_by_image(predictions.image_ids[labelled.rows]):
        calibration = _fit_rows(labelled, ~is_held_out, "")
        held_out = labelled.rows[is_held_out]
        calibrated[is_held_out] = calibration.calibrate_scores(scores[is_held_out])
        radius = calibration.estimate_errors(predictions.take(held_out))
        is_inside[is_held_out] = labelled.errors[is_held_out] <= radius
    is_judged = np.isfinite(labelled.errors)
    by_size = {}
    for index, name in enumerate(SIZES):
        of_class = is_judged & (labelled.size_classes == index)[:, None]
        if of_class.any():
            by_size[name] = (float(is_inside[of_class].mean()), int(of_class.sum()))
    return CalibrationQuality(
        error_before=_compute_calibration_error(scores, labelled.is_correct),
        error_after=_compute_calibration_error(calibrated, labelled.is_correct),
        coverage=float(is_inside[is_judged].mean()),
        coverage_by_size=by_size,
    )


def _match_labels(
    truth: Instances, predictions: Predictions, sigmas: JointSigmas | None
) -> LabelledDetections:
    matches = match_people(truth, predictions, sigmas=sigmas)
    people = np.full(len(predictions), -1, dtype=np.intp)
    is_correct = np.zeros(len(predictions), dtype=bool)
    has_row = matches.rows >= 0
    people[matches.rows[has_row & (matches.oks >= MIN_OKS)]] = np.flatnonzero(
        has_row & (matches.oks >= MIN_OKS)
    )
    is_correct[matches.rows[has_row & matches.is_matched]] = True
    is_counted = np.zeros(len(predictions), dtype=bool)
    is_counted[matches.rows[has_row & matches.is_scored]] = True
    is_counted[matches.unmatched] = True
    rows = np.flatnonzero(is_counted)
    people = people[rows]
    # Who is matched with the detection of a neighbour has no detection of their own.
    iou = _compute_iou(truth.boxes_xywh[people], predictions.boxes_xywh[rows])
    people[iou < _MIN_IOU] = -1
    columns = truth.skeleton.joint_indices(predictions.skeleton.joints)
    labels = truth.keypoints[people][:, columns]
    errors = np.linalg.norm(predictions.keypoints[rows, :, :2] - labels[:, :, :2], axis=2)
    errors[(people < 0)[:, None] | (labels[:, :, 2] == 0)] = np.nan
    size_classes = classify_sizes(truth.boxes_xywh[people, 2:].prod(axis=1)).astype(np.intp)
    return LabelledDetections(
        predictions=predictions,
        rows=rows,
        is_correct=is_correct[rows],
        people=people,
        errors=errors,
        size_classes=np.where(people < 0, -1, size_classes),
    )


def _compute_iou(boxes_xywh: Floats, others_xywh: Floats) -> Floats:
    """Return the (m,) IoU of pairs of boxes; NaN where a box is missing."""
    low = np.maximum(boxes_xywh[:, :2], others_xywh[:, :2])
    high = np.minimum(
        boxes_xywh[:, :2] + boxes_xywh[:, 2:], others_xywh[:, :2] + others_xywh[:, 2:]
    )
    shared = np.clip(high - low, 0, None).prod(axis=1)
    return shared / (boxes_xywh[:, 2:].prod(axis=1) + others_xywh[:, 2:].prod(axis=1) - shared)


def _refuse_few(truth: Instances, labelled: LabelledDetections) -> None:
    """Raise InputError where a calibration would be mostly chance."""
    num_images = len(np.unique(labelled.predictions.image_ids[labelled.rows]))
    num_joints = int(np.isfinite(labelled.errors).sum())
    for count, least, what in (
        (num_images, MIN_IMAGES, "images with detections"),
        (len(labelled.rows), MIN_DETECTIONS, "detections"),
        (num_joints, MIN_JOINTS, "labelled joints of detected people"),
    ):
        if count < least:
            raise InputError(
                "--calibrate",
                f"only {format_phrase(count, what)} in the "
                f"{format_count(len(truth.images), 'image')}; at least {least:,} are needed",
                "pass a larger labelled file",
            )


def _fit_rows(labelled: LabelledDetections, is_fitted: Mask, method: str) -> Calibration:
    predictions = labelled.predictions.take(labelled.rows[is_fitted])
    errors = labelled.errors[is_fitted]
    size_factors, score_factors, joint_factors = _fit_errors(predictions, errors)
    names = predictions.skeleton.joints
    return Calibration(
        method=method,
        correct=_fit_scores(predictions.scores, labelled.is_correct[is_fitted]),
        size_factors=size_factors,
        score_factors=score_factors,
        joint_factors=dict(zip(names, joint_factors.tolist(), strict=True)),
        num_images=len(np.unique(predictions.image_ids)),
        num_detections=len(predictions),
        num_joints=int(np.isfinite(errors).sum()),
    )


def _fit_scores(scores: Floats, is_correct: Mask) -> Curve:
    """Fit the rising share of correct detections by isotonic regression, a line between steps."""
    order = np.argsort(scores, kind="stable")
    fit = isotonic_regression(is_correct[order].astype(np.float64))
    blocks = zip(fit.blocks[:-1], fit.blocks[1:], strict=True)
    centers = np.array([scores[order[low:high]].mean() for low, high in blocks])
    shares = fit.x[fit.blocks[:-1]]
    is_new = np.diff(centers, prepend=-np.inf) > 0
    return Curve(tuple(centers[is_new].tolist()), tuple(shares[is_new].tolist()))


def _fit_errors(predictions: Predictions, errors: Floats) -> tuple[Curve, Curve, Floats]:
    """Fit the factors of size, score and joint in turn, each to hold its share of the joints."""
    people, joints = np.nonzero(np.isfinite(errors))
    sizes = compute_sizes(predictions)[people]
    scores = predictions.keypoint_scores[people, joints]
    remaining = np.log(np.maximum(errors[people, joints], 1e-3) / sizes)
    log_sizes = np.log(sizes)
    by_size = Curve((0.0,), (0.0,))
    by_score = Curve((0.0,), (0.0,))
    by_joint = np.zeros(errors.shape[1])
    for _ in range(_NUM_ROUNDS):
        rest = remaining - by_size.evaluate(log_sizes) - by_score.evaluate(scores)
        for joint in range(len(by_joint)):
            of_joint = rest[joints == joint]
            is_enough = len(of_joint) >= _JOINTS_PER_FACTOR
            by_joint[joint] = np.quantile(of_joint, COVERAGE) if is_enough else 0.0
        rest = remaining - by_size.evaluate(log_sizes) - by_joint[joints]
        by_score = _fit_quantile(scores, rest)
        rest = remaining - by_score.evaluate(scores) - by_joint[joints]
        by_size = _fit_quantile(log_sizes, rest)
    return by_size, by_score, np.exp(by_joint)


def _fit_quantile(values: Floats, rest: Floats) -> Curve:
    """Fit the quantile of what remains, along a value, in bins of equally many joints.

    The knots are moved until each bin has its share below the line between them.
    """
    num_bins = int(np.clip(len(values) // _JOINTS_PER_BIN, 1, _MAX_BINS))
    order = np.argsort(values, kind="stable")
    parts = [part for part in np.array_split(order, num_bins) if len(part)]
    centers, first = np.unique([values[part].mean() for part in parts], return_index=True)
    parts = [parts[index] for index in first]
    knots = np.zeros(len(parts))
    for _ in range(_NUM_MOVES):
        above = rest - np.interp(values, centers, knots)
        knots += [np.quantile(above[part], COVERAGE) for part in parts]
    return Curve(tuple(centers.tolist()), tuple(knots.tolist()))


def _split_by_image(image_ids: NDArray[np.int64]) -> Iterator[Mask]:
    """Yield the detections of each fold; those of an image stay together."""
    _, index = np.unique(image_ids, return_inverse=True)
    for fold in range(NUM_FOLDS):
        is_held_out = index % NUM_FOLDS == fold
        if is_held_out.any() and not is_held_out.all():
            yield is_held_out


def _compute_calibration_error(scores: Floats, is_correct: Mask) -> float:
    """Return the mean distance of score and share correct, in ten bins of equally many."""
    parts = np.array_split(np.argsort(scores, kind="stable"), 10)
    distances = [abs(scores[p].mean() - is_correct[p].mean()) for p in parts if len(p)]
    return float(np.average(distances, weights=[len(p) for p in parts if len(p)]))
