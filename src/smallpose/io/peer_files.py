"""Find what converters leave in COCO files, and what other evaluators read differently.

Each finding was measured on the tools that it names; docs/peers.md has the versions.
"""

import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import box_iou
from smallpose.core.counts import format_count, format_share
from smallpose.core.instances import Instances
from smallpose.io.finding import Finding
from smallpose.io.label_faults import UNCOUNTED

Rows = NDArray[np.intp]
_MIN_OVERLAP = 0.4  # IoU of a person's box with a region; sleap-io makes the box that of the joints
# The share of the people from which on such regions are no chance: in COCO a crowd is beside them.
_MIN_SHARE = 0.5


def check_peer_files(people: Instances) -> list[Finding]:
    """Return remarks on labels that other tools changed or read differently."""
    findings = []
    num_people = int(np.count_nonzero(people.is_counted))
    note = describe_repeated_regions(count_repeated_regions(people), num_people)
    if note:
        findings.append(Finding(note, is_fault=False))
    is_negative = (people.ids < 0) & ~people.iscrowd
    if not people.text_ids and is_negative.any():
        first = people.file_ids[int(np.argmax(is_negative))]
        what = (
            f"{format_count(int(is_negative.sum()), 'annotation has', 'annotations have')} "
            f"negative ids (first: {first}), which faster-coco-eval loses and hotcoco refuses; "
            "number them from 1"
        )
        findings.append(Finding(what, is_fault=False))
    if people.images.text_ids:
        first = people.images.file_ids[0]
        what = (
            f"ids of images are text (first: {first!r}): pycocotools reads that, other evaluators "
            "do not; number images for them"
        )
        findings.append(Finding(what, is_fault=False))
    return findings


def count_repeated_regions(people: Instances) -> int:
    """Count the people who have a region to ignore (iscrowd) of their own in their place.

    Only images where at least every second one has it are looked at: in COCO a crowd is beside the
    people. What is counted in images adds up.
    """
    return sum(_count_repeated(people, rows) for rows in _list_rows_of_images(people))


def describe_repeated_regions(num_repeated: int, num_people: int) -> str | None:
    """Say so where most people have a region to ignore (iscrowd) of their own; else None.

    sleap-io writes a second annotation for each segmentation, without keypoints and with iscrowd 1.
    False positives on such people are ignored, so that AP is too high.

    Args:
        num_repeated: see `count_repeated_regions`.
        num_people: who are counted.
    """
    if not num_repeated or num_repeated < _MIN_SHARE * num_people:
        return None
    return (
        f"{format_share(num_repeated, num_people, 'person has', 'people have')} a region to ignore "
        f"(iscrowd 1) in their place, {UNCOUNTED}: remove those "
        "annotations (sleap-io writes them for segmentations)"
    )


def _list_rows_of_images(people: Instances) -> list[Rows]:
    """Return the rows of the people and regions of each image that has many regions."""
    num_images = len(people.images.ids)
    num_people, num_regions = (
        np.bincount(people.image_rows[is_kind], minlength=num_images)
        for is_kind in (people.is_counted, people.iscrowd)
    )
    is_crowded = (num_regions > 0) & (num_people > 0) & (num_regions >= _MIN_SHARE * num_people)
    rows = np.flatnonzero(is_crowded[people.image_rows])
    rows = rows[np.argsort(people.image_rows[rows], kind="stable")]
    starts = np.flatnonzero(np.diff(people.image_rows[rows], prepend=-1))
    return np.split(rows, starts[1:])


def _count_repeated(people: Instances, rows: Rows) -> int:
    """Count the people of an image who are nearest to a region, and it to them."""
    persons = rows[people.is_counted[rows]]
    regions = rows[people.iscrowd[rows]]
    if not (len(persons) and len(regions)):
        return 0
    overlap = box_iou(people.boxes_xywh[persons], people.boxes_xywh[regions])
    nearest = overlap.argmax(axis=1)
    is_mutual = overlap.argmax(axis=0)[nearest] == np.arange(len(persons))
    return int((is_mutual & (overlap.max(axis=1) >= _MIN_OVERLAP)).sum())
