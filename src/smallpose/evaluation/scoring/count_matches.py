"""From two tables to a tally: pair up, match, and say whose fault each false positive is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import box_area
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.config import ScoringConfig, get_detection_boxes, get_person_area
from smallpose.evaluation.matching import native
from smallpose.evaluation.matching.greedy import Matches, match_detections
from smallpose.evaluation.matching.image_groups import ImageGroups, group_by_image
from smallpose.evaluation.matching.keypoint_selection import ScoredPoses
from smallpose.evaluation.protocols import (
    CLASSES,
    assign_coco_classes,
    assign_owned_classes,
    classify_people,
    find_owners,
)
from smallpose.evaluation.scoring.match_counts import MatchCounts
from smallpose.evaluation.scoring.precision_recall import THRESHOLDS

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


@dataclass(frozen=True)
class Side:
    """The truth as an evaluation sees it.

    Args:
        truth: the table.
        keypoints, counted, sigmas: of the joints that are scored.
        scale: (n,) px², the people's areas.
        people: (c, n) who is in which class.
    """

    truth: Instances
    keypoints: Floats
    counted: NDArray[np.bool_]
    sigmas: Floats
    scale: Floats
    people: NDArray[np.bool_]


def score_truth(truth: Instances, scored: ScoredPoses, rules: ScoringConfig) -> Side:
    """The truth under the given rules."""
    scale = get_person_area(truth, rules.area)
    people = classify_people(
        scale, truth.num_labelled, rules.joints(truth), scored.counted, rules.size_limits
    )
    return Side(truth, scored.keypoints, scored.counted, scored.sigmas, scale, people)


def evaluate_matches(
    truth: Instances,
    found: Predictions,
    scored: ScoredPoses,
    rules: ScoringConfig,
    thresholds: Floats = THRESHOLDS,
) -> MatchCounts:
    """Match everybody in every class and sum up image by image."""
    here = score_truth(truth, scored, rules)
    pairing = group_by_image(truth, found, rules.looked_at)
    matches = match_detections(
        pairing,
        scored.found,
        here.keypoints,
        truth.boxes_xywh,
        here.scale,
        truth.iscrowd,
        here.sigmas,
        here.people,
        thresholds,
    )
    return count_matches(
        here, pairing, matches, get_detection_boxes(found), found.scores, rules, thresholds
    )


def count_matches(
    here: Side,
    pairing: ImageGroups,
    matches: Matches,
    found_xywh: Floats,
    scores: Floats,
    rules: ScoringConfig,
    thresholds: Floats = THRESHOLDS,
) -> MatchCounts:
    """The tally of what was matched.

    Args:
        found_xywh: (·, 4) boxes of all detections, px.
        scores: (·,) likewise.
    """
    unmatched = ~(matches.hit | matches.absorbed) & np.uint16((1 << len(thresholds)) - 1)
    false: dict[str, NDArray[np.uint16]] = {}
    areas = box_area(found_xywh)[pairing.found]
    if "coco" in rules.protocols:
        false["coco"] = unmatched * assign_coco_classes(areas, rules.size_limits)
    if "owned" in rules.protocols:
        owner = find_owners(pairing, found_xywh, here.truth.boxes_xywh, here.counted)
        false["owned"] = unmatched * assign_owned_classes(
            owner, here.people, areas, rules.size_limits
        )
    levels = len(thresholds) if "recall" in rules.protocols else 0
    counts, met = _per_image(pairing, here.people, matches.met, levels)
    return MatchCounts(
        classes=tuple(name for name, _, _ in CLASSES),
        image_ids=pairing.image_ids,
        groups=_groups(here.truth),
        given=pairing.given,
        people=counts,
        met=met,
        image=pairing.found_image,
        rank=pairing.rank,
        scores=scores[pairing.found],
        hit=matches.hit,
        false=false,
        thresholds=thresholds,
    )


def _groups(truth: Instances) -> tuple[str, ...]:
    """(m,) groups of the images in the order of their ids."""
    groups = truth.images.groups
    return tuple(groups[row] for row in np.argsort(truth.images.ids, kind="stable").tolist())


def _per_image(
    pairing: ImageGroups, people: NDArray[np.bool_], met: NDArray[np.uint16], levels: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(m, c) people of each image, (m, c, t) those who were found."""
    if native.CORE is not None:
        return native.per_image(pairing, people, met, levels)

    def sums(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
        total = np.zeros((len(flags), len(pairing.people) + 1), dtype=np.int64)
        np.cumsum(flags[:, pairing.people], axis=1, out=total[:, 1:])
        return np.diff(total[:, pairing.people_start], axis=1).T

    found = [sums(people & ((met >> t) & 1).astype(bool)) for t in range(levels)]
    counts = sums(people)
    return counts, np.stack(found, axis=2) if levels else np.zeros((*counts.shape, 0), np.int64)
