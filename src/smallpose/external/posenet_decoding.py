"""Put the joints of PoseNet's maps together to people (Papandreou et al., PersonLab, Sec. 3.1-3.2).

Every peak of a heatmap may begin a person. From there the other joints are reached along the
edges of a tree: a displacement leads from the cell of one joint to about where the next one is,
and the offset of the cell there leads to its place. People begin in the order of their scores; a
peak on the same joint of a person that was begun before is passed over.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.core.skeleton import COCO17

Floats = NDArray[np.float64]
Array = NDArray[np.float32]

STRIDE = 16  # px of the input per cell
NMS_RADIUS = 20.0  # px of the input, within which two joints of one kind are one
REFINEMENTS = 2  # times that an offset is followed after a displacement
_PREFIX = "MobilenetV1/"
# The tree that the displacements follow, in their order: parent, child.
_EDGE_NAMES = (
    ("nose", "left_eye"),
    ("left_eye", "left_ear"),
    ("nose", "right_eye"),
    ("right_eye", "right_ear"),
    ("nose", "left_shoulder"),
    ("left_shoulder", "left_elbow"),
    ("left_elbow", "left_wrist"),
    ("left_shoulder", "left_hip"),
    ("left_hip", "left_knee"),
    ("left_knee", "left_ankle"),
    ("nose", "right_shoulder"),
    ("right_shoulder", "right_elbow"),
    ("right_elbow", "right_wrist"),
    ("right_shoulder", "right_hip"),
    ("right_hip", "right_knee"),
    ("right_knee", "right_ankle"),
)
EDGES = tuple((COCO17.joints.index(a), COCO17.joints.index(b)) for a, b in _EDGE_NAMES)


@dataclass(frozen=True)
class PoseMaps:
    """The outputs for one image, of h × w cells.

    Args:
        scores: (h, w, 17) from 0 to 1.
        offsets: (h, w, 17, 2) x and y in px from the cell to the joint.
        forward: (h, w, 16, 2) x and y in px from the parent of each edge to its child.
        backward: the same from the child to the parent.
    """

    scores: Array
    offsets: Array
    forward: Array
    backward: Array

    @staticmethod
    def from_outputs(outputs: Mapping[str, Array]) -> "PoseMaps":
        """Read the network's outputs, whose channels are all y, then all x."""
        logits = outputs[f"{_PREFIX}heatmap_2/BiasAdd"][0]
        return PoseMaps(
            scores=1 / (1 + np.exp(-logits)),
            offsets=_to_xy(outputs[f"{_PREFIX}offset_2/BiasAdd"][0]),
            forward=_to_xy(outputs[f"{_PREFIX}displacement_fwd_2/BiasAdd"][0]),
            backward=_to_xy(outputs[f"{_PREFIX}displacement_bwd_2/BiasAdd"][0]),
        )


@dataclass(frozen=True)
class Poses:
    """The people of an image, those with the highest scores first.

    Args:
        keypoints: (n, 17, 2) px of the input.
        keypoint_scores: (n, 17) the heatmap where each joint was found.
        scores: (n,) mean over the 17 joints, those that an earlier person has counted as 0.
    """

    keypoints: Floats
    keypoint_scores: Floats
    scores: Floats


def decode_poses(maps: PoseMaps, threshold: float) -> Poses:
    """Find the people in the maps.

    Args:
        threshold: minimum score of the peak at which a person begins, and of the person.
    """
    cells, joints, peak_scores = _find_peaks(maps, threshold)
    keypoints = np.zeros((len(joints), len(COCO17), 2))
    keypoint_scores = np.zeros((len(joints), len(COCO17)))
    for joint in np.unique(joints):
        rows = np.flatnonzero(joints == joint)
        keypoints[rows], keypoint_scores[rows] = _follow_tree(
            maps, int(joint), cells[rows], peak_scores[rows]
        )
    kept: list[int] = []
    scores: list[float] = []
    for row in range(len(joints)):
        before = keypoints[kept]
        is_near = np.linalg.norm(before - keypoints[row], axis=2) <= NMS_RADIUS
        if is_near[:, joints[row]].any():
            continue
        kept.append(row)
        scores.append(float(np.where(is_near.any(axis=0), 0.0, keypoint_scores[row]).mean()))
    person_scores = np.array(scores)
    order = np.argsort(-person_scores, kind="stable")
    order = order[person_scores[order] >= threshold]
    rows = np.array(kept, dtype=np.intp)[order]
    return Poses(keypoints[rows], keypoint_scores[rows], person_scores[order])


def _to_xy(channels: Array) -> Array:
    """Convert (h, w, 2 n) channels, n of y and n of x, to (h, w, n, 2) x and y."""
    h, w, _ = channels.shape
    return channels.reshape(h, w, 2, -1).transpose(0, 1, 3, 2)[..., ::-1]


def _find_peaks(
    maps: PoseMaps, threshold: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """Find the cells of joints whose score is the maximum of the 3 × 3 cells around them.

    Returns: (m, 2) x and y of the cells, (m,) joints and (m,) scores, the highest first.
    """
    highest = cv2.dilate(maps.scores, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    y, x, joints = np.nonzero((maps.scores >= threshold) & (maps.scores >= highest))
    scores = maps.scores[y, x, joints].astype(np.float64)
    order = np.argsort(-scores, kind="stable")
    return np.stack([x, y], axis=1)[order], joints[order], scores[order]


def _follow_tree(
    maps: PoseMaps, root: int, cells: NDArray[np.intp], scores: Floats
) -> tuple[Floats, Floats]:
    """Decode m people from the same joint of each: (m, 17, 2) keypoints and (m, 17) scores.

    Args:
        cells: (m, 2) x and y of the joint's cell.
    """
    keypoints = np.zeros((len(cells), len(COCO17), 2))
    keypoint_scores = np.zeros((len(cells), len(COCO17)))
    keypoints[:, root] = cells * STRIDE + maps.offsets[cells[:, 1], cells[:, 0], root]
    keypoint_scores[:, root] = scores
    for source, target, edge, displacements in _order_edges(maps, root):
        x, y = _find_cells(maps, keypoints[:, source])
        points = keypoints[:, source] + displacements[y, x, edge]
        for _ in range(REFINEMENTS):
            x, y = _find_cells(maps, points)
            points = np.stack([x, y], axis=1) * STRIDE + maps.offsets[y, x, target]
        x, y = _find_cells(maps, points)
        keypoints[:, target] = points
        keypoint_scores[:, target] = maps.scores[y, x, target]
    return keypoints, keypoint_scores


def _order_edges(maps: PoseMaps, root: int) -> list[tuple[int, int, int, Array]]:
    """Return source, target, edge and displacements of each step from a joint to all others."""
    steps: list[tuple[int, int, int, Array]] = []
    reached = {root}
    while len(reached) < len(COCO17):
        for edge, (parent, child) in enumerate(EDGES):
            if parent in reached and child not in reached:
                steps.append((parent, child, edge, maps.forward))
                reached.add(child)
            elif child in reached and parent not in reached:
                steps.append((child, parent, edge, maps.backward))
                reached.add(parent)
    return steps


def _find_cells(maps: PoseMaps, points: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return x and y of the cells nearest to (m, 2) points."""
    h, w, _ = maps.scores.shape
    cells = np.rint(points / STRIDE).astype(np.intp)
    return np.clip(cells[:, 0], 0, w - 1), np.clip(cells[:, 1], 0, h - 1)
