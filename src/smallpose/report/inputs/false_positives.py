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
from smallpose.evaluation.matching.arrays import Floats, Ints
from smallpose.evaluation.matching.oks import compute_oks
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
    keypoints = map_joints(truth.keypoints, truth.skeleton, predictions.skeleton)
    kinds = np.full(len(predictions), FALSE_POSITIVE_KINDS.index("background"), dtype=np.int8)
    nearest = np.full(len(predictions), -1, dtype=np.intp)
    best = np.zeros(len(predictions))
    sigmas = predictions.skeleton.sigmas
    areas = get_person_area(truth)
    people_in = _group_by_image(
        truth.images.ids[truth.image_rows], np.flatnonzero(matches.is_scored)
    )
    for image, detections in _group_by_image(predictions.image_ids, rows).items():
        people = people_in.get(image)
        if people is None:
            continue
        poses, labels = predictions.keypoints[detections], keypoints[people]
        area = areas[people]
        oks = compute_oks(poses, labels, truth.boxes_xywh[people], area, sigmas)
        fits_best = oks.argmax(axis=1)
        best[detections] = oks[np.arange(len(detections)), fits_best]
        nearest[detections] = people[fits_best]
        num_people = _count_people_in_pose(poses, labels, area, sigmas)
        kinds[detections[num_people >= 2]] = FALSE_POSITIVE_KINDS.index("swap")
        kinds[detections[best[detections] >= MIN_OKS]] = FALSE_POSITIVE_KINDS.index("duplicate")
    return FalsePositives(
        rows=rows,
        kinds=kinds[rows],
        nearest=nearest[rows],
        oks=best[rows],
        total=len(matches.unmatched),
    )


def _group_by_image(image_ids: NDArray[np.int64], rows: Ints) -> dict[int, Ints]:
    """Group rows of a table by the id of their image, in their order."""
    order = rows[np.argsort(image_ids[rows], kind="stable")]
    ids, starts = np.unique(image_ids[order], return_index=True)
    return dict(zip(ids.tolist(), np.split(order, starts[1:]), strict=True)) if len(ids) else {}


def _count_people_in_pose(poses: Floats, keypoints: Floats, area: Floats, sigmas: Floats) -> Ints:
    """Count the people with two joints or more near those of a pose: (d,)."""
    d, g = np.divmod(np.arange(len(poses) * len(keypoints)), len(keypoints))
    similarity = compute_keypoint_similarity(poses[d, :, :2], keypoints[g], area[g], sigmas)
    num_near = (similarity >= NEAR_SIMILARITY).sum(axis=1).reshape(len(poses), len(keypoints))
    return np.asarray((num_near >= MIN_NEAR_JOINTS).sum(axis=1))
