"""Check tables for problems and report them as plain sentences.

A fault makes numbers wrong or a reader fail; a remark is worth knowing and may well be intended.
Records that cannot be read at all do not come this far: the readers refuse them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import box_around_keypoints, box_iou, to_xyxy
from smallpose.core.errors import RefusedError
from smallpose.core.instances import Instances
from smallpose.core.joint_order import list_joints, match_joint_order
from smallpose.core.predictions import Predictions
from smallpose.io.joint_order_check import describe_other_order
from smallpose.system.files import check_file_name

_MAX_EXAMPLES = 3
_MAX_BOX_OVERLAP = 0.5  # IoU; boxes that overlap more may be of one person


@dataclass(frozen=True)
class Finding:
    """One sentence about a table, and whether it is a fault or only a remark."""

    message: str
    is_fault: bool

    def __str__(self) -> str:
        return f"{'fault ' if self.is_fault else 'remark'}  {self.message}"


def check_truth(people: Instances) -> list[Finding]:
    """Return the problems of labelled people and their images, faults first."""
    findings = [
        *_check_images(people),
        *_check_boxes(people),
        *_check_placeholders(people),
        *check_keypoints_outside(people),
        *_check_collapsed_poses(people),
        *_check_fields(people),
        *(Finding(note, is_fault=False) for note in people.notes),
    ]
    return sorted(findings, key=lambda f: not f.is_fault)


def check_predictions(predictions: Predictions) -> list[Finding]:
    """Return remarks on results: any finite value is valid."""
    remarks = list(predictions.notes)
    if not len(predictions):
        remarks.append("there is no detection in any image")
        return [Finding(remark, is_fault=False) for remark in remarks]
    remarks += _check_predicted_keypoints(predictions)
    num_duplicates = _count_duplicates(predictions)
    if num_duplicates:
        remarks.append(f"{num_duplicates:,} detections are identical to another one")
    low, high = predictions.scores.min(), predictions.scores.max()
    if low < 0 or high > 1:
        remarks.append(f"scores run from {low:g} to {high:g}")
    findings = [Finding(remark, is_fault=False) for remark in remarks]
    findings += _check_predicted_boxes(predictions)
    has_box = np.isfinite(predictions.boxes_xywh).all(axis=1)
    if has_box.any() and not has_box.all():
        source = "the boxes" if predictions.has_boxes else "the extent of the keypoints"
        what = (
            f"{int((~has_box).sum()):,} of {len(predictions):,} detections have no bbox; their "
            f"areas are taken from {source}, as for the first one"
        )
        findings.append(Finding(what, is_fault=predictions.has_boxes))
    max_per_image = int(np.unique(predictions.image_ids, return_counts=True)[1].max())
    if max_per_image > 20:
        what = f"up to {max_per_image} detections in an image; COCO's rule counts 20"
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
            f"{int(no_scores.sum()):,} of {n:,} detections have keypoint scores that are all 0 "
            f"(first: {_describe_detection(predictions, no_scores)}); COCO's rule ignores them, "
            "but xtcocotools (MMPose) drops such detections: write the score of each keypoint"
        )
    no_pose = (xy == 0).all(axis=(1, 2))
    if no_pose.any():
        remarks.append(
            f"{int(no_pose.sum()):,} of {n:,} detections have all keypoints at 0, 0 "
            f"(first: {_describe_detection(predictions, no_pose)}); leave out images "
            "where no person was detected"
        )
    has_pose = xy[~no_pose]
    if has_pose.size and has_pose.min() >= 0 and has_pose.max() <= 1:
        remarks.append(
            "all coordinates are between 0 and 1; write pixels: multiply x by the image's width "
            "and y by its height"
        )
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
        f"{int(is_negative.sum()):,} of {len(predictions):,} boxes have a negative width or "
        f"height (first: {_describe_detection(predictions, is_negative)}); write bbox as x, y, "
        "width, height"
    )
    return [Finding(what, is_fault=True)]


def _describe_detection(predictions: Predictions, is_affected: NDArray[np.bool_]) -> str:
    """Name the first detection affected, by its position in the table and its image."""
    row = int(np.argmax(is_affected))
    return f"detection {row + 1:,}, image {predictions.image_ids[row]}"


def check_joints(truth: Instances, predictions: Predictions) -> list[Finding]:
    """Return how the joints of results differ from those of their ground truth.

    The notes of the predictions say which joints were left out.
    """
    findings = []
    other_order = describe_other_order(truth, predictions)
    if other_order is not None:
        findings.append(Finding(other_order, is_fault=True))
    missing = match_joint_order(predictions.skeleton, truth.skeleton).missing
    if missing and len(predictions):
        what = f"the results lack {len(missing)} of the ground truth's {len(truth.skeleton)} joints"
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


def _check_images(people: Instances) -> list[Finding]:
    images = people.images
    findings = []
    refused = [
        image_id
        for image_id, name in zip(images.file_ids, images.file_names, strict=True)
        if not _is_valid_name(name)
    ]
    if refused:
        what = f"{len(refused):,} images have an unusable file_name (first: image {refused[0]})"
        findings.append(Finding(what, is_fault=True))
    no_size = (images.width <= 0) | (images.height <= 0)
    findings += _report_rows(no_size, images.file_ids, "images have no width and height")
    no_people = np.ones(len(images), dtype=bool)
    no_people[people.image_rows[people.is_counted]] = False
    findings += _report_rows(no_people, images.file_ids, "images have no person with keypoints")
    return findings


def _is_valid_name(name: str) -> bool:
    try:
        check_file_name(name)
    except RefusedError:
        return False
    return True


def _check_boxes(people: Instances) -> list[Finding]:
    is_flat = ~((people.boxes_xywh[:, 2] > 0) & (people.boxes_xywh[:, 3] > 0))
    no_area = people.is_counted & is_flat
    findings = _report_rows(
        no_area, people.file_ids, "labelled people have a box without area", is_fault=True
    )
    width = people.images.width[people.image_rows]
    height = people.images.height[people.image_rows]
    corners = to_xyxy(people.boxes_xywh)
    can_check = people.is_counted & ~is_flat & (width > 0) & (height > 0)
    # Half a pixel of tolerance: boxes are written with two decimals or in whole pixels.
    exceeds = np.asarray((corners[:, :2] < -0.5).any(axis=1))
    exceeds |= (corners[:, 2] > width + 0.5) | (corners[:, 3] > height + 0.5)
    findings += _report_rows(
        can_check & exceeds, people.file_ids, "boxes extend beyond their image"
    )
    is_outside = np.asarray((corners[:, 2:] <= 0).any(axis=1))
    is_outside |= (corners[:, 0] >= width) | (corners[:, 1] >= height)
    findings += _report_rows(
        can_check & is_outside,
        people.file_ids,
        "boxes are entirely outside their image",
        is_fault=True,
    )
    return findings


def check_keypoints_outside(people: Instances) -> list[Finding]:
    """Find labelled keypoints outside of images whose size is known."""
    is_labelled = people.keypoints[:, :, 2] > 0
    width = people.images.width[people.image_rows][:, None]
    height = people.images.height[people.image_rows][:, None]
    x, y = people.keypoints[:, :, 0], people.keypoints[:, :, 1]
    is_outside = is_labelled & (width > 0) & ((x < -1) | (y < -1) | (x > width) | (y > height))
    is_placeholder = is_labelled & _is_placeholder(people)
    is_outside &= ~is_placeholder
    findings = _report_keypoints(
        people, is_outside, "labelled keypoints outside the image", "", is_fault=False
    )
    num_real = np.count_nonzero(is_labelled & ~is_placeholder, axis=1)
    findings += _report_rows(
        people.is_counted & (2 * np.count_nonzero(is_outside, axis=1) > num_real),
        people.file_ids,
        "people have most of their labelled keypoints outside the image; compare the size of the "
        "image with its width and height here (--images DIR)",
        is_fault=True,
    )
    return findings


def _check_collapsed_poses(people: Instances) -> list[Finding]:
    size = box_around_keypoints(people.keypoints)[:, 2:]
    is_collapsed = (people.num_labelled >= 3) & (size <= 1).all(axis=1)
    return _report_rows(
        is_collapsed & people.is_counted,
        people.file_ids,
        "people have all keypoints at one point",
        is_fault=True,
    )


def _is_placeholder(people: Instances) -> NDArray[np.bool_]:
    """Return (n, k) keypoints at 0, 0 or at -1, -1, -0.5, -0.5, -999, -999, which are no labels.

    Tools write 0, 0 for joints without a label; counting pixels from 0 instead of 1 makes it
    -1, -1.
    """
    x, y = people.keypoints[:, :, 0], people.keypoints[:, :, 1]
    return np.asarray((x == y) & (x <= 0))


def _check_placeholders(people: Instances) -> list[Finding]:
    """Find keypoints that are marked as labelled at a point that means "no label"."""
    is_placeholder = (people.keypoints[:, :, 2] > 0) & _is_placeholder(people)
    x = people.keypoints[:, :, 0]
    remedy = "give joints without a label v = 0"
    findings = []
    for value in np.unique(x[is_placeholder]).tolist()[::-1]:
        value += 0.0  # -0.0 becomes 0.0
        point = f"labelled keypoints (v > 0) at {value:g}, {value:g}"
        findings += _report_keypoints(
            people, is_placeholder & (x == value), point, remedy, is_fault=True
        )
    return findings


def _report_keypoints(
    people: Instances, is_affected: NDArray[np.bool_], what: str, remedy: str, is_fault: bool
) -> list[Finding]:
    """Report how many people and keypoints are affected, with examples; nothing for none."""
    rows = np.flatnonzero(is_affected.any(axis=1))
    if not len(rows):
        return []
    joints = people.skeleton.joints
    examples = [
        f"id {people.file_ids[row]}, {joints[int(np.argmax(is_affected[row]))]}"
        for row in rows[:_MAX_EXAMPLES]
    ]
    message = (
        f"{len(rows):,} people have {int(is_affected.sum()):,} {what} "
        f"(first: {'; '.join(examples)})"
    )
    return [Finding(f"{message}; {remedy}" if remedy else message, is_fault)]


def _check_fields(people: Instances) -> list[Finding]:
    has_area = ~np.isnan(people.file_area)
    difference = np.abs(people.file_area - people.area)
    checks = {
        "annotations whose num_keypoints is not the count of v > 0": (
            (people.num_keypoints != people.num_labelled) & ~people.iscrowd
        ),
        "people with labels but num_keypoints 0 (they are ignored)": (
            ~people.iscrowd & (people.num_keypoints == 0) & (people.num_labelled > 0)
        ),
        "people have no area field": ~has_area & people.is_counted,
        "areas are not width × height of the box (a mask's area?)": (
            has_area & people.is_counted & (difference > 0.01 * np.maximum(people.area, 1))
        ),
        "annotation has id 0, which pycocotools never matches": people.ids == 0,
    }
    return [
        finding
        for message, is_affected in checks.items()
        for finding in _report_rows(is_affected, people.file_ids, message)
    ]


def _report_rows(
    is_affected: NDArray[np.bool_], ids: Sequence[int | str], message: str, is_fault: bool = False
) -> list[Finding]:
    """Report how many rows are affected, with the id of the first; nothing where none is."""
    n = int(np.count_nonzero(is_affected))
    if n == 0:
        return []
    return [Finding(f"{n:,} {message} (first: id {ids[int(np.argmax(is_affected))]})", is_fault)]


def check_merged_poses(
    people: Instances, image_rows: NDArray[np.intp], boxes_xywh: NDArray[np.float64]
) -> list[Finding]:
    """Find poses that lie in several boxes without a pose, and nowhere else.

    Label Studio's COCO export merges the keypoints of all people of an image into one pose beside
    their boxes.

    Args:
        image_rows: (m,) row of the image of each box without a pose, in `people.images`.
        boxes_xywh: (m, 4) those boxes.
    """
    is_merged = np.zeros(len(people), dtype=bool)
    num_boxes = np.zeros(len(people), dtype=np.int64)
    candidates = people.is_counted & (people.num_labelled >= 2)
    order = np.argsort(image_rows, kind="stable")
    starts = np.searchsorted(image_rows[order], people.image_rows, "left")
    stops = np.searchsorted(image_rows[order], people.image_rows, "right")
    for row in np.flatnonzero(candidates & (stops - starts >= 2)).tolist():
        boxes = boxes_xywh[order[starts[row] : stops[row]]]
        is_labelled = people.keypoints[row, :, 2] > 0
        num_boxes[row] = _count_needed_boxes(people.keypoints[row, is_labelled, :2], boxes)
        is_merged[row] = num_boxes[row] >= 2
    return _report_merged(people, is_merged, num_boxes)


def _count_needed_boxes(points: NDArray[np.float64], boxes_xywh: NDArray[np.float64]) -> int:
    """Return how many separate boxes have points of their own; 0 if a point is in no box."""
    corners = to_xyxy(boxes_xywh)
    is_inside = (points[:, None] >= corners[:, :2]) & (points[:, None] <= corners[:, 2:])
    contains = np.asarray(is_inside.all(axis=2))  # (points, boxes)
    if not contains.any(axis=1).all() or contains.all(axis=0).any():
        return 0
    is_own = contains & (contains.sum(axis=1) == 1)[:, None]
    needed = np.flatnonzero(is_own.any(axis=0))
    overlap = box_iou(boxes_xywh[needed], boxes_xywh[needed])
    np.fill_diagonal(overlap, 0.0)
    return len(needed) if (overlap <= _MAX_BOX_OVERLAP).all() else 0


def _report_merged(
    people: Instances, is_merged: NDArray[np.bool_], num_boxes: NDArray[np.int64]
) -> list[Finding]:
    if not is_merged.any():
        return []
    row = int(np.argmax(is_merged))
    what = (
        f"{int(is_merged.sum()):,} poses lie in several boxes that have no pose: people merged "
        f"into one? (first: id {people.file_ids[row]} over {num_boxes[row]} boxes in "
        f"{people.images.file_names[people.image_rows[row]]}); export one pose per person (Label "
        "Studio's COCO export merges the people of an image, its JSON export does not)"
    )
    return [Finding(what, is_fault=False)]
