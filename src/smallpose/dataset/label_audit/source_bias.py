"""Measure whether two sources mean the same point by the same joint name, in torso lengths.

Keypoints are expressed in the frame of each person's torso: the midpoint of the shoulders is the
origin, the midpoint of the hips is one unit below, and the person's left is to the left. In this
frame the position of a joint depends neither on the person's size nor on their rotation in the
image, so sources can be compared. The remaining differences are caused by annotation conventions
and by different people and poses. With one model's predictions as a reference, the latter cancel
out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import SOURCES, Instances

Floats = NDArray[np.float64]

MIN_PEOPLE = 30  # with the joint, in each of the sources that are compared
MIN_TORSO_SHARE = 0.2  # of the box's diagonal; shorter torsos are foreshortened and left out
_SPINE = ("head_top", "head_bottom", "chest", "pelvis")
_TORSO = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")


@dataclass(frozen=True)
class JointOffset:
    """The offset between the positions of a joint in two sources.

    Args:
        joint: name of the joint.
        first, second: the sources; offsets are those of first minus second.
        up: along the torso towards the head, in torso lengths.
        left: to the person's left, in torso lengths; outward for joints with a side.
        error_up, error_left: standard errors of the difference of the two medians.
        people: number of people in each source.
    """

    joint: str
    first: str
    second: str
    up: float
    left: float
    error_up: float
    error_left: float
    people: tuple[int, int]


def compute_source_bias(
    people: Instances, joints: Sequence[str] | None = None, reference: Floats | None = None
) -> list[JointOffset]:
    """Compute the offset of each joint between each pair of sources that label it.

    Args:
        joints: names of joints (default: those of head and spine, or all with a reference). The
            positions of elbows and knees depend on the pose, so labels alone say little.
        reference: (n, k, 3) one model's keypoints for the same people, row by row. Then offsets of
            label minus prediction are compared, so that different people and poses cancel out.
    Returns: the offsets; none where joints of one's own have no shoulders and hips to measure in.
    Raises: InputError when the reference has another shape.
    """
    if reference is not None and reference.shape != people.keypoints.shape:
        raise InputError(
            "the reference",
            f"has shape {reference.shape} instead of {people.keypoints.shape}",
            "pass one prediction per person, in the same order",
        )
    names = people.skeleton.joints
    if not set(names).issuperset(_TORSO):
        return []
    selected = joints or [n for n in names if reference is not None or n in _SPINE]
    frame = _TorsoFrame(people if reference is None else replace(people, keypoints=reference))
    offsets = []
    for name in selected:
        index = names.index(name)
        positions = frame.locate(people.keypoints[:, index], name)
        if reference is not None:
            positions = positions - frame.locate(reference[:, index], name)
        is_known = people.is_counted & np.isfinite(positions[:, 0])
        by_source = {
            source: positions[(people.source == source) & is_known]
            for source in np.unique(people.source).tolist()
        }
        compared = sorted(s for s, values in by_source.items() if len(values) >= MIN_PEOPLE)
        for first in compared:
            for second in (s for s in compared if s > first):
                offsets.append(
                    _compare_sources(name, first, second, by_source[first], by_source[second])
                )
    return offsets


def _compare_sources(
    joint: str, first: int, second: int, first_positions: Floats, second_positions: Floats
) -> JointOffset:
    offset = np.median(first_positions, axis=0) - np.median(second_positions, axis=0)
    error = np.hypot(
        _estimate_median_error(first_positions), _estimate_median_error(second_positions)
    )
    return JointOffset(
        joint=joint,
        first=SOURCES[first] or "unknown",
        second=SOURCES[second] or "unknown",
        up=float(offset[0]),
        left=float(offset[1]),
        error_up=float(error[0]),
        error_left=float(error[1]),
        people=(len(first_positions), len(second_positions)),
    )


def _estimate_median_error(values: Floats) -> Floats:
    """Estimate the (2,) standard errors of the medians from the interquartile range.

    Assumes normal distributions: 1.349 is the interquartile range of the standard normal, and
    1.2533 the standard error of a median over that of a mean.
    """
    lower, upper = np.percentile(values, [25, 75], axis=0)
    return np.asarray(1.2533 * (upper - lower) / 1.349 / np.sqrt(len(values)))


class _TorsoFrame:
    """The torso frame of each person: (n, 2) origin, unit vectors up and left, and length in px."""

    def __init__(self, people: Instances) -> None:
        corners = people.keypoints[:, people.skeleton.joint_indices(_TORSO)]
        xy = np.where(corners[:, :, 2:] > 0, corners[:, :, :2], np.nan)
        self.origin = xy[:, :2].mean(axis=1)
        up = self.origin - xy[:, 2:].mean(axis=1)
        self.length = np.linalg.norm(up, axis=1)
        diagonal = np.hypot(people.boxes_xywh[:, 2], people.boxes_xywh[:, 3])
        self.length[~(self.length > MIN_TORSO_SHARE * diagonal)] = np.nan
        self.up = up / self.length[:, None]
        across = xy[:, 0] - xy[:, 1]
        left = np.stack([-self.up[:, 1], self.up[:, 0]], axis=1)
        # The left shoulder is on the right in the image for people who face the camera.
        self.left = left * np.sign((left * across).sum(axis=1))[:, None]

    def locate(self, keypoint: Floats, joint: str) -> Floats:
        """Convert (n, 3) keypoints to (n, 2) up and left; outward for joints with a side."""
        offset = np.where(keypoint[:, 2:] > 0, keypoint[:, :2], np.nan) - self.origin
        sign = -1.0 if joint.startswith("right_") else 1.0
        upward = (offset * self.up).sum(axis=1) / self.length
        sideways = sign * (offset * self.left).sum(axis=1) / self.length
        return np.stack([upward, sideways], axis=1)
