"""Do two sources mean the same point by the same word: offsets of shared joints, in torsos.

Everybody is laid into his own torso: the middle of the shoulders at 0, the middle of the hips one
torso below, his left to the left. There a joint has a place that neither size nor posture of the
picture changes, and sources can be compared person for person. What remains between them is habit
of the annotators, and whatever else their people differ in; with one model's predictions for all of
them as the reference the people cancel out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import SOURCES, Instances

Floats = NDArray[np.float64]

MIN_PEOPLE = 30  # people with the joint in a source, below which nothing is said
MIN_TORSO_SHARE = (
    0.2  # torsos shorter than this share of the box's diagonal are seen from their end
)
_SPINE = ("head_top", "head_bottom", "chest", "pelvis")
_TORSO = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")


@dataclass(frozen=True)
class JointOffset:
    """How far one source's joint lies from another's.

    Args:
        joint: which.
        first, second: the sources; offsets are first's place minus second's.
        up: along the torso towards the head, in torsos.
        left: to the person's left, in torsos; joints with a side count outward instead.
        error_up, error_left: standard errors of the two medians' difference.
        people: how many of each source it rests on.
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
    """Offsets of each joint between each two sources that label it.

    Args:
        joints: which; without, those of head and spine, or with a reference all. Elbows and knees
            lie where the pose puts them, so labels alone say little of them.
        reference: (n, k, 3) one model's keypoints for the same people, row by row. Offsets are
            then of label minus prediction, so that different people and poses cancel out.
    Raises: InputError when the reference does not fit the people.
    """
    if reference is not None and reference.shape != people.keypoints.shape:
        raise InputError(
            "the reference",
            f"has shape {reference.shape} instead of {people.keypoints.shape}",
            "give one prediction per person, in the same order",
        )
    names = people.skeleton.joints
    chosen = joints or [n for n in names if reference is not None or n in _SPINE]
    frame = _TorsoFrame(people if reference is None else replace(people, keypoints=reference))
    found = []
    for name in chosen:
        number = names.index(name)
        place = frame.locate(people.keypoints[:, number], name)
        if reference is not None:
            place = place - frame.locate(reference[:, number], name)
        known = {
            source: place[(people.source == source) & people.is_counted & np.isfinite(place[:, 0])]
            for source in np.unique(people.source).tolist()
        }
        known = {s: p for s, p in known.items() if len(p) >= MIN_PEOPLE}
        for a in sorted(known):
            for b in (b for b in sorted(known) if b > a):
                found.append(_compare_sources(name, a, b, known[a], known[b]))
    return found


def _compare_sources(joint: str, a: int, b: int, first: Floats, second: Floats) -> JointOffset:
    gap = np.median(first, axis=0) - np.median(second, axis=0)
    error = np.hypot(_estimate_median_error(first), _estimate_median_error(second))
    return JointOffset(
        joint,
        SOURCES[a] or "unknown",
        SOURCES[b] or "unknown",
        up=float(gap[0]),
        left=float(gap[1]),
        error_up=float(error[0]),
        error_left=float(error[1]),
        people=(len(first), len(second)),
    )


def _estimate_median_error(values: Floats) -> Floats:
    """(2,) standard errors of the medians, from the spread of the middle half (normal theory)."""
    quarter, half = np.percentile(values, [25, 75], axis=0)
    return np.asarray(1.2533 * (half - quarter) / 1.349 / np.sqrt(len(values)))


class _TorsoFrame:
    """Everybody's own frame: (n, 2) origin, unit vectors up and left, length in px."""

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
        # Which way the left arm hangs in the picture: to the right for those who face us.
        self.left = left * np.sign((left * across).sum(axis=1))[:, None]

    def locate(self, keypoint: Floats, joint: str) -> Floats:
        """(n, 3) keypoints to (n, 2) up and left in torsos; outward for joints of a side."""
        offset = np.where(keypoint[:, 2:] > 0, keypoint[:, :2], np.nan) - self.origin
        sign = -1.0 if joint.startswith("right_") else 1.0
        upward = (offset * self.up).sum(axis=1) / self.length
        sideways = sign * (offset * self.left).sum(axis=1) / self.length
        return np.stack([upward, sideways], axis=1)
