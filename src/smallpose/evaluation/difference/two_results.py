"""Two results on the same ground truth, as one table of detections, each matched with a person.

The matching is loose, since it decides who was found and not how well. Detections choose people by
falling score as in COCO: from OKS .5 on, then from .1 on among those who are left, as in the error
diagnosis; one that resembles no person belongs to a person whose box it overlaps by half.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import box_area
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.analysis.error_diagnosis import MIN_OKS
from smallpose.evaluation.areas import get_detection_boxes, refuse_missing_boxes
from smallpose.evaluation.config import ScoringConfig
from smallpose.evaluation.matching.arrays import Candidates, Floats, ImageGroups, Ints, Mask
from smallpose.evaluation.matching.greedy import match_greedily
from smallpose.evaluation.matching.image_groups import (
    group_by_image,
    index_images,
    index_truth_images,
)
from smallpose.evaluation.matching.keypoint_selection import ScoredPoses, select_keypoints
from smallpose.evaluation.matching.native import concat_candidates
from smallpose.evaluation.matching.oks import find_candidates
from smallpose.evaluation.protocols import compute_pair_iou
from smallpose.evaluation.scoring.precision_recall import THRESHOLDS
from smallpose.io.mismatch import read_boxes_as_meant

MIN_BOX_IOU = 0.5  # from which on a detection that resembles no person belongs to a person
_MIN_OKS_OF_STEPS = (float(THRESHOLDS[0]), MIN_OKS)
# Two detections of two results are the same one from this OKS on, and similar from that one on.
SAME_OKS = 0.99
SIMILAR_OKS = 0.5


@dataclass(frozen=True)
class TwoResults:
    """Both results as one table of detections: the rows of the first, then those of the second.

    Args:
        scored: the ground truth in the scored joints; its poses have the detections of both.
        image_ids: (m,) rising.
        people_image: (n,) index of each person's image.
        image: (d,) index of each detection's image.
        boxes_xywh: (d, 4) px.
        num_base: how many of the rows belong to the first result.
        position: (d,) place of each detection among those of its result by rising score, ties as
            COCO breaks them; -1 where it does not count because of the limit on detections.
        person: (d,) row of the person that it belongs to; -1 for none, or for one who is ignored.
    """

    scored: ScoredPoses
    image_ids: NDArray[np.int64]
    people_image: Ints
    image: Ints
    boxes_xywh: Floats
    num_base: int
    position: Ints
    person: Ints

    def list_rows(self, is_other: bool) -> Ints:
        """Return the rows of one result that count."""
        first, last = (self.num_base, len(self.image)) if is_other else (0, self.num_base)
        return first + np.flatnonzero(self.position[first:last] >= 0)


def join_results(
    truth: Instances, base: Predictions, other: Predictions, config: ScoringConfig
) -> TwoResults:
    """Put both results into one table and match their detections with people.

    Args:
        config: of one protocol; its limit on detections decides which of them count.
    """
    parts = []
    for predictions in (base, other):
        refuse_missing_boxes(predictions)
        predictions = read_boxes_as_meant(truth, predictions)
        scored = select_keypoints(truth, predictions, config)
        groups = group_by_image(truth, predictions, config.detection_limit)
        boxes = get_detection_boxes(predictions)
        parts.append((scored, groups, boxes, predictions))
    image_ids, people_image = index_truth_images(truth)
    scored = parts[0][0]
    poses = np.concatenate([one.poses.detections for one, *_ in parts])
    images = [index_images(image_ids, predictions.image_ids) for *_, predictions in parts]
    return TwoResults(
        scored=replace(scored, poses=replace(scored.poses, detections=poses)),
        image_ids=image_ids,
        people_image=people_image,
        image=np.concatenate(images),
        boxes_xywh=np.concatenate([boxes for _, _, boxes, _ in parts]),
        num_base=len(base),
        position=np.concatenate([_order_by_score(groups, one) for _, groups, _, one in parts]),
        person=np.concatenate(
            [_match_people(groups, one, boxes) for one, groups, boxes, _ in parts]
        ),
    )


def _order_by_score(groups: ImageGroups, predictions: Predictions) -> Ints:
    """Return (d,) 0 for the last detection in COCO's order and so on; -1 beyond the limit."""
    position = np.full(len(predictions), -1, dtype=np.intp)
    order = np.argsort(-predictions.scores[groups.detections], kind="stable")
    position[groups.detections[order]] = np.arange(len(order))[::-1]
    return position


def _match_people(groups: ImageGroups, scored: ScoredPoses, boxes_xywh: Floats) -> Ints:
    """Return the (d,) counted person that each detection belongs to, -1 for none."""
    near = find_candidates(groups, scored.poses, _MIN_OKS_OF_STEPS[-1])
    by_box = _find_box_candidates(groups, scored, boxes_xywh, near)
    partner = np.full(len(groups.detections), -1, dtype=np.intp)
    is_taken = np.zeros((1, 1, len(scored.truth)), dtype=bool)
    steps = [(near, min_oks) for min_oks in _MIN_OKS_OF_STEPS]
    for candidates, minimum in (*steps, (by_box, MIN_BOX_IOU)):
        is_free = partner[candidates.detections] < 0
        matched = np.full((1, 1, len(partner)), -1, dtype=np.intp)
        match_greedily(
            _select_candidates(candidates, is_free),
            groups.rank,
            scored.classes[:1],
            scored.poses.is_crowd,
            np.array([minimum]),
            matched,
            is_taken,
        )
        partner = np.maximum(partner, matched[0, 0])
    is_counted = np.append(scored.classes[0], False)
    person = np.full(len(boxes_xywh), -1, dtype=np.intp)
    person[groups.detections] = np.where(is_counted[partner], partner, -1)
    return person


def _select_candidates(candidates: Candidates, is_selected: Mask) -> Candidates:
    return Candidates(
        candidates.detections[is_selected],
        candidates.people[is_selected],
        candidates.oks[is_selected],
    )


def _find_box_candidates(
    groups: ImageGroups, scored: ScoredPoses, boxes_xywh: Floats, near: Candidates
) -> Candidates:
    """Find people whose boxes are near detections that resemble no person; the OKS is an IoU."""
    is_near_person = np.zeros(len(groups.detections), dtype=bool)
    is_near_person[near.detections] = True
    left = np.flatnonzero(~is_near_person)
    some = replace(
        groups, detections=groups.detections[left], detection_image=groups.detection_image[left]
    )
    parts = []
    for d, g in some.iterate_pairs():
        is_counted = scored.classes[0][g]
        d, g = d[is_counted], g[is_counted]
        iou = compute_pair_iou(boxes_xywh[some.detections[d]], scored.poses.boxes_xywh[g])
        is_near = iou >= MIN_BOX_IOU
        parts.append(Candidates(left[d[is_near]], g[is_near], iou[is_near]))
    return concat_candidates(parts)


def find_similar_pairs(
    results: TwoResults, base_rows: Ints, other_rows: Ints
) -> tuple[Floats, NDArray[np.intp]]:
    """Find detections of the two results that resemble each other.

    Returns: (p,) OKS of each pair in falling order, ties by falling scores, and (p, 2) its rows.
    """
    detections = results.scored.poses.detections
    # The detections of the first result take the place of people who are labelled completely.
    labels = detections[base_rows].copy()
    labels[:, :, 2] = 2
    poses = replace(
        results.scored.poses,
        keypoints=labels,
        boxes_xywh=results.boxes_xywh[base_rows],
        area=np.abs(box_area(results.boxes_xywh[base_rows])),
        is_crowd=np.zeros(len(base_rows), dtype=bool),
    )
    candidates = find_candidates(_group_rows(results, base_rows, other_rows), poses, SIMILAR_OKS)
    pairs = np.stack([base_rows[candidates.people], other_rows[candidates.detections]], axis=1)
    scores = results.position[pairs]
    order = np.lexsort((-scores[:, 1], -scores[:, 0], -candidates.oks))
    return candidates.oks[order], pairs[order]


def _group_rows(results: TwoResults, base_rows: Ints, other_rows: Ints) -> ImageGroups:
    """Group detections of the first result, as people, and of the second by image.

    Both are given in the order of their images.
    """
    num_images = len(results.image_ids)
    people_image = results.image[base_rows]
    detection_image = results.image[other_rows]
    num_people = np.bincount(people_image, minlength=num_images)
    return ImageGroups(
        image_ids=results.image_ids,
        people=np.arange(len(base_rows)),
        people_image=people_image,
        people_start=np.concatenate([np.zeros(1, np.intp), np.cumsum(num_people)]),
        detections=other_rows,
        detection_image=detection_image,
        rank=np.zeros(len(other_rows), dtype=np.intp),
        num_detections=np.bincount(detection_image, minlength=num_images),
    )


def sort_by_image(results: TwoResults, rows: Ints) -> Ints:
    """Return rows in the order of their images."""
    return rows[np.argsort(results.image[rows], kind="stable")]


def pair_greedily(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Keep each pair whose two members are in no earlier pair.

    >>> pair_greedily([(1, 7), (1, 8), (2, 7), (2, 8)])
    [(1, 7), (2, 8)]
    """
    used: set[int] = set()
    kept = []
    for first, second in pairs:
        if first not in used and second not in used:
            used |= {first, second}
            kept.append((first, second))
    return kept
