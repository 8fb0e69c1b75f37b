"""Undo suspected errors: exchange joints back, or leave joints out, and name them."""

from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from smallpose.core.skeleton import SMALLPOSE
from smallpose.dataset.label_audit.hypotheses import HYPOTHESES, PARTS, Hypothesis
from smallpose.dataset.label_audit.pose_network import score_poses

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

_PAIRED = tuple(name.removeprefix("left_") for name in SMALLPOSE.joints if name[:5] == "left_")
# The parts that may be exchanged between left and right, the most usual first.
_SWAPPED_PARTS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "sides": (_PAIRED, ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")),
    "arms": (("elbow", "wrist"), ("shoulder", "elbow", "wrist"), ("wrist",), ("elbow",)),
    "legs": (("knee", "ankle"), ("hip", "knee", "ankle"), ("ankle",), ("knee",)),
    "face": (("eye", "ear"), ("eye",), ("ear",)),
}


@dataclass(frozen=True)
class Repair:
    """One way to undo an error.

    Args:
        joints: the joints that it concerns.
        order: (21,) the joints in the order in which the label would be right.
        is_kept: (21,) False for joints that are left out.
    """

    joints: tuple[str, ...]
    order: Ints
    is_kept: NDArray[np.bool_]

    def apply(self, keypoints: Floats) -> Floats:
        """Return (n, 21, 3) repaired poses."""
        return np.where(self.is_kept[:, None], keypoints[:, self.order], 0.0)


def _exchange_joints(first: tuple[str, ...], second: tuple[str, ...]) -> Repair:
    order = np.arange(len(SMALLPOSE))
    order[SMALLPOSE.joint_indices(first)] = SMALLPOSE.joint_indices(second)
    order[SMALLPOSE.joint_indices(second)] = SMALLPOSE.joint_indices(first)
    return Repair((*first, *second), order, np.ones(len(SMALLPOSE), dtype=bool))


def _leave_joints_out(joints: tuple[str, ...]) -> Repair:
    is_kept = np.ones(len(SMALLPOSE), dtype=bool)
    is_kept[SMALLPOSE.joint_indices(joints)] = False
    return Repair(joints, np.arange(len(SMALLPOSE)), is_kept)


def _list_repairs(hypothesis: Hypothesis) -> tuple[Repair, ...]:
    kind, joints = hypothesis
    if kind == "neighbours":
        return (_exchange_joints(joints[:1], joints[1:]),)
    if kind == "moved":
        return (_leave_joints_out(joints),)
    if kind == "two_people":
        return tuple(_leave_joints_out(part) for part in PARTS.values())
    return tuple(
        _exchange_joints(
            tuple(f"left_{part}" for part in parts), tuple(f"right_{part}" for part in parts)
        )
        for parts in _SWAPPED_PARTS[kind]
    )


# All ways to undo each hypothesis but the first, which is a sound label.
REPAIRS: Final[tuple[tuple[Repair, ...], ...]] = ((), *map(_list_repairs, HYPOTHESES[1:]))


def name_joints(keypoints: Floats, boxes_xywh: Floats, hypotheses: Ints) -> list[tuple[str, ...]]:
    """Name the labelled joints of each suspected error, by the repair that looks best.

    Args:
        keypoints: (n, 21, 3) in the order of `SMALLPOSE`.
        boxes_xywh: (n, 4) px.
        hypotheses: (n,) indices of `HYPOTHESES`.
    """
    named: list[tuple[str, ...]] = [()] * len(keypoints)
    order = np.argsort(hypotheses, kind="stable")
    for hypothesis, group in groupby(order.tolist(), key=lambda row: int(hypotheses[row])):
        rows = np.array(list(group), dtype=np.intp)
        best = _choose_repairs(keypoints[rows], boxes_xywh[rows], REPAIRS[hypothesis])
        for row, repair in zip(rows.tolist(), best, strict=True):
            columns = SMALLPOSE.joint_indices(repair.joints)
            is_labelled = keypoints[row, columns, 2] > 0
            named[row] = tuple(np.array(repair.joints, dtype=object)[is_labelled].tolist())
    return named


def _choose_repairs(
    keypoints: Floats, boxes_xywh: Floats, repairs: tuple[Repair, ...]
) -> list[Repair]:
    """Choose the repair of each pose after which an error is the least likely."""
    if len(repairs) == 1:
        return [repairs[0]] * len(keypoints)
    odds = np.full((len(repairs), len(keypoints)), np.inf)
    for number, repair in enumerate(repairs):
        repaired = repair.apply(keypoints)
        scores = score_poses(repaired, boxes_xywh)
        is_changed = (repaired != keypoints).any(axis=(1, 2)) & scores.is_judged
        odds[number, is_changed] = scores.log_odds[is_changed]
    return [repairs[number] for number in odds.argmin(axis=0).tolist()]
