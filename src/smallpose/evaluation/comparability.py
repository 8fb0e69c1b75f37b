"""What an evaluation is comparable to: COCO keypoints 2017 as published, or what differs from it.

Published numbers are AP, AP50, AP75 and AR on val2017 of all people, with the areas of masks, the
sigmas of COCO's 17 joints, 20 detections per image and detected boxes. Each condition is decided by
what was scored, never by the name of a file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from smallpose.core.counts import format_count, format_share
from smallpose.core.instances import Instances
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.areas import OKS_AREAS
from smallpose.evaluation.matching.arrays import Floats, ImageGroups, Ints
from smallpose.evaluation.matching.keypoint_selection import ScoredPoses, round_like_coco
from smallpose.evaluation.protocols import PAPER_LIMITS
from smallpose.evaluation.scoring.match_counts import MatchCounts

COCO_AS_PUBLISHED = "COCO keypoints 2017 as published"
MAX_DETECTIONS = 20
# val2017: its images, the first and the last of their ids, and the people with a labelled joint.
NUM_IMAGES = 5000
ID_RANGE = (139, 581781)
NUM_PEOPLE = 6352
COCO_SIZE_LIMITS = (32.0**2, 96.0**2)
MIXED_BOXES = "a part of the difference is the boxes"  # in the note on them
LABEL_BOXES = "has the boxes of the labels"  # in the note on a result that has them
_BOXES = "boxes: "  # kind of a difference
# Share from which on boxes are those of the labels, and areas those of the boxes.
_MAJORITY = 0.5
# Share of images with people that may lack detections, as results with a score threshold do.
MAX_SHARE_WITHOUT_DETECTIONS = 0.1
# Images with two or more people, each with as many detections, that cannot be chance.
_MIN_CROWDED_IMAGES = 5
_MIN_CROWDED_WITH_BOXES = 100  # the same where the results have boxes of their own
_AREA_TOLERANCE = 1e-6
_BOX_STEPS = 10  # per px, to which equal boxes may be rounded
# Odd numbers with mixed bits, so that sums of products differ where boxes do.
_BOX_FACTORS = (
    0x9E3779B97F4A7C15,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0xD6E8FEB86659FD93,
    0xA0761D6478BD642F,
)


@dataclass(frozen=True)
class DataFacts:
    """What of the data decides what its numbers are comparable to; counts of parts add up.

    Args:
        joints: that are scored.
        num_categories: that are scored as one.
        covers_images: every image with labelled people is known to have been predicted.
        num_people: who are counted.
        num_ignored: crowds and people without a label.
        num_without_area: counted people whose `area` is missing.
        num_box_areas: counted people whose `area` is width × height of their box.
        num_without_joints: people with labels, but none among the scored joints.
        num_detected_images: with a detection.
        num_label_boxes: of these, how many whose best detection has the box of a person in them.
        num_boxed_images: of these, how many whose detections have boxes of their file.
        num_repeated_regions: people who have a region to ignore (iscrowd) in their place.
    """

    joints: tuple[str, ...]
    num_categories: int = 1
    covers_images: bool = False
    num_people: int = 0
    num_ignored: int = 0
    num_without_area: int = 0
    num_box_areas: int = 0
    num_without_joints: int = 0
    num_detected_images: int = 0
    num_label_boxes: int = 0
    num_boxed_images: int = 0
    num_repeated_regions: int = 0


# All but the joints and the number of categories, which are the same in all parts, and what is true
# of all images where it is of each part.
_COUNTS = tuple(DataFacts.__dataclass_fields__)[3:]


def collect_data_facts(
    scored: ScoredPoses,
    groups: ImageGroups,
    boxes_xywh: Floats,
    has_boxes: bool,
    covers_images: bool = False,
) -> DataFacts:
    """Collect the facts of what is scored.

    Args:
        boxes_xywh: (d, 4) px, one per detection.
        has_boxes: whether these are boxes of the file, and not extents of keypoints.
        covers_images: of `DataFacts`.
    """
    truth, is_counted = scored.truth, scored.is_counted
    file_area, area = truth.file_area[is_counted], truth.area[is_counted]
    best = np.flatnonzero(groups.rank == 0)
    with np.errstate(invalid="ignore"):  # infinite areas
        is_box_area = np.abs(file_area - area) <= _AREA_TOLERANCE * np.abs(area)
    num_label_boxes = 0
    if has_boxes and len(truth):
        people = _hash_boxes(groups.people_image, truth.boxes_xywh[groups.people])
        best_boxes = boxes_xywh[groups.detections[best]]
        detections = _hash_boxes(groups.detection_image[best], best_boxes)
        num_label_boxes = int(np.count_nonzero(np.isin(detections, people)))
    return DataFacts(
        joints=scored.skeleton.joints,
        num_categories=len(truth.category_ids),
        covers_images=covers_images,
        num_people=len(area),
        num_ignored=len(truth) - int(np.count_nonzero(truth.is_counted)),
        num_without_area=int(np.count_nonzero(np.isnan(file_area))),
        num_box_areas=int(np.count_nonzero(is_box_area)),
        num_without_joints=scored.num_without_joints,
        num_detected_images=len(best),
        num_label_boxes=num_label_boxes,
        num_boxed_images=len(best) if has_boxes else 0,
        num_repeated_regions=_count_repeated_regions(truth),
    )


def _count_repeated_regions(truth: Instances) -> int:
    if not truth.iscrowd.any():
        return 0
    # Imported here, because few files have regions.
    from smallpose.io.peer_files import count_repeated_regions

    return count_repeated_regions(truth)


def _hash_boxes(image: Ints, boxes_xywh: Floats) -> Any:
    """Return (n,) numbers that are equal for equal boxes, rounded, of one image."""
    limit = 1e12  # px, of what is told apart
    steps = np.fmin(np.fmax(boxes_xywh, -limit), limit) * _BOX_STEPS  # NaN becomes -limit
    values = np.rint(steps).astype(np.int64).view(np.uint64)
    factors = np.array(_BOX_FACTORS, dtype=np.uint64)
    box_hash = (values * factors[:4]).sum(axis=1, dtype=np.uint64)
    return box_hash + image.astype(np.uint64) * factors[4]


def merge_data_facts(parts: Sequence[DataFacts]) -> DataFacts:
    """Add up the facts of different images."""
    sums = {name: sum(getattr(part, name) for part in parts) for name in _COUNTS}
    covers_images = all(part.covers_images for part in parts)
    return replace(parts[0], covers_images=covers_images, **sums)


def describe_comparability(
    settings: Mapping[str, Any], protocols: Sequence[str], counts: MatchCounts, facts: DataFacts
) -> str | list[str]:
    """Return `COCO_AS_PUBLISHED`, or the list of what differs from it.

    Each difference is a kind, a colon and what it is, such as "images: 250 (val2017 has 5,000)".
    """
    differences = [
        *_compare_areas(settings, facts),
        *_compare_scoring(settings, protocols, facts),
        *_compare_people(facts),
        *_compare_images(counts),
        *_compare_boxes(counts, facts),
    ]
    return differences or COCO_AS_PUBLISHED


def format_comparability(comparable_to: str | Sequence[str]) -> str:
    """Write it as one sentence."""
    if isinstance(comparable_to, str):
        return (
            f"Comparable to {comparable_to}: AP, AP50, AP75 and AR of all people under coco (sizes "
            "are not COCO's)."
        )
    return f"Differs from {COCO_AS_PUBLISHED} in {'; '.join(comparable_to)}."


def describe_mixed_boxes(settings: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a note where some results have the boxes of the labels and others have not.

    Args:
        settings: of the evaluations, by the name of the results.
    """
    given = [name for name, one in settings.items() if _has_label_boxes(one)]
    others = [name for name in settings if name not in given]
    if not given or not others:
        return []
    verb = "has" if len(given) == 1 else "have"
    return [
        f"{', '.join(given)} {verb} the boxes of the labels, and {', '.join(others)} not: "
        f"{MIXED_BOXES}; predict with --boxes-from MODEL to have detected ones"
    ]


def describe_label_boxes(settings: Mapping[str, Any]) -> list[str]:
    """Return a note on a result that has the boxes of the labels, which others may not have."""
    if not _has_label_boxes(settings):
        return []
    return [f"{LABEL_BOXES}, with which AP is higher than with detected ones"]


def _has_label_boxes(settings: Mapping[str, Any]) -> bool:
    differences = settings.get("comparable_to", COCO_AS_PUBLISHED)
    return not isinstance(differences, str) and any(d.startswith(_BOXES) for d in differences)


def _compare_areas(settings: Mapping[str, Any], facts: DataFacts) -> list[str]:
    rule = settings["oks_area"]
    if rule != "file":
        return [f"area: OKS is scaled by {OKS_AREAS[rule]}"]
    if facts.num_without_area:
        num_without = facts.num_without_area
        share = format_share(num_without, facts.num_people, "person has", "people have")
        return [f"area: {share} none"]
    if facts.num_box_areas > _MAJORITY * facts.num_people:
        return ["area: the file has width × height of the boxes (COCO has areas of masks)"]
    return []


def _compare_scoring(
    settings: Mapping[str, Any], protocols: Sequence[str], facts: DataFacts
) -> list[str]:
    differences = []
    if "coco" not in protocols:
        differences.append("protocol: coco was not scored")
    if set(facts.joints) != set(COCO17.joints):
        differences.append(f"joints: {settings['keypoints']} (COCO has 17)")
    elif not _has_coco_sigmas(settings["sigmas"], facts.joints):
        differences.append("sigmas: not COCO's")
    limit = settings["max_detections"]
    if limit != MAX_DETECTIONS:
        counted = "all detections" if limit is None else format_count(limit, "detection")
        differences.append(f"cap: {counted} per image (COCO counts {MAX_DETECTIONS})")
    sizes = (settings["size_area"], tuple(settings["size_limits"]))
    if sizes not in (("box", PAPER_LIMITS), ("file", COCO_SIZE_LIMITS)):
        ends = " and ".join(f"{limit:,.0f}" for limit in sizes[1])
        differences.append(f"size classes: by --size-area {sizes[0]}, below {ends} px²")
    return differences


def _has_coco_sigmas(sigmas: Sequence[float], joints: Sequence[str]) -> bool:
    order = [COCO17.joints.index(joint) for joint in joints]
    return bool(np.allclose(sigmas, round_like_coco(COCO17.sigmas)[order], rtol=1e-9, atol=0))


def _compare_people(facts: DataFacts) -> list[str]:
    differences = []
    if facts.num_categories > 1:
        differences.append(f"categories: {facts.num_categories} are scored as one")
    if facts.num_without_joints:
        differences.append(
            f"ignored people: {facts.num_without_joints:,} whose labels are other joints"
        )
    if not facts.num_ignored:
        differences.append(
            "ignored people: none (COCO ignores detections of crowds and of people without labels)"
        )
    if facts.num_people != NUM_PEOPLE:
        differences.append(f"people: {facts.num_people:,} (val2017 has {NUM_PEOPLE:,})")
    return differences


def _compare_images(counts: MatchCounts) -> list[str]:
    ids = counts.image_ids
    differences = []
    if len(ids) != NUM_IMAGES:
        differences.append(f"images: {len(ids):,} (val2017 has {NUM_IMAGES:,})")
    elif (int(ids[0]), int(ids[-1])) != ID_RANGE:
        differences.append("images: not those of val2017")
    has_people = counts.num_people[:, 0] > 0
    num_with_people = int(np.count_nonzero(has_people))
    num_missing = int(np.count_nonzero(has_people & (counts.num_detections == 0)))
    if num_missing > MAX_SHARE_WITHOUT_DETECTIONS * num_with_people:
        differences.append(
            f"images missing: {num_missing:,} of {num_with_people:,} with people who are scored "
            "have no detection"
        )
    return differences


def _compare_boxes(counts: MatchCounts, facts: DataFacts) -> list[str]:
    if facts.num_label_boxes > _MAJORITY * facts.num_detected_images:
        return [
            f"{_BOXES}in {facts.num_label_boxes:,} of "
            f"{format_count(facts.num_detected_images, 'image')} the best detection has the box of "
            "a label"
        ]
    # Images without a detection may not have been predicted.
    is_detected = counts.num_detections > 0
    num_people = counts.num_people[is_detected, 0]
    num_crowded = int(np.count_nonzero(num_people > 1))
    # Boxes that are not those of the labels are mostly a detector's, which may find just everyone
    # in a few images.
    min_crowded = _MIN_CROWDED_WITH_BOXES if facts.num_boxed_images else _MIN_CROWDED_IMAGES
    if num_crowded >= min_crowded and np.array_equal(
        num_people, counts.num_detections[is_detected]
    ):
        return [
            f"{_BOXES}one detection for each person in every image that has any, as from boxes of "
            "labels"
        ]
    return []
