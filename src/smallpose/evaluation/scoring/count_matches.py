"""Count matches image by image, and decide in which classes a false positive counts."""

import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import box_area
from smallpose.core.instances import Instances
from smallpose.evaluation.config import ScoringConfig
from smallpose.evaluation.matching import native
from smallpose.evaluation.matching.arrays import Bits, Floats, ImageGroups, Ints, Mask, Matches
from smallpose.evaluation.matching.keypoint_selection import ScoredPoses
from smallpose.evaluation.protocols import (
    CLASSES,
    assign_coco_classes,
    assign_owned_classes,
    find_owners,
)
from smallpose.evaluation.scoring.match_counts import MatchCounts
from smallpose.evaluation.scoring.precision_recall import THRESHOLDS


def count_matches(
    scored: ScoredPoses,
    groups: ImageGroups,
    matches: Matches,
    boxes_xywh: Floats,
    scores: Floats,
    config: ScoringConfig,
    owners: Ints | None = None,
) -> MatchCounts:
    """Count what was matched at `THRESHOLDS`.

    Args:
        boxes_xywh: (·, 4) boxes of all detections, px.
        scores: (·,) of all detections.
        owners: (d,) as of `find_owners`, where they are known.
    """
    is_unmatched = find_unmatched(matches, len(THRESHOLDS))
    areas = box_area(boxes_xywh)[groups.detections]
    false_positives: dict[str, Bits] = {}
    if "coco" in config.protocols:
        classes = assign_coco_classes(areas, config.size_limits)
        false_positives["coco"] = is_unmatched * classes
    if "owned" in config.protocols:
        if owners is None:
            owners = find_owners(groups, boxes_xywh, scored.poses.boxes_xywh, scored.is_counted)
        classes = assign_owned_classes(owners, scored.classes, areas, config.size_limits)
        false_positives["owned"] = is_unmatched * classes
    num_thresholds = len(THRESHOLDS) if "recall" in config.protocols else 0
    num_people, num_matched = count_people(
        groups, scored.classes, matches.matched_people, num_thresholds
    )
    return MatchCounts(
        classes=tuple(one.name for one in CLASSES),
        image_ids=groups.image_ids,
        groups=sort_groups(scored.truth),
        num_detections=groups.num_detections,
        num_people=num_people,
        num_matched=num_matched,
        image=groups.detection_image,
        rank=groups.rank,
        scores=scores[groups.detections],
        true_positives=matches.true_positives,
        false_positives=false_positives,
        thresholds=THRESHOLDS,
    )


def find_unmatched(matches: Matches, num_thresholds: int) -> Bits:
    """Return (c, d) bits of the thresholds at which a detection matched no person."""
    is_matched = matches.true_positives | matches.ignored
    return np.asarray(~is_matched & np.uint16((1 << num_thresholds) - 1))


def sort_groups(truth: Instances) -> tuple[str, ...]:
    """Return the (m,) videos or sequences of the images in the order of their ids."""
    groups = truth.images.groups
    if groups.count("") == len(groups):  # most data sets have neither
        return groups
    return tuple(groups[row] for row in np.argsort(truth.images.ids, kind="stable").tolist())


@native.prefer_compiled(native.count_people)
def count_people(
    groups: ImageGroups, classes: Mask, matched_people: Bits, num_thresholds: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (m, c) people of each image, and (m, c, t) how many of them were matched.

    Args:
        classes: (c, n) members of each class.
        matched_people: (n,) a bit for each threshold.
    """

    def sum_by_image(flags: Mask) -> NDArray[np.int64]:
        total = np.zeros((len(flags), len(groups.people) + 1), dtype=np.int64)
        np.cumsum(flags[:, groups.people], axis=1, out=total[:, 1:])
        return np.diff(total[:, groups.people_start], axis=1).T

    num_people = sum_by_image(classes)
    num_matched = np.zeros((*num_people.shape, num_thresholds), np.int64)
    for t in range(num_thresholds):
        num_matched[:, :, t] = sum_by_image(classes & ((matched_people >> t) & 1).astype(bool))
    return num_people, num_matched
