"""Check labelled people for problems and report them as plain sentences.

A fault makes numbers wrong or a reader fail; a remark is worth knowing and may well be intended.
Records that cannot be read at all do not come this far: the readers refuse them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import to_xyxy
from smallpose.core.counts import format_count
from smallpose.core.errors import RefusedError
from smallpose.core.instances import Instances
from smallpose.io.finding import Finding
from smallpose.io.peer_files import check_peer_files
from smallpose.io.pose_pairs import find_placeholders
from smallpose.io.record_checks import (
    describe_box_form,
    describe_pairs,
    find_collapsed,
    find_people_labelled_twice,
    find_shared_names,
    list_first,
    recognize_box_form,
)
from smallpose.system.files import check_file_name

# How messages begin for several rows, and for one.
_SINGULARS = {
    "labelled people have": "labelled person has",
    "people have": "person has",
    "people with": "person with",
    "images have": "image has",
    "annotations whose": "annotation whose",
    "areas are": "area is",
    "boxes extend beyond their": "box extends beyond its",
    "boxes are entirely outside their": "box is entirely outside its",
}
_MAX_EXAMPLES = 3


def check_truth(people: Instances) -> list[Finding]:
    """Return the problems of labelled people and their images, faults first."""
    findings = [
        *_check_images(people),
        *_check_boxes(people),
        *check_placeholders(people),
        *check_keypoints_outside(people),
        *_report_rows(
            find_collapsed(people),
            people.file_ids,
            "people have all keypoints at one point",
            is_fault=True,
        ),
        *_check_repetitions(people),
        *check_units(people),
        *_check_fields(people),
        *check_peer_files(people),
        *(Finding(note, is_fault=False) for note in people.notes),
    ]
    return sorted(findings, key=lambda f: not f.is_fault)


def _check_images(people: Instances) -> list[Finding]:
    images = people.images
    findings = []
    refused = [
        image_id
        for image_id, name in zip(images.file_ids, images.file_names, strict=True)
        if not _is_valid_name(name)
    ]
    if refused:
        what = (
            f"{format_count(len(refused), 'image has', 'images have')} an unusable file_name "
            f"(first: image {refused[0]})"
        )
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


def _check_repetitions(people: Instances) -> list[Finding]:
    """Find images that are listed under several ids, and people who are labelled twice."""
    findings = []
    shared = find_shared_names(people.images)
    if shared:
        name, ids = shared[0]
        what = (
            f"{format_count(len(shared), 'file name is', 'file names are')} of several images "
            f"(first: {name}, ids {list_first(ids, _MAX_EXAMPLES)}); give each image one id, and "
            "its people this id"
        )
        findings.append(Finding(what, is_fault=True))
    pairs, is_equal = find_people_labelled_twice(people)
    if is_equal.any():
        what = (
            f"people labelled twice with equal keypoints: {describe_pairs(people, pairs[is_equal])}"
        )
        findings.append(Finding(f"{what}; one of both is always missed: remove it", is_fault=True))
    if not is_equal.all():
        what = f"people who may be labelled twice: {describe_pairs(people, pairs[~is_equal])}"
        findings.append(
            Finding(f"{what}; their joints are in nearly the same places", is_fault=False)
        )
    return findings


def check_units(people: Instances) -> list[Finding]:
    """Find coordinates that are shares of the image, and boxes in another form."""
    keypoints, boxes = people.keypoints[people.is_counted], people.boxes_xywh[people.is_counted]
    if not len(keypoints):
        return []
    is_labelled = keypoints[:, :, 2] > 0
    xy = keypoints[:, :, :2][is_labelled]
    if xy.size and xy.min() >= 0 and xy.max() <= 1 and xy.max() > 0:
        what = (
            "all labelled keypoints are between 0 and 1; write pixels: multiply x by the image's "
            "width and y by its height"
        )
        return [Finding(what, is_fault=True)]
    sizes_wh = np.column_stack([people.images.width, people.images.height]).astype(np.float64)
    image_rows = people.image_rows[people.is_counted]
    form = recognize_box_form(boxes, keypoints, sizes_wh[image_rows])
    return [] if form is None else [describe_box_form(*form, len(boxes))]


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
    is_placeholder = is_labelled & find_placeholders(people.keypoints)
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


def check_placeholders(people: Instances) -> list[Finding]:
    """Find keypoints that are marked as labelled at a point that means "no label"."""
    is_placeholder = (people.keypoints[:, :, 2] > 0) & find_placeholders(people.keypoints)
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
    joints = people.skeleton.spelled_joints
    examples = [
        f"id {people.file_ids[row]}, {joints[int(np.argmax(is_affected[row]))]}"
        for row in rows[:_MAX_EXAMPLES]
    ]
    num_keypoints = int(is_affected.sum())
    if num_keypoints == 1:
        what = what.replace("keypoints", "keypoint", 1)
    message = (
        f"{format_count(len(rows), 'person has', 'people have')} {num_keypoints:,} {what} "
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
    for plural, singular in _SINGULARS.items():
        if n == 1 and message.startswith(plural):
            message = singular + message.removeprefix(plural)
    return [Finding(f"{n:,} {message} (first: id {ids[int(np.argmax(is_affected))]})", is_fault)]
