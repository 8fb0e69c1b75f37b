"""Metrics by source, by crowding, by image and by keypoint.

They follow one protocol: under `coco` only the detections within its limit count.

Groups of images are scored as if the others did not exist. Keypoints are judged on the person that
each detection matches loosely; those of people without a detection count as missed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from smallpose.core.instances import SOURCES, Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.analysis.error_diagnosis import (
    compute_keypoint_similarity,
    match_loosely,
)
from smallpose.evaluation.analysis.labelled_images import CROWDING_LEVELS
from smallpose.evaluation.config import ScoringConfig
from smallpose.evaluation.evaluate import Evaluation
from smallpose.evaluation.matching.image_groups import group_by_image
from smallpose.evaluation.matching.keypoint_selection import select_keypoints
from smallpose.stats.crowding import crowd_index

CROWDING_LIMITS = (0.1, 0.8)  # CrowdPose's ends of easy and medium, by CrowdIndex
PCK_THRESHOLD = 0.1  # of the longer side of the person's box
VISIBILITIES = ("hidden", "seen")  # v of 1 and 2


def label_sources(truth: Instances) -> list[str]:
    """Return the (m,) source of each image in the order of their ids.

    An image without one has the source of its people.
    """
    source = truth.images.source.copy()
    is_unknown = source[truth.image_rows] == 0
    source[truth.image_rows[is_unknown]] = truth.source[is_unknown]
    order = np.argsort(truth.images.ids, kind="stable")
    return [SOURCES[code] for code in source[order].tolist()]


def label_crowding(truth: Instances, limits: tuple[float, float] = CROWDING_LIMITS) -> list[str]:
    """Return (m,) easy, medium or hard by CrowdIndex, in the order of the image ids.

    The index that the file publishes for an image is used, else it is computed by Eq. 1.

    Args:
        limits: where easy and medium end; CrowdPose's own are 0.1 and 0.8.
    Returns: "" for images without an index: those without people.
    """
    index = crowd_index(truth)
    if truth.images.published_crowd_index:
        published = np.array(truth.images.published_crowd_index)
        index = np.where(np.isnan(published), index, published)
    index = index[np.argsort(truth.images.ids, kind="stable")]
    levels = np.searchsorted(limits, index, side="right").tolist()
    return [
        "" if np.isnan(value) else CROWDING_LEVELS[level]
        for value, level in zip(index, levels, strict=True)
    ]


def count_per_image(result: Evaluation, truth: Instances) -> list[dict[str, Any]]:
    """Count people, detections, true and false positives at OKS .50 in each image.

    Under the first protocol of the evaluation: `coco` counts the detections within its limit.
    """
    counts = result.match_counts
    m = len(counts.image_ids)
    protocol = next(iter(result.protocols))
    no_detections = np.zeros((1, len(counts.scores)), np.uint16)
    false_positives = counts.false_positives.get(protocol, no_detections)
    limit = result.settings["max_detections"] if protocol == "coco" else None
    is_within = np.ones(len(counts.rank), bool) if limit is None else counts.rank < limit
    columns = {
        "people": counts.num_people[:, 0],
        "found": counts.num_detections,
        "right": np.bincount(counts.image, counts.true_positives[0] & is_within & 1, m).astype(int),
        "wrong": np.bincount(counts.image, false_positives[0] & is_within & 1, m).astype(int),
    }
    image_ids = [truth.images.file_id_of[image_id] for image_id in counts.image_ids.tolist()]
    rows = zip(image_ids, *(column.tolist() for column in columns.values()), strict=True)
    return [dict(zip(("image_id", *columns), row, strict=True)) for row in rows]


@dataclass(frozen=True)
class JointScore:
    """How well one joint is predicted.

    Args:
        name: of the joint, with `, hidden` or `, seen` behind it where these are separate.
        labelled: how often it has a label.
        pck: share within a tenth of the longer side of the box.
        similarity: mean of exp(-d² / …) as in the OKS, 0 where the person was missed.
    """

    name: str
    labelled: int
    pck: float | None
    similarity: float | None


def score_joints(
    truth: Instances, predictions: Predictions, *, by_visibility: bool = False, **options: Any
) -> list[JointScore]:
    """Score every joint over all people; on request hidden and seen joints apart."""
    config = ScoringConfig(**options)
    scored = select_keypoints(truth, predictions, config)
    groups = group_by_image(truth, predictions, config.detection_limit)
    person = match_loosely(groups, scored)
    d, g = groups.detections[person >= 0], person[person >= 0]
    poses = scored.poses
    shape = (len(truth), len(scored.skeleton))
    similarity = np.zeros(shape)
    is_near = np.zeros(shape, dtype=bool)
    points = poses.detections[d, :, :2]
    similarity[g] = compute_keypoint_similarity(
        points, poses.keypoints[g], poses.area[g], poses.sigmas
    )
    with np.errstate(over="ignore"):  # coordinates go up to 1e308
        distance = np.sqrt(((points - poses.keypoints[g, :, :2]) ** 2).sum(axis=2))
    longer_side = truth.boxes_xywh[g, 2:].max(axis=1, initial=0)
    is_near[g] = distance <= PCK_THRESHOLD * longer_side[:, None]
    v = np.where(scored.classes[0][:, None], poses.keypoints[:, :, 2], 0)
    joint_scores = []
    for j, joint in enumerate(scored.spelled_joints):
        selections = {joint: v[:, j] > 0}
        if by_visibility:
            selections = {
                f"{joint}, {word}": v[:, j] == i for i, word in enumerate(VISIBILITIES, 1)
            }
        for name, is_selected in selections.items():
            count = int(is_selected.sum())
            joint_scores.append(
                JointScore(
                    name=name,
                    labelled=count,
                    pck=float(is_near[is_selected, j].mean()) if count else None,
                    similarity=float(similarity[is_selected, j].mean()) if count else None,
                )
            )
    return joint_scores
