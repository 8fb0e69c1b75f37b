"""Weigh labels against a model's predictions: which repair agrees better, and who is not labelled.

Models make errors too, so a joint counts for at most `MAX_EVIDENCE`, and a prediction that agrees
with few joints of a label is taken for one of another person.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import box_around_keypoints, box_iou
from smallpose.core.instances import Instances
from smallpose.core.joint_order import match_joint_order
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import SMALLPOSE, map_joints
from smallpose.dataset.label_audit.hypotheses import HYPOTHESES, PARTS
from smallpose.dataset.label_audit.pose_distance import (
    list_pairs,
    list_sigmas,
    measure_areas,
    measure_distances,
)
from smallpose.dataset.label_audit.repairs import REPAIRS

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Mask = NDArray[np.bool_]

PREDICTION_ERROR = 1.3  # of a model's joints, in units of the annotators' own error
MAX_EVIDENCE = 4.0  # of one joint, natural logarithm
MAX_GAIN = 3.0  # of a hypothesis: the model itself errs in about one of twenty
EXPECTED_EVIDENCE = 1.0  # of a joint that is right
MIN_AGREEING = 1 / 3  # share of joints; else the prediction is of another person
MIN_SIMILARITY = 0.3  # of a label and its prediction: pose or box
MAX_OVERLAP = 0.3  # of a missing person's box with any label's
MIN_MISSING_JOINTS = 0.5  # share of a missing person's joints with a usual confidence


@dataclass(frozen=True)
class PredictionEvidence:
    """What predictions say about labels.

    Args:
        row_of: (n,) row of the prediction of each person; -1 where there is none.
        gains: (n, h) what each of `HYPOTHESES` gains by agreeing with the prediction.
        missing: rows of confident predictions of people without a label, best first.
        missing_scores: their scores over the median score of predictions that match a label.
    """

    row_of: Ints
    gains: Floats
    missing: Ints
    missing_scores: Floats


def weigh_predictions(people: Instances, predictions: Predictions) -> PredictionEvidence:
    """Match predictions to labels by pose and box, and weigh each hypothesis by them."""
    order = match_joint_order(predictions.skeleton, people.skeleton)
    predictions = order.apply_to(predictions)
    labels = match_joint_order(people.skeleton, predictions.skeleton).apply(people.keypoints)
    image_of = {image: row for row, image in enumerate(people.images.ids.tolist())}
    images = np.array([image_of.get(i, -1) for i in predictions.image_ids.tolist()], dtype=np.intp)
    row_of = _match_people(people, labels, predictions, images)
    gains = np.zeros((len(people), len(HYPOTHESES)))
    rows = np.flatnonzero(row_of >= 0)
    gains[rows] = _compute_gains(people, predictions, rows, row_of[rows])
    missing, scores = _find_missing(people, predictions, images, row_of)
    return PredictionEvidence(row_of=row_of, gains=gains, missing=missing, missing_scores=scores)


def _match_people(
    people: Instances, labels: Floats, predictions: Predictions, images: Ints
) -> Ints:
    """Return (n,) the prediction of each counted person, greedily by similarity."""
    rows = np.flatnonzero(people.is_counted)
    known = np.flatnonzero(images >= 0)
    first, second = list_pairs(people.image_rows[rows], images[known])
    person, detection = rows[first], known[second]
    areas = measure_areas(people.keypoints, people.boxes_xywh)[person]
    sigmas = list_sigmas(predictions.skeleton)
    similarity = np.zeros(len(person))
    is_labelled = labels[person][:, :, 2] > 0
    is_predicted = (predictions.keypoints != 0).any(axis=2)
    flip = predictions.skeleton.flip_indices
    for poses in (labels, labels[:, flip]):
        weight = (poses[person][:, :, 2] > 0) & is_predicted[detection]
        distances = measure_distances(
            poses[person], predictions.keypoints[detection], areas, sigmas * PREDICTION_ERROR
        )
        oks = (np.exp(-distances) * weight).sum(axis=1) / np.maximum(weight.sum(axis=1), 1)
        similarity = np.maximum(similarity, oks)
    overlap = _overlap_pairs(_box_people(people)[person], _box_predictions(predictions)[detection])
    similarity = np.where(is_labelled.any(axis=1), similarity + overlap / 2, overlap / 2)
    row_of = np.full(len(people), -1, dtype=np.intp)
    is_taken = np.zeros(len(predictions), dtype=bool)
    for pair in np.argsort(-similarity, kind="stable").tolist():
        if similarity[pair] < MIN_SIMILARITY:
            break
        if row_of[person[pair]] < 0 and not is_taken[detection[pair]]:
            row_of[person[pair]] = detection[pair]
            is_taken[detection[pair]] = True
    return row_of


def _compute_gains(
    people: Instances, predictions: Predictions, rows: Ints, detections: Ints
) -> Floats:
    """Return (m, h) gains: the disagreement of the label minus that of each repaired label."""
    keypoints = map_joints(people.keypoints[rows], people.skeleton, SMALLPOSE)
    predicted = map_joints(predictions.keypoints[detections], predictions.skeleton, SMALLPOSE)
    areas = measure_areas(people.keypoints[rows], people.boxes_xywh[rows])
    confidence = _measure_confidence(predicted[:, :, 2])
    confidence[(predicted == 0).all(axis=2)] = 0

    def disagree(poses: Floats) -> Floats:
        distances = measure_distances(
            poses, predicted, areas, list_sigmas(SMALLPOSE) * PREDICTION_ERROR
        )
        return np.asarray(np.minimum(distances, MAX_EVIDENCE) * confidence * (poses[:, :, 2] > 0))

    as_labelled = disagree(keypoints)
    judged = (keypoints[:, :, 2] > 0) & (confidence > 0)
    surplus = np.where(judged, as_labelled - EXPECTED_EVIDENCE * confidence, 0.0)
    total = as_labelled.sum(axis=1)
    gains = np.zeros((len(rows), len(HYPOTHESES)))
    repaired_agreement = np.zeros(len(rows))
    for column, (kind, joints) in enumerate(HYPOTHESES):
        if kind == "moved":
            gains[:, column] = surplus[:, SMALLPOSE.joints.index(joints[0])]
        elif kind == "two_people":
            parts = [
                surplus[:, SMALLPOSE.joint_indices(part)].sum(axis=1) for part in PARTS.values()
            ]
            gains[:, column] = np.max(parts, axis=0)
        elif kind != "sound":
            repaired = disagree(REPAIRS[column][0].apply(keypoints))
            gains[:, column] = total - repaired.sum(axis=1)
            agrees = ((repaired < EXPECTED_EVIDENCE) & judged).sum(axis=1)
            repaired_agreement = np.maximum(repaired_agreement, agrees)
    agrees = ((as_labelled < EXPECTED_EVIDENCE) & judged).sum(axis=1)
    is_same_person = np.maximum(agrees, repaired_agreement) >= MIN_AGREEING * judged.sum(axis=1)
    gains = gains.clip(-MAX_GAIN, MAX_GAIN)
    return np.where(is_same_person[:, None], gains, 0.0)


def _measure_confidence(scores: Floats) -> Floats:
    """Return scores over their median, at most 1; result files differ in their scale."""
    known = scores[scores > 0]
    usual = float(np.median(known)) if len(known) else 1.0
    return np.asarray((scores / usual).clip(0, 1))


def _find_missing(
    people: Instances, predictions: Predictions, images: Ints, row_of: Ints
) -> tuple[Ints, Floats]:
    """Find confident predictions that overlap no label, crowd, or person without keypoints."""
    matched = row_of[row_of >= 0]
    if not len(matched):
        return np.zeros(0, dtype=np.intp), np.zeros(0)
    usual = float(np.median(predictions.scores[matched]))
    is_free = (images >= 0) & (predictions.scores >= usual)
    is_free[matched] = False
    usual_joint = float(np.median(predictions.keypoint_scores[matched]))
    is_free &= (predictions.keypoint_scores >= usual_joint / 2).mean(axis=1) >= MIN_MISSING_JOINTS
    rows = np.flatnonzero(is_free)
    boxes = _box_predictions(predictions)
    first, second = list_pairs(images[rows], people.image_rows)
    labelled = _box_people(people)[second]
    overlap = _overlap_pairs(boxes[rows[first]], labelled)
    centre = boxes[rows[first], :2] + boxes[rows[first], 2:] / 2
    inside = (centre >= labelled[:, :2]) & (centre <= labelled[:, :2] + labelled[:, 2:])
    is_covered = (overlap > MAX_OVERLAP) | (inside.all(axis=1) & people.iscrowd[second])
    covered = np.zeros(len(rows), dtype=bool)
    np.logical_or.at(covered, first, is_covered)
    kept = _suppress_overlapping(rows[~covered], images, boxes, predictions.scores)
    return kept, predictions.scores[kept] / max(usual, 1e-9)


def _suppress_overlapping(rows: Ints, images: Ints, boxes: Floats, scores: Floats) -> Ints:
    """Keep the best of overlapping predictions."""
    kept: list[int] = []
    by_image: dict[int, list[int]] = {}
    for row in rows[np.argsort(-scores[rows], kind="stable")].tolist():
        others = by_image.setdefault(int(images[row]), [])
        if not others or box_iou(boxes[[row]], boxes[others]).max() <= MAX_OVERLAP:
            others.append(row)
            kept.append(row)
    return np.array(kept, dtype=np.intp)


def _overlap_pairs(first: Floats, second: Floats) -> Floats:
    """Return (p,) intersection over union of p pairs of boxes."""
    low = np.maximum(first[:, :2], second[:, :2])
    high = np.minimum(first[:, :2] + first[:, 2:], second[:, :2] + second[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    total = first[:, 2:].prod(axis=1) + second[:, 2:].prod(axis=1) - shared
    return np.asarray(np.divide(shared, total, out=np.zeros_like(shared), where=total > 0))


def _box_people(people: Instances) -> Floats:
    """Return (n, 4) boxes; of people without one, the extent of their joints."""
    has_box = (people.boxes_xywh[:, 2:] > 0).all(axis=1, keepdims=True)
    around = np.nan_to_num(box_around_keypoints(people.keypoints))
    return np.where(has_box, people.boxes_xywh, around)


def _box_predictions(predictions: Predictions) -> Floats:
    """Return (d, 4) the extent of the predicted joints, as boxes of detectors differ.

    A joint with score 0 at the corner of the image is one that the model did not find.
    """
    return np.asarray(np.nan_to_num(box_around_keypoints(mark_predicted(predictions.keypoints))))


def mark_predicted(keypoints: Floats) -> Floats:
    """Return poses with v = 2 for predicted joints and 0, 0, 0 for those a model did not find."""
    is_absent = (keypoints == 0).all(axis=2, keepdims=True)
    poses = np.where(is_absent, 0.0, keypoints)
    poses[:, :, 2] = np.where(is_absent[:, :, 0], 0.0, 2.0)
    return poses
