"""Areas of people and boxes of detections, by the rules that decide sizes and the OKS scale."""

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.matching import native

Floats = NDArray[np.float64]


def get_person_area(truth: Instances, rule: str) -> Floats:
    """Return (n,) px² by the rule: "box", or "file" for the `area` field.

    Raises: InputError when the `area` field is wanted and a person lacks it.
    """
    if rule == "box":
        return truth.area
    is_missing = np.isnan(truth.file_area)
    missing = np.flatnonzero(is_missing & truth.is_counted)
    if len(missing):
        raise InputError(
            f"annotation {truth.ids[missing[0]]}",
            f"no area field (nor in {len(missing) - 1:,} more)",
            "use --area box",
        )
    return np.where(is_missing, truth.area, truth.file_area)


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


def refuse_missing_boxes(predictions: Predictions) -> None:
    """Raise InputError when the first detection has a box and another has none."""
    is_missing = ~np.isfinite(predictions.boxes_xywh).all(axis=1)
    if predictions.has_boxes and is_missing.any():
        raise InputError(
            f"results, entry[{int(np.argmax(is_missing))}]",
            "no bbox, and the first entry has one",
            "write a bbox for all or for none",
        )
