"""Find the poses that can be duplicates of a pose, without comparing each with every other.

Poses whose OKS exceeds a threshold have most joints close together. So among a few joints, chosen
in advance, at least one is close, and a sorted list of that joint's coordinates contains the pose
in a short stretch. What is left is compared exactly, so results do not change.
"""

import math

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Rows = NDArray[np.intp]

_EXPONENT = 4.0  # a joint is close when its term of the OKS is at least exp(-4)
_CLASS_RATIO = 4.0  # areas of one class differ at most by this factor
_NUM_CLASSES = 12  # smaller areas share the last class
_ROUNDING = 1 + 1e-9


class NearPoses:
    """A sorted list of each chosen joint's x, for people of each class.

    Args:
        points: (d, s, 2) px, finite; the chosen joints.
        classes: (d,) class of each person.
        reach: (d, c, s) px within which a person's joint must have that of a person of a class.
    """

    def __init__(self, points: Doubles, classes: NDArray[np.intp], reach: Doubles) -> None:
        self._points = points
        self._lists: list[tuple[int, Rows, Rows, Rows, Doubles]] = []
        for one_class in range(reach.shape[1]):
            members = np.flatnonzero(classes == one_class)
            for joint in range(points.shape[1]):
                x = points[:, joint, 0]
                ordered = members[np.argsort(x[members], kind="stable")]
                distance = reach[:, one_class, joint]
                first = np.searchsorted(x[ordered], x - distance, side="left")
                last = np.searchsorted(x[ordered], x + distance, side="right")
                self._lists.append((joint, ordered, first, last, distance))

    def find(self, person: int) -> Rows:
        """Return the people near a person, themselves among them, in the order of the rows."""
        parts = []
        for joint, ordered, first, last, distance in self._lists:
            rows = ordered[first[person] : last[person]]
            y = self._points[rows, joint, 1]
            is_near = np.abs(y - self._points[person, joint, 1]) <= distance[person]
            parts.append(rows[is_near])
        return np.unique(np.concatenate(parts))


def find_oks_candidates(
    points: Doubles, area: Doubles, sigmas: Doubles, oks_threshold: float
) -> NearPoses | None:
    """Prepare the search for people whose OKS can exceed the threshold; None if all have to be.

    Args:
        points: (d, k, 2) px.
        area: (d,) px².
        sigmas: (k,).
    """
    k = len(sigmas)
    farthest = math.exp(-_EXPONENT)
    if not farthest < oks_threshold < 1:
        return None
    if not (np.isfinite(points).all() and np.isfinite(area).all() and (area >= 0).all()):
        return None
    # Were fewer joints close than this, the mean of the terms could not exceed the threshold.
    min_close = math.floor(k * (oks_threshold - farthest) / (1 - farthest) - 1e-9) + 1
    joints = np.argsort(sigmas, kind="stable")[: k - min_close + 1]
    classes, largest = _classify_areas(area)
    mean_area = (area[:, None] + largest) / 2 + np.spacing(1)  # (d, c)
    squared = 8 * _EXPONENT * mean_area[:, :, None] * np.square(sigmas[joints])
    return NearPoses(points[:, joints], classes, np.sqrt(squared) * _ROUNDING)


def find_joint_candidates(points: Doubles, distance: Doubles, num_close: int) -> NearPoses | None:
    """Prepare the search for people with `num_close` joints within a person's distance.

    Args:
        points: (d, k, 2) px.
        distance: (d,) px.
    Returns: None if all people have to be compared.
    """
    d, k, _ = points.shape
    if not 0 < num_close <= k or not np.isfinite(points).all():
        return None
    num_joints = k - num_close + 1
    reach = np.broadcast_to(distance[:, None, None] * _ROUNDING, (d, 1, num_joints))
    return NearPoses(points[:, :num_joints], np.zeros(d, dtype=np.intp), reach)


def _classify_areas(area: Doubles) -> tuple[NDArray[np.intp], Doubles]:
    """Return (d,) the class of each area, and (c,) the largest area of each class."""
    largest = area.max(initial=0.0)
    if largest == 0:
        return np.zeros(len(area), dtype=np.intp), np.zeros(1)
    ratio = largest / np.maximum(area, largest / _CLASS_RATIO**_NUM_CLASSES)
    steps = np.floor(np.log(ratio) / np.log(_CLASS_RATIO)).astype(np.intp)
    _, classes = np.unique(steps, return_inverse=True)
    maxima = np.zeros(classes.max() + 1)
    np.maximum.at(maxima, classes, area)
    return classes, maxima
