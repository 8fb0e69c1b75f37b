"""Predictions that belong to nobody, and what they are: background, duplicates, swaps.

For showing, as `people` is: what false positives cost is the evaluation's to say.
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
from smallpose.evaluation.matching.oks import compute_oks
from smallpose.report.inputs.person_matching import Floats, PersonMatches, group_by_image

Ints = NDArray[np.intp]
FALSE_POSITIVE_KINDS = ("background", "duplicate", "swap")
MIN_NEAR_JOINTS = 2  # of one person, from which on a pose holds a part of him


@dataclass(frozen=True)
class FalsePositives:
    """Predictions without a person, the highest score first.

    Args:
        rows: (m,) of the predictions.
        kinds: (m,) into `FALSE_KINDS`. A duplicate fits a person (OKS from 0.1) whom a better
            prediction has; a swap fits nobody and holds parts of two people or more; the rest is
            background, labelled or not.
        near: (m,) rows of the truth that fit best; -1 where nobody labelled is in the image.
        oks: (m,) with them; 0 where there is nobody.
    """

    rows: Ints
    kinds: NDArray[np.int8]
    near: Ints
    oks: Floats

    def __len__(self) -> int:
        return len(self.rows)

    def first(self, most: int) -> "FalsePositives":
        """Those of the highest scores."""
        return FalsePositives(
            self.rows[:most], self.kinds[:most], self.near[:most], self.oks[:most]
        )


def find_false_positives(
    truth: Instances, found: Predictions, pairing: PersonMatches
) -> FalsePositives:
    """Those that `pairing` gives to nobody, or to somebody they do not fit (OKS below 0.1).

    A prediction that fits a crowd or a person who does not count is none, as in the evaluation.
    """
    spare = np.ones(len(found), dtype=bool)
    spare[pairing.rows[(pairing.rows >= 0) & (pairing.oks >= MIN_OKS)]] = False
    keypoints = map_joints(truth.keypoints, truth.skeleton, found.skeleton)
    judged = np.isfinite(pairing.oks)
    kinds = np.full(len(found), FALSE_POSITIVE_KINDS.index("background"), dtype=np.int8)
    near = np.full(len(found), -1, dtype=np.intp)
    best = np.zeros(len(found))
    sigmas = found.skeleton.sigmas
    of_image = group_by_image(truth.images.ids[truth.image_rows], np.arange(len(truth)))
    for image, there in group_by_image(found.image_ids, np.flatnonzero(spare)).items():
        people = of_image.get(image)
        if people is None:
            continue
        boxes, area = truth.boxes_xywh[people], truth.area[people]
        similar = compute_oks(found.keypoints[there], keypoints[people], boxes, area, sigmas)
        count = judged[people]
        spare[there[(similar[:, ~count] >= MIN_OKS).any(axis=1)]] = False
        similar, people = similar[:, count], people[count]
        if not len(people):
            continue
        at = similar.argmax(axis=1)
        best[there] = similar[np.arange(len(there)), at]
        near[there] = people[at]
        parts = _count_people_in_pose(
            found.keypoints[there], keypoints[people], truth.area[people], sigmas
        )
        kinds[there[parts >= 2]] = FALSE_POSITIVE_KINDS.index("swap")
        kinds[there[best[there] >= MIN_OKS]] = FALSE_POSITIVE_KINDS.index("duplicate")
    rows = np.flatnonzero(spare)
    rows = rows[np.argsort(-found.scores[rows], kind="stable")]
    return FalsePositives(rows, kinds[rows], near[rows], best[rows])


def _count_people_in_pose(poses: Floats, keypoints: Floats, area: Floats, sigmas: Floats) -> Ints:
    """(d,) of how many people a pose holds two joints or more."""
    d, g = np.divmod(np.arange(len(poses) * len(keypoints)), len(keypoints))
    close = (
        compute_keypoint_similarity(poses[d, :, :2], keypoints[g], area[g], sigmas)
        >= NEAR_SIMILARITY
    )
    held = close.sum(axis=1).reshape(len(poses), len(keypoints)) >= MIN_NEAR_JOINTS
    return np.asarray(held.sum(axis=1))
