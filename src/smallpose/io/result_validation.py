"""Check results for problems and report them as plain sentences."""

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count, format_share
from smallpose.core.instances import Images, Instances
from smallpose.core.joint_order import list_joints, match_joint_order
from smallpose.core.predictions import Predictions
from smallpose.io.equal_scores import EQUAL_SCORES, EQUAL_SCORES_REMEDY, find_equal_scores
from smallpose.io.finding import Finding
from smallpose.io.mismatch import describe_mismatch
from smallpose.io.mismatch_causes import AS_SHARES, has_shares
from smallpose.io.record_checks import describe_box_form, recognize_box_form


def check_predictions(predictions: Predictions, images: Images | None = None) -> list[Finding]:
    """Return remarks on results: any finite value is valid.

    Args:
        images: of the ground truth, whose sizes tell boxes that are shares of them.
    """
    remarks = list(predictions.notes)
    if not len(predictions):
        remarks.append("there is no detection in any image")
        return [Finding(remark, is_fault=False) for remark in remarks]
    remarks += _check_predicted_keypoints(predictions)
    num_duplicates = _count_duplicates(predictions)
    if num_duplicates:
        remarks.append(
            f"{format_count(num_duplicates, 'detection is', 'detections are')} identical to "
            "another one"
        )
    equal_scores = find_equal_scores(predictions.scores)
    if equal_scores and not any(EQUAL_SCORES in note for note in predictions.notes):
        remarks.append(f"{equal_scores}; {EQUAL_SCORES_REMEDY}")
    low, high = predictions.scores.min(), predictions.scores.max()
    if low < 0 or high > 1:
        remarks.append(f"scores run from {low:g} to {high:g}")
    findings = [Finding(remark, is_fault=False) for remark in remarks]
    findings += _check_predicted_boxes(predictions)
    findings += _check_box_form(predictions, images)
    has_box = np.isfinite(predictions.boxes_xywh).all(axis=1)
    if has_box.any() and not has_box.all():
        source = "the boxes" if predictions.has_boxes else "the extent of the keypoints"
        num_bare = int((~has_box).sum())
        bare = format_share(num_bare, len(predictions), "detection has", "detections have")
        what = f"{bare} no bbox; their areas are taken from {source}, as for the first one"
        findings.append(Finding(what, is_fault=predictions.has_boxes))
    max_per_image = int(np.unique(predictions.image_ids, return_counts=True)[1].max())
    if max_per_image > 20:
        what = (
            f"up to {format_count(max_per_image, 'detection')} in an image; COCO's rule counts 20"
        )
        findings.append(Finding(what, is_fault=False))
    return findings


def _check_predicted_keypoints(predictions: Predictions) -> list[str]:
    """Return remarks on coordinates and keypoint scores that are rarely intended."""
    n = len(predictions)
    xy = predictions.keypoints[:, :, :2]
    remarks = []
    no_scores = (predictions.keypoint_scores == 0).all(axis=1)
    if no_scores.any():
        remarks.append(
            f"{format_share(int(no_scores.sum()), n, 'detection has', 'detections have')} keypoint "
            f"scores that are all 0 (first: {_describe_detection(predictions, no_scores)}); COCO's "
            "rule ignores them, but xtcocotools (MMPose) drops such detections: write the score "
            "of each keypoint"
        )
    no_pose = (xy == 0).all(axis=(1, 2))
    if no_pose.any():
        remarks.append(
            f"{format_share(int(no_pose.sum()), n, 'detection has', 'detections have')} all "
            f"keypoints at 0, 0 (first: {_describe_detection(predictions, no_pose)}); leave out "
            "images where no person was detected"
        )
    has_pose = xy[~no_pose]
    if has_shares(has_pose):
        remarks.append(AS_SHARES)
    elif has_pose.size and (has_pose == np.round(has_pose)).all():
        remarks.append(
            "all coordinates are whole numbers, which costs AP where people are small; write "
            "them as floats"
        )
    return remarks


def _check_predicted_boxes(predictions: Predictions) -> list[Finding]:
    """Find boxes of negative size, whose product may still look like an area."""
    is_negative = np.asarray((predictions.boxes_xywh[:, 2:] < 0).any(axis=1))
    if not is_negative.any():
        return []
    what = (
        f"{format_share(int(is_negative.sum()), len(predictions), 'box has', 'boxes have')} a "
        f"negative width or height (first: {_describe_detection(predictions, is_negative)}); write "
        "bbox as x, y, width, height"
    )
    return [Finding(what, is_fault=True)]


def _check_box_form(predictions: Predictions, images: Images | None) -> list[Finding]:
    """Find boxes that are corners, centres or shares of the image."""
    sizes_wh = np.zeros((len(predictions), 2))
    if images is not None and len(images):
        order = np.argsort(images.ids)
        place = np.searchsorted(images.ids[order], predictions.image_ids)
        rows = order[np.minimum(place, len(order) - 1)]
        sizes_wh = np.column_stack([images.width, images.height])[rows].astype(np.float64)
    poses = predictions.keypoints.copy()
    poses[:, :, 2] = 1  # results have scores here, and all joints
    form = recognize_box_form(predictions.boxes_xywh, poses, sizes_wh)
    return [] if form is None else [describe_box_form(*form, len(predictions))]


def _describe_detection(predictions: Predictions, is_affected: NDArray[np.bool_]) -> str:
    """Name the first detection affected, by its position in the table and its image."""
    row = int(np.argmax(is_affected))
    return f"detection {row + 1:,}, image {predictions.image_ids[row]}"


def check_joints(truth: Instances, predictions: Predictions) -> list[Finding]:
    """Return how the joints of results, or their places, differ from the ground truth's.

    The notes of the predictions say which joints were left out.
    """
    findings = []
    mismatch = describe_mismatch(truth, predictions)
    if mismatch is not None:
        findings.append(Finding(mismatch, is_fault=True))
    missing = match_joint_order(predictions.skeleton, truth.skeleton).missing
    if missing and len(predictions):
        what = (
            f"the results lack {len(missing)} of the ground truth's "
            f"{format_count(len(truth.skeleton), 'joint')}"
        )
        findings.append(Finding(f"{what}: {list_joints(missing)}", is_fault=False))
    return findings


def _count_duplicates(predictions: Predictions) -> int:
    rows = np.column_stack(
        [
            predictions.image_ids,
            predictions.scores,
            predictions.keypoints.reshape(len(predictions), -1),
        ]
    )
    return len(rows) - len(np.unique(rows, axis=0))
