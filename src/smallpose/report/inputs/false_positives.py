"""Find false positives to show, and tell background, duplicates and swaps apart.

What false positives cost in AP is in the evaluation.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import map_joints
from smallpose.evaluation.analysis.error_diagnosis import (
    MIN_OKS,
    NEAR_SIMILARITY,
    compute_keypoint_similarity,
)
from smallpose.evaluation.areas import get_person_area
from smallpose.evaluation.matching.arrays import Floats, Ints, Poses
from smallpose.evaluation.matching.oks import compute_pair_oks
from smallpose.report.inputs.person_matching import PersonMatches

FALSE_POSITIVE_KINDS = ("background", "duplicate", "swap")
MIN_NEAR_JOINTS = 2  # joints near one person from which on a pose contains a part of them


@dataclass(frozen=True)
class FalsePositives:
    """Predictions without a person, the highest score first.

    Args:
        rows: (m,) of the predictions, those of the highest scores.
        total: how many there are, also those that were not classified.
        kinds: (m,) into `FALSE_POSITIVE_KINDS`. A duplicate fits a person (OKS from 0.1) who is
            matched with a better prediction; a swap fits no person and contains parts of two
            people or more; the rest is background, labelled or not.
        nearest: (m,) rows of the ground truth that fit best; -1 where the image has no label.
        oks: (m,) with them; 0 without a label.
    """

    rows: Ints
    kinds: NDArray[np.int8]
    nearest: Ints
    oks: Floats
    total: int

    def __len__(self) -> int:
        return len(self.rows)


def find_false_positives(
    truth: Instances,
    predictions: Predictions,
    matches: PersonMatches,
    max_count: int | None = None,
) -> FalsePositives:
    """Classify the predictions that match neither a person nor an ignored region.

    Args:
        max_count: classify those of the highest scores (default: all).
    """
    order = np.argsort(-predictions.scores[matches.unmatched], kind="stable")
    rows = matches.unmatched[order][:max_count]
    poses = Poses(
        detections=predictions.keypoints,
        keypoints=map_joints(truth.keypoints, truth.skeleton, predictions.skeleton),
        boxes_xywh=truth.boxes_xywh,
        area=get_person_area(truth),
        is_crowd=truth.iscrowd,
        sigmas=predictions.skeleton.sigmas,
    )
    index, people = _pair_with_people(truth, predictions, rows, np.flatnonzero(matches.is_scored))
    oks = compute_pair_oks(poses, rows[index], people)
    nearest = np.full(len(rows), -1, dtype=np.intp)
    best = np.zeros(len(rows))
    # Of equal OKS the first person counts: the pairs of a detection are in their order.
    by_oks = np.lexsort((-oks, index))
    first = by_oks[np.unique(index[by_oks], return_index=True)[1]]
    nearest[index[first]], best[index[first]] = people[first], oks[first]
    num_people = _count_people_in_pose(poses, rows[index], people, index, len(rows))
    kinds = np.full(len(rows), FALSE_POSITIVE_KINDS.index("background"), dtype=np.int8)
    kinds[num_people >= 2] = FALSE_POSITIVE_KINDS.index("swap")
    kinds[best >= MIN_OKS] = FALSE_POSITIVE_KINDS.index("duplicate")
    return FalsePositives(
        rows=rows, kinds=kinds, nearest=nearest, oks=best, total=len(matches.unmatched)
    )


def _pair_with_people(
    truth: Instances, predictions: Predictions, rows: Ints, people: Ints
) -> tuple[Ints, Ints]:
    """Pair detections with the people of their images.

    Args:
        rows: (m,) of the predictions.
        people: rows of the ground truth to pair them with.
    Returns: (p,) indices into `rows`, rising, and (p,) rows of the ground truth.
    """
    image_ids = truth.images.ids[truth.image_rows[people]]
    order = np.argsort(image_ids, kind="stable")
    starts = np.searchsorted(image_ids[order], predictions.image_ids[rows], "left")
    stops = np.searchsorted(image_ids[order], predictions.image_ids[rows], "right")
    counts = stops - starts
    index = np.repeat(np.arange(len(rows)), counts)
    within = np.arange(len(index)) - np.repeat(np.cumsum(counts) - counts, counts)
    return index, people[order[np.repeat(starts, counts) + within]]


def _count_people_in_pose(
    poses: Poses, detections: Ints, people: Ints, index: Ints, num_rows: int
) -> Ints:
    """Count the people with two joints or more near those of a pose: (m,).

    Args:
        detections, people: (p,) rows of pairs.
        index: (p,) of each pair's pose, below `num_rows`.
    """
    similarity = compute_keypoint_similarity(
        poses.detections[detections, :, :2],
        poses.keypoints[people],
        poses.area[people],
        poses.sigmas,
    )
    is_near = (similarity >= NEAR_SIMILARITY).sum(axis=1) >= MIN_NEAR_JOINTS
    return np.bincount(index[is_near], minlength=num_rows)
