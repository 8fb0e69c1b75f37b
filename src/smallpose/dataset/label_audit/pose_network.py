"""Score which label error, if any, each pose shows, with a small network computed by NumPy.

bench/learn_pose_errors.py learned it from people with planted errors of known kinds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Instances
from smallpose.core.skeleton import SMALLPOSE, map_joints
from smallpose.dataset.label_audit.hypotheses import HYPOTHESES
from smallpose.dataset.label_audit.pose_features import Floats32, describe_poses

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

MIN_JOINTS = 5  # labelled ones among the 21; fewer say little about a pose
BLOCK = 8192  # people whose features are in memory at once
# The network learned with one error of nine being an elbow exchanged with its wrist; one of five is
# a better guess of what people confuse, so these hypotheses start with twice the odds.
_ELBOW_GAIN = float(np.log(2.0))
_ELBOWS = [
    n
    for n, (kind, joints) in enumerate(HYPOTHESES)
    if kind == "neighbours" and "wrist" in joints[1]
]
NETWORK_FILE = Path(__file__).with_name("pose_errors.npz")


@dataclass(frozen=True)
class PoseErrors:
    """Log-likelihoods of each hypothesis, by person.

    Args:
        gains: (n, h) how many times likelier, as a logarithm, each of `HYPOTHESES` is than a sound
            label; the first column is 0.
        is_judged: (n,) False for people with too few known joints, whose gains are all 0.
    """

    gains: Floats
    is_judged: Mask

    @property
    def log_odds(self) -> Floats:
        """Return (n,) the logarithm of the odds that the label has an error."""
        return np.asarray(np.logaddexp.reduce(self.gains[:, 1:], axis=1))


@cache
def load_network() -> Mapping[str, Floats32]:
    """Read the weights and biases, by layer."""
    with np.load(NETWORK_FILE, allow_pickle=False) as arrays:
        return {name: arrays[name].astype(np.float32) for name in arrays.files}


def score_people(people: Instances) -> PoseErrors:
    """Score the poses of a table by their joints among the 21."""
    keypoints = map_joints(people.keypoints, people.skeleton, SMALLPOSE)
    return score_poses(keypoints, people.boxes_xywh)


def score_poses(keypoints: Floats, boxes_xywh: Floats) -> PoseErrors:
    """Score poses of the 21 joints.

    Args:
        keypoints: (n, 21, 3) in the order of `SMALLPOSE`.
        boxes_xywh: (n, 4) px; a box without width or height is unknown.
    """
    is_judged = (keypoints[:, :, 2] > 0).sum(axis=1) >= MIN_JOINTS
    gains = np.zeros((len(keypoints), len(HYPOTHESES)))
    rows = np.flatnonzero(is_judged)
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        outputs = _run_network(describe_poses(keypoints[block], boxes_xywh[block]))
        gains[block] = outputs - outputs[:, :1]
    gains[rows[:, None], _ELBOWS] += _ELBOW_GAIN
    return PoseErrors(gains, is_judged)


def _run_network(values: Floats32) -> Floats32:
    network = load_network()
    last = len(network) // 2 - 1
    for layer in range(last):
        values = values @ network[f"weight{layer}"] + network[f"bias{layer}"]
        np.maximum(values, 0, out=values)
    return values @ network[f"weight{last}"] + network[f"bias{last}"]
