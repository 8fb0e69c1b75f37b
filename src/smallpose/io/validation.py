"""Check tables for problems and report them as plain sentences.

A fault makes numbers wrong or a reader fail; a remark is worth knowing and may well be intended.
Records that cannot be read at all do not come this far: the readers refuse them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import box_around_keypoints, to_xyxy
from smallpose.core.errors import RefusedError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.system.files import check_file_name


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
        *_check_keypoints(people),
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
    num_duplicates = _count_duplicates(predictions)
    if num_duplicates:
        remarks.append(f"{num_duplicates:,} detections are identical to another one")
    low, high = predictions.scores.min(), predictions.scores.max()
    if low < 0 or high > 1:
        remarks.append(f"scores run from {low:g} to {high:g}")
    findings = [Finding(remark, is_fault=False) for remark in remarks]
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
        for image_id, name in zip(images.ids.tolist(), images.file_names, strict=True)
        if not _is_valid_name(name)
    ]
    if refused:
        what = f"{len(refused):,} images have an unusable file_name (first: image {refused[0]})"
        findings.append(Finding(what, is_fault=True))
    no_size = (images.width <= 0) | (images.height <= 0)
    findings += _report_rows(no_size, images.ids, "images have no width and height")
    no_people = np.ones(len(images), dtype=bool)
    no_people[people.image_rows[people.is_counted]] = False
    findings += _report_rows(no_people, images.ids, "images have no person with keypoints")
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
        no_area, people.ids, "labelled people have a box without area", is_fault=True
    )
    width = people.images.width[people.image_rows]
    height = people.images.height[people.image_rows]
    corners = to_xyxy(people.boxes_xywh)
    can_check = people.is_counted & ~is_flat & (width > 0) & (height > 0)
    # Half a pixel of tolerance: boxes are written with two decimals or in whole pixels.
    exceeds = np.asarray((corners[:, :2] < -0.5).any(axis=1))
    exceeds |= (corners[:, 2] > width + 0.5) | (corners[:, 3] > height + 0.5)
    findings += _report_rows(can_check & exceeds, people.ids, "boxes extend beyond their image")
    is_outside = np.asarray((corners[:, 2:] <= 0).any(axis=1))
    is_outside |= (corners[:, 0] >= width) | (corners[:, 1] >= height)
    findings += _report_rows(
        can_check & is_outside, people.ids, "boxes are entirely outside their image", is_fault=True
    )
    return findings


def _check_keypoints(people: Instances) -> list[Finding]:
    is_labelled = people.keypoints[:, :, 2] > 0
    width = people.images.width[people.image_rows][:, None]
    height = people.images.height[people.image_rows][:, None]
    x, y = people.keypoints[:, :, 0], people.keypoints[:, :, 1]
    is_outside = is_labelled & (width > 0) & ((x < -1) | (y < -1) | (x > width) | (y > height))
    findings = _report_rows(
        np.asarray(is_outside.any(axis=1)),
        people.ids,
        "people have labelled keypoints outside the image",
    )
    size = box_around_keypoints(people.keypoints)[:, 2:]
    is_collapsed = (people.num_labelled >= 3) & (size <= 1).all(axis=1)
    findings += _report_rows(
        is_collapsed & people.is_counted,
        people.ids,
        "people have all keypoints at one point",
        is_fault=True,
    )
    return findings


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
        for finding in _report_rows(is_affected, people.ids, message)
    ]


def _report_rows(
    is_affected: NDArray[np.bool_], ids: NDArray[np.int64], message: str, is_fault: bool = False
) -> list[Finding]:
    """Report how many rows are affected, with the id of the first; nothing where none is."""
    n = int(np.count_nonzero(is_affected))
    if n == 0:
        return []
    return [Finding(f"{n:,} {message} (first: id {ids[np.argmax(is_affected)]})", is_fault)]
