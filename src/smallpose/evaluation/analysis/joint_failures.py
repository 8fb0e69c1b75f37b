"""Which joints fail first: every joint by the size of the person and by its visibility.

A joint is judged on the prediction that its person is matched with loosely (OKS from .1), as in the
diagnosis of errors; joints of people without one count as missed with their person.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.core.sizes import SIZES
from smallpose.evaluation.analysis.breakdown import PCK_THRESHOLD, VISIBILITIES
from smallpose.evaluation.analysis.error_diagnosis import (
    KINDS,
    classify_joints,
    compute_keypoint_similarity,
    match_loosely,
)
from smallpose.evaluation.config import ScoringConfig
from smallpose.evaluation.matching.arrays import Floats, Mask
from smallpose.evaluation.matching.image_groups import group_by_image
from smallpose.evaluation.matching.keypoint_selection import select_keypoints

MISSED = len(KINDS)  # of joints whose person has no prediction
FAILURE_KINDS = (*KINDS, "missed")
ALL_SIZES = ("all", *SIZES)
ALL_VISIBILITIES = ("all", *VISIBILITIES)


@dataclass(frozen=True)
class JointJudgements:
    """How each labelled joint of each person was predicted.

    Args:
        joints: (k,) names, as the file of the truth spells them.
        visibility: (n, k) v of people who count; 0 for all others.
        sizes: (4, n) membership in all, small, medium and large.
        similarity: (n, k) exp(-d² / …) as in the OKS; 0 without a prediction.
        is_near: (n, k) within a tenth of the longer side of the box.
        kinds: (n, k) into `FAILURE_KINDS`; -1 without a label.
    """

    joints: tuple[str, ...]
    visibility: NDArray[np.int8]
    sizes: Mask
    similarity: Floats
    is_near: Mask
    kinds: NDArray[np.int8]


@dataclass(frozen=True)
class JointFailure:
    """One joint of people of one size, of one visibility.

    Args:
        joint, size, visibility: names; "all" for all.
        labelled: how often it has a label.
        pck: share within a tenth of the longer side of the box; None without a label.
        similarity: mean term of the OKS, 0 where the person was missed.
        kinds: by kind of error, share of the labels; empty without a label.
    """

    joint: str
    size: str
    visibility: str
    labelled: int
    pck: float | None
    similarity: float | None
    kinds: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers for JSON."""
        fields = ("joint", "size", "visibility", "labelled", "pck", "similarity")
        return {name: getattr(self, name) for name in fields} | self.kinds


def judge_joints(truth: Instances, predictions: Predictions, **options: Any) -> JointJudgements:
    """Judge every labelled joint of the people who count.

    Args:
        options: as for `evaluate`; under `coco` alone only the detections within its limit count.
    """
    config = ScoringConfig(**options)
    scored = select_keypoints(truth, predictions, config)
    groups = group_by_image(truth, predictions, config.detection_limit)
    person = match_loosely(groups, scored)
    is_matched = person >= 0
    is_matched[is_matched] = scored.classes[0][person[is_matched]]
    d, g = groups.detections[is_matched], person[is_matched]
    poses = scored.poses
    is_counted = scored.classes[0]
    v = np.where(is_counted[:, None], poses.keypoints[:, :, 2], 0).astype(np.int8)
    kinds = np.where(v > 0, np.int8(MISSED), np.int8(-1))
    kinds[g] = classify_joints(truth, predictions, d, g, **options)
    points = poses.detections[d, :, :2]
    similarity = np.zeros(v.shape)
    similarity[g] = compute_keypoint_similarity(
        points, poses.keypoints[g], poses.area[g], poses.sigmas
    )
    distance = np.sqrt(((points - poses.keypoints[g, :, :2]) ** 2).sum(axis=2))
    limit = PCK_THRESHOLD * truth.boxes_xywh[g, 2:].max(axis=1, initial=0)
    is_near = np.zeros(v.shape, dtype=bool)
    is_near[g] = distance <= limit[:, None]
    return JointJudgements(
        joints=scored.spelled_joints,
        visibility=v,
        sizes=scored.classes[:4],
        similarity=similarity,
        is_near=is_near,
        kinds=kinds,
    )


def tabulate_failures(judged: JointJudgements) -> list[JointFailure]:
    """Compute the numbers of every joint, size and visibility, in this order of loops."""
    failures = []
    for j, joint in enumerate(judged.joints):
        v = judged.visibility[:, j]
        of_visibility = (v > 0, *(v == i for i in range(1, len(VISIBILITIES) + 1)))
        for size, is_member in zip(ALL_SIZES, judged.sizes, strict=True):
            for visibility, is_seen in zip(ALL_VISIBILITIES, of_visibility, strict=True):
                rows = np.flatnonzero(is_member & is_seen)
                failures.append(_summarize(judged, j, joint, size, visibility, rows))
    return failures


def _summarize(
    judged: JointJudgements,
    index: int,
    joint: str,
    size: str,
    visibility: str,
    rows: NDArray[np.intp],
) -> JointFailure:
    count = len(rows)
    if not count:
        return JointFailure(joint, size, visibility, 0, None, None, {})
    counts = np.bincount(judged.kinds[rows, index], minlength=len(FAILURE_KINDS))
    return JointFailure(
        joint=joint,
        size=size,
        visibility=visibility,
        labelled=count,
        pck=float(judged.is_near[rows, index].mean()),
        similarity=float(judged.similarity[rows, index].mean()),
        kinds={
            kind: float(n / count) for kind, n in zip(FAILURE_KINDS, counts.tolist(), strict=True)
        },
    )


def rank_joints(failures: list[JointFailure]) -> list[str]:
    """Rank joints by the share of the small whose joint is near, the first to fail first."""
    pck = {
        one.joint: one.pck
        for one in failures
        if (one.size, one.visibility) == ("small", "all") and one.pck is not None
    }
    rest = {
        one.joint: one.pck
        for one in failures
        if (one.size, one.visibility) == ("all", "all") and one.pck is not None
    }
    return sorted(rest, key=lambda joint: (joint not in pck, pck.get(joint, rest[joint])))
