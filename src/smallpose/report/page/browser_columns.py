"""Encode the columns of the person browser as base64 of little-endian numbers."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.core.sizes import classify_sizes
from smallpose.evaluation.analysis.error_diagnosis import MIN_OKS, classify_joints
from smallpose.evaluation.matching.arrays import Floats, Ints
from smallpose.report.images.pose_drawing import SUBSTITUTE_LIMBS
from smallpose.report.inputs.false_positives import FalsePositives
from smallpose.report.inputs.person_matching import RunPredictions
from smallpose.report.page.browser_images import CELL_WH

SUBPIXELS = 8  # coordinates are integers in eighths of a cell's px
UNKNOWN_OKS = 65535
UNCLASSIFIED_JOINT = 255


@dataclass(frozen=True)
class BrowserItems:
    """People, then false positives run by run: the rows of the columns.

    Args:
        image: (m,) rows of the images.
        boxes: (m, 4) of the label or of the prediction, px.
        label: (m,) rows of the ground truth; of a false positive the one it fits best, or -1.
        ids: (m,) of the labels; of a false positive -1 - its row among the run's predictions.
    """

    image: Ints
    boxes: Floats
    label: Ints
    ids: NDArray[np.int64]
    source: NDArray[np.int8]
    density: Floats
    density_class: NDArray[np.int8]


def encode_column(values: ArrayLike, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values).astype(kind).tobytes()).decode()


def encode_positions(xy: Floats, windows: Ints) -> str:
    """Encode (n, k, 2) px of the images as integer fractions of a cell's px.

    Args:
        windows: (n, 4) left, top, width, height of the part of the image that a cell shows.
    """
    scale = np.array(CELL_WH) / windows[:, None, 2:]
    cell = (xy - (windows[:, None, :2] - 0.5)) * scale
    return encode_column(np.clip(np.rint(cell * SUBPIXELS), -32768, 32767), "<i2")


def _encode_oks(oks: Floats) -> str:
    scaled = np.floor(np.nan_to_num(oks) * 10_000)
    return encode_column(np.where(np.isfinite(oks), scaled, UNKNOWN_OKS), "<u2")


def encode_items(truth: Instances, items: BrowserItems, windows: Ints) -> dict[str, Any]:
    """Encode the columns that are independent of the runs."""
    images, image = np.unique(items.image, return_inverse=True)
    has_label = items.label >= 0
    boxes = truth.boxes_xywh[items.label] * has_label[:, None]
    corners = np.stack([boxes[:, :2] - 0.5, boxes[:, :2] + boxes[:, 2:] - 0.5], axis=1)
    keypoints = truth.keypoints[items.label]
    return {
        "images": [truth.images.file_names[row] for row in images.tolist()],
        "image": encode_column(image, "<u4"),
        "id": encode_column(items.ids, "<f8"),
        "source": encode_column(items.source, "u1"),
        "size": encode_column(classify_sizes(items.boxes[:, 2:].prod(axis=1)), "i1"),
        "density_class": encode_column(items.density_class, "i1"),
        "density": encode_column(items.density, "<f4"),
        "wh": encode_column(items.boxes[:, 2:], "<f4"),
        "corner": encode_column(items.boxes[:, :2], "<f4"),
        "box": encode_positions(corners, windows),
        "xy": encode_positions(keypoints[:, :, :2], windows),
        "v": encode_column(keypoints[:, :, 2] * has_label[:, None], "u1"),
    }


def encode_run(
    truth: Instances, result: RunPredictions, people: Ints, windows: Ints
) -> dict[str, Any]:
    """Encode one run's columns; a person without a prediction has an OKS of 0 and no pose."""
    predictions = result.predictions
    rows, oks = result.matches.rows[people], result.matches.oks[people]
    has_pose = rows >= 0
    joints, shared = _find_shared_joints(truth, predictions)
    xy = np.zeros((len(people), len(shared), 2))
    xy[has_pose] = predictions.keypoints[rows[has_pose]][:, shared, :2]
    kinds = np.full((len(people), len(shared)), UNCLASSIFIED_JOINT, dtype=np.uint8)
    is_near = has_pose & (oks >= MIN_OKS)
    if is_near.any():
        classified = classify_joints(truth, predictions, rows[is_near], people[is_near])
        kinds[is_near] = classified[:, shared].astype(np.uint8)
    scores = np.full(len(people), np.nan)
    scores[has_pose] = predictions.scores[rows[has_pose]]
    return {
        "label": result.label,
        "joints": joints,
        "has_pose": encode_column(has_pose, "u1"),
        "oks": _encode_oks(oks),
        "matched": encode_column(result.matches.is_matched[people], "u1"),
        "score": encode_column(scores, "<f4"),
        "xy": encode_positions(xy, windows),
        "kinds": encode_column(kinds, "u1"),
    }


def encode_false_positives(
    truth: Instances,
    predictions: Predictions,
    false: FalsePositives,
    start: int,
    windows: Ints,
) -> dict[str, Any]:
    """Encode a run's false positives, which are the items from `start` on."""
    _, shared = _find_shared_joints(truth, predictions)
    return {
        "start": start,
        "n": len(false),
        "kinds": encode_column(false.kinds, "u1"),
        "oks": _encode_oks(false.oks),
        "score": encode_column(predictions.scores[false.rows], "<f4"),
        "xy": encode_positions(predictions.keypoints[false.rows][:, shared, :2], windows),
    }


def list_substitute_limbs(joints: Sequence[str]) -> list[tuple[int, int, list[int]]]:
    index = {name: i for i, name in enumerate(joints)}
    return [
        (index[a], index[b], [index[name] for name in instead_of if name in index])
        for a, b, instead_of in SUBSTITUTE_LIMBS
        if a in index and b in index
    ]


def _find_shared_joints(truth: Instances, predictions: Predictions) -> tuple[list[int], list[int]]:
    """Find the joints of both, as indices into the truth's joints and into the predicted ones.

    Other joints of a custom skeleton are not shown.
    """
    joints = truth.skeleton.joints
    shared = [i for i, joint in enumerate(predictions.skeleton.joints) if joint in joints]
    return [joints.index(predictions.skeleton.joints[i]) for i in shared], shared
