"""Areas of people and boxes of detections, by the rules that decide sizes and the OKS scale.

The default scale is the file's `area` field, as in pycocotools. `0.53box` is the scale of published
CrowdPose and AI Challenger results: their files have no areas of masks, and xtcocotools takes
0.53 × width × height of the box instead.
"""

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.matching import native

Floats = NDArray[np.float64]

# What each rule takes, as the header of the table says it.
OKS_AREAS = {
    "file": "the area field",
    "box": "width × height of the box",
    "0.53box": "0.53 × width × height of the box",
}
SIZE_AREAS = ("box", "file")
MASK_SHARE = 0.53  # of a box that a person's mask covers on average, as xtcocotools has it


def get_person_area(truth: Instances, rule: str = "file") -> Floats:
    """Return (n,) px² by a rule of `OKS_AREAS`.

    Under "file" people without the `area` field have width × height of their box.
    """
    if rule == "box":
        return truth.area
    if rule == "0.53box":
        return np.asarray(truth.area * MASK_SHARE)
    return np.where(np.isnan(truth.file_area), truth.area, truth.file_area)


def get_detection_boxes(predictions: Predictions) -> Floats:
    """Return (d, 4) boxes in px: the file's, or else around all keypoints, as in `loadRes`."""
    if predictions.has_boxes:
        return predictions.boxes_xywh
    return box_around_poses(predictions.keypoints)


@native.prefer_compiled(native.box_around_poses)
def box_around_poses(poses: Floats) -> Floats:
    """Return (d, 4) boxes around all joints of (d, k, 3) poses, px."""
    low = poses[:, :, :2].min(axis=1)
    return np.concatenate([low, poses[:, :, :2].max(axis=1) - low], axis=1)


def refuse_missing_boxes(predictions: Predictions, name: str = "results") -> None:
    """Raise InputError when the first detection has a box and another has none."""
    is_missing = ~np.isfinite(predictions.boxes_xywh).all(axis=1)
    if predictions.has_boxes and is_missing.any():
        raise InputError(
            f"{name}, entry[{int(np.argmax(is_missing))}]",
            "no bbox, and the first entry has one",
            "write a bbox for all or for none",
        )
