"""Refuse results that make no sense on a leaderboard, each in one line that says what to do."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.joint_order import list_joints
from smallpose.core.predictions import Predictions
from smallpose.evaluation.sigma_file import JointSigmas
from smallpose.io.equal_scores import EQUAL_SCORES_REMEDY, find_equal_scores
from smallpose.io.result_validation import check_joints
from smallpose.report.inputs.person_matching import match_people

COPY_PX = 0.05  # distance from its label below which a keypoint is a copy of it
MAX_COPIED = 0.5  # share of people whose poses are the labels
MIN_PEOPLE = 5  # below which copies prove nothing
MAX_OUTSIDE = 0.5  # share of detections that are entirely outside their image
UNIT = 1.5  # px, within which coordinates are shares of the image, also some that lie outside
MAX_IN_UNIT = 0.95  # share of the coordinates that lie there
MIN_IMAGES = 0.5  # share of the images with people below which a note counts the others
# Of results without boxes, whose false positives may be in other size classes than those of others.
WITHOUT_BOXES = (
    "no bbox: areas of detections are those of the extent of their keypoints, so AP by size "
    "differs from that of a row with bbox, for equal poses, too; write bbox"
)
Mask = NDArray[np.bool_]


def check_submission(
    path: Path,
    truth: Instances,
    predictions: Predictions,
    required_joints: Sequence[str],
    max_per_image: int,
    sigmas: JointSigmas | None = None,
) -> list[str]:
    """Check results that could be read, whose ids, numbers and categories are valid.

    Args:
        required_joints: those that the board scores.
        max_per_image: detections of an image above which the results are refused.
        sigmas: of OKS, by which poses are matched with labels (default: those of the joints).

    Returns: notes for the reader of the board.
    Raises: InputError for the first thing that makes no sense.
    """
    if not len(predictions):
        raise InputError(str(path), "has no detection", "add the results of a model")
    _check_joints(path, predictions, required_joints)
    _check_coordinates(path, truth, predictions)
    _check_fit(path, truth, predictions)
    _check_boxes(path, predictions)
    _check_cap(path, truth, predictions, max_per_image)
    _check_duplicates(path, truth, predictions)
    _check_scores(path, predictions)
    _check_copied_labels(path, truth, predictions, sigmas)
    notes = [*predictions.notes, *_describe_missing_images(truth, predictions)]
    return notes if predictions.has_boxes else [*notes, WITHOUT_BOXES]


def _check_joints(path: Path, predictions: Predictions, required: Sequence[str]) -> None:
    missing = [joint for joint in required if joint not in predictions.skeleton.joints]
    if missing:
        raise InputError(
            str(path),
            f"lacks {len(missing)} of the {format_count(len(required), 'joint')} that the board "
            f"scores: {list_joints(tuple(missing))}",
            "predict all of them, or use a board that was started with --keypoints coco17",
        )


def _check_fit(path: Path, truth: Instances, predictions: Predictions) -> None:
    """Refuse joints in another order or on the other side, and poses of images of another size."""
    faults = [finding for finding in check_joints(truth, predictions) if finding.is_fault]
    if faults:
        # The sentence ends with its own remedy.
        what, _, remedy = faults[0].message.partition("; ")
        raise InputError(str(path), what, remedy or "correct the keypoints")


def _check_coordinates(path: Path, truth: Instances, predictions: Predictions) -> None:
    xy = predictions.keypoints[:, :, :2]
    if (xy == 0).all():
        raise InputError(str(path), "all keypoints are at 0, 0", "write pixels of the image")
    if (np.abs(xy) < UNIT).mean() > MAX_IN_UNIT:
        raise InputError(
            str(path),
            "the coordinates are between 0 and 1",
            "write pixels: multiply x by the image's width and y by its height",
        )
    rows = np.array([truth.images.row_of[image] for image in predictions.image_ids.tolist()])
    wh = np.stack([truth.images.width[rows], truth.images.height[rows]], axis=1)
    has_size = (wh > 0).all(axis=1)
    is_point_inside = ((xy >= -1) & (xy <= wh[:, None] + 1)).all(axis=2)
    is_outside = np.asarray(has_size & ~np.any(is_point_inside, axis=1))
    if has_size.any() and is_outside.sum() > MAX_OUTSIDE * has_size.sum():
        row = int(np.argmax(is_outside))
        raise InputError(
            str(path),
            f"{int(is_outside.sum()):,} of {format_count(int(has_size.sum()), 'detection')} are "
            f"entirely outside their image (first: {_describe_detection(truth, predictions, row)})",
            "write pixels of the original images, not of resized ones or of crops",
        )


def _check_boxes(path: Path, predictions: Predictions) -> None:
    is_negative = np.asarray((predictions.boxes_xywh[:, 2:] < 0).any(axis=1))
    if is_negative.any():
        raise InputError(
            str(path),
            f"{format_count(int(is_negative.sum()), 'box has', 'boxes have')} a negative width or "
            "height",
            "write bbox as x, y, width, height",
        )


def _check_cap(path: Path, truth: Instances, predictions: Predictions, maximum: int) -> None:
    ids, counts = np.unique(predictions.image_ids, return_counts=True)
    most = int(counts.argmax())
    if counts[most] > maximum:
        image = truth.images.file_id_of[int(ids[most])]
        raise InputError(
            f"{path}, image {image}",
            f"{format_count(int(counts[most]), 'detection')}, and the board allows {maximum} in an "
            "image",
            f"keep the {maximum} of the highest scores",
        )


def _check_duplicates(path: Path, truth: Instances, predictions: Predictions) -> None:
    """Refuse a pose that is in an image twice, whatever its scores."""
    xy = predictions.keypoints[:, :, :2].reshape(len(predictions), -1)
    poses = np.column_stack([predictions.image_ids, xy])
    _, first, counts = np.unique(poses, axis=0, return_index=True, return_counts=True)
    num_repeated = len(predictions) - len(first)
    if num_repeated:
        row = int(first[np.argmax(counts > 1)])
        raise InputError(
            str(path),
            f"{format_count(num_repeated, 'detection repeats', 'detections repeat')} another pose "
            f"of their image (first: {_describe_detection(truth, predictions, row)})",
            "write each detection once",
        )


def _check_scores(path: Path, predictions: Predictions) -> None:
    what = find_equal_scores(predictions.scores)
    if what:
        raise InputError(str(path), what, EQUAL_SCORES_REMEDY)


def _check_copied_labels(
    path: Path, truth: Instances, predictions: Predictions, sigmas: JointSigmas | None
) -> None:
    """Refuse poses that are the labels; no model comes within a twentieth of a pixel."""
    matches = match_people(truth, predictions, sigmas=sigmas)
    people = np.flatnonzero(matches.is_scored & (matches.rows >= 0))
    names = [j for j in predictions.skeleton.joints if j in truth.skeleton.joints]
    of_truth = [truth.skeleton.joints.index(j) for j in names]
    of_results = [predictions.skeleton.joints.index(j) for j in names]
    labels = truth.keypoints[people][:, of_truth]
    poses = predictions.keypoints[matches.rows[people]][:, of_results]
    is_labelled = labels[:, :, 2] > 0
    distance = np.abs(labels[:, :, :2] - poses[:, :, :2]).max(axis=2)
    is_copied = ((distance <= COPY_PX) | ~is_labelled).all(axis=1) & is_labelled.any(axis=1)
    num_copied, num_people = int(is_copied.sum()), int(matches.is_scored.sum())
    if num_people >= MIN_PEOPLE and num_copied >= MAX_COPIED * num_people:
        raise InputError(
            str(path),
            f"the poses of {num_copied:,} of {format_count(num_people, 'person', 'people')} are "
            "their labels",
            "add what a model predicted from the images",
        )


def _describe_missing_images(truth: Instances, predictions: Predictions) -> list[str]:
    with_people = np.unique(truth.images.ids[truth.image_rows[truth.is_counted]])
    num_missing = len(np.setdiff1d(with_people, predictions.image_ids))
    if num_missing <= (1 - MIN_IMAGES) * len(with_people):
        return []
    return [
        f"no detection in {num_missing:,} of the {format_count(len(with_people), 'image')} with "
        "people"
    ]


def _describe_detection(truth: Instances, predictions: Predictions, row: int) -> str:
    image = truth.images.file_id_of[int(predictions.image_ids[row])]
    return f"entry {row}, image {image}"
