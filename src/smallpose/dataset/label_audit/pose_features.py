"""Describe poses and boxes by numbers that depend on neither position nor size."""

import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import to_xyxy
from smallpose.core.skeleton import SMALLPOSE

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]

MAX_OFFSET = 8.0  # units of the pose's spread; what is farther is as wrong
# Sources place them differently, or compute them from shoulders and hips.
_LEFT_OUT = SMALLPOSE.joint_indices(("chest", "pelvis"))
_SIDES = ("left", "right")
# Limbs, and distances that a joint between two limbs bounds.
_LIMBS = (
    *(
        (f"{side}_{first}", f"{side}_{second}")
        for first, second in (
            ("shoulder", "elbow"),
            ("elbow", "wrist"),
            ("shoulder", "wrist"),
            ("shoulder", "hip"),
            ("hip", "knee"),
            ("knee", "ankle"),
            ("hip", "ankle"),
            ("hip", "elbow"),
            ("hip", "wrist"),
            ("eye", "ear"),
            ("ear", "shoulder"),
        )
        for side in _SIDES
    ),
    *(
        (f"left_{part}", f"right_{part}")
        for part in ["eye", "ear", "shoulder", "elbow", "hip", "knee", "ankle"]
    ),
    *(
        (f"{side}_{inner}", f"{other}_{outer}")
        for inner, outer in (
            ("shoulder", "elbow"),
            ("elbow", "wrist"),
            ("hip", "knee"),
            ("knee", "ankle"),
        )
        for side, other in (_SIDES, _SIDES[::-1])
    ),
    *(("nose", f"{side}_{part}") for part in ("eye", "ear", "shoulder") for side in _SIDES),
    ("head_top", "head_bottom"),
)
_STARTS = SMALLPOSE.joint_indices([first for first, _ in _LIMBS])
_ENDS = SMALLPOSE.joint_indices([second for _, second in _LIMBS])


def describe_poses(keypoints: Floats, boxes_xywh: Floats) -> Floats32:
    """Compute the inputs of the pose network.

    Joints are centred at their mean and divided by their root mean square distance from it. Chest
    and pelvis are left out, because sources place them differently.

    Args:
        keypoints: (n, 21, 3) in the order of `SMALLPOSE`.
        boxes_xywh: (n, 4) px; a box without width or height is unknown.
    Returns: (n, m) x, y, labelled and visible of each joint; vector and length of each limb; the
        box's corners in the same frame, and whether it is known. What is unknown is 0.
    """
    is_labelled = keypoints[:, :, 2:] > 0
    is_labelled[:, _LEFT_OUT] = False
    count = np.maximum(is_labelled.sum(axis=1), 1)
    xy = np.where(is_labelled, keypoints[:, :, :2], 0.0)
    centre = xy.sum(axis=1) / count
    offset = np.where(is_labelled, xy - centre[:, None], 0.0)
    spread = np.sqrt((offset**2).sum(axis=(1, 2)) / count[:, 0])
    unit = np.maximum(spread, 1e-6)[:, None]
    points = (offset / unit[:, None]).clip(-MAX_OFFSET, MAX_OFFSET).astype(np.float32)
    has_limb = is_labelled[:, _STARTS] & is_labelled[:, _ENDS]
    limbs = np.where(has_limb, points[:, _ENDS] - points[:, _STARTS], np.float32(0))
    has_box = (boxes_xywh[:, 2:] > 0).all(axis=1, keepdims=True)
    corners = (to_xyxy(boxes_xywh) - np.tile(centre, 2)) / unit
    features = (
        points.reshape(len(keypoints), -1),
        is_labelled[:, :, 0],
        (keypoints[:, :, 2] == 2) & is_labelled[:, :, 0],
        limbs.reshape(len(keypoints), -1),
        np.sqrt((limbs**2).sum(axis=2)),
        np.where(has_box, corners.clip(-MAX_OFFSET, MAX_OFFSET), 0.0),
        has_box,
    )
    return np.concatenate(features, axis=1, dtype=np.float32)
