"""Read angles, tilts and lengths off keypoints, and take their differences."""

import numpy as np

from smallpose.core.skeleton import Skeleton
from smallpose.evaluation.matching.arrays import Floats, Mask
from smallpose.evaluation.measures.definition import Measure, Point


def select_points(measure: Measure, keypoints: Floats, skeleton: Skeleton) -> tuple[Floats, Floats]:
    """Return the (n, p, 2) points of a measure, px, and the (n, p) lowest v or score of each.

    Args:
        keypoints: (n, k, 3) x, y and v or score.
    """
    xy = np.empty((len(keypoints), len(measure.points), 2))
    lowest = np.empty((len(keypoints), len(measure.points)))
    for index, point in enumerate(measure.points):
        xy[:, index], lowest[:, index] = _read_point(point, keypoints, skeleton)
    return xy, lowest


def _read_point(point: Point, keypoints: Floats, skeleton: Skeleton) -> tuple[Floats, Floats]:
    columns = skeleton.joint_indices(point)
    if len(columns) == 1:
        return keypoints[:, columns[0], :2], keypoints[:, columns[0], 2]
    joints = keypoints[:, columns]
    return joints[:, :, :2].mean(axis=1), joints[:, :, 2].min(axis=1)


def read_values(kind: str, points: Floats) -> Floats:
    """Return the (n,) values of (n, p, 2) points; NaN where two points that span it coincide.

    Args:
        kind: `angle`, `tilt` or `length`.

    >>> read_values("angle", np.array([[[1.0, 0.0], [0.0, 0.0], [0.0, 5.0]]])).tolist()
    [90.0]
    >>> read_values("tilt", np.array([[[0.0, 9.0], [9.0, 0.0]], [[0.0, 0.0], [9.0, 9.0]]])).tolist()
    [45.0, -45.0]
    """
    if kind == "angle":
        return _read_angles(points)
    dx, dy = (points[:, 1] - points[:, 0]).T
    if kind == "length":
        value = np.hypot(dx, dy)
        return np.where(value > 0, value, np.nan)
    # y grows downward in images; an axis has no direction, so half a turn changes nothing.
    tilt = fold_half_turn(np.degrees(np.arctan2(dx, -dy)))
    return np.where((dx == 0) & (dy == 0), np.nan, tilt)


def _read_angles(points: Floats) -> Floats:
    """Return the angle at the second of three points, by atan2: exact near 0 and 180 degrees."""
    u, v = points[:, 0] - points[:, 1], points[:, 2] - points[:, 1]
    longest_u, longest_v = np.abs(u).max(axis=1), np.abs(v).max(axis=1)
    has_both = (longest_u > 0) & (longest_v > 0)
    # Scaled, so that products of coordinates neither overflow nor vanish.
    with np.errstate(invalid="ignore", divide="ignore"):
        u, v = u / longest_u[:, None], v / longest_v[:, None]
        cross = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
        dot = u[:, 0] * v[:, 0] + u[:, 1] * v[:, 1]
    return np.where(has_both, np.degrees(np.arctan2(np.abs(cross), dot)), np.nan)


def fold_half_turn(degrees: Floats) -> Floats:
    """Return degrees in [-90, 90), which name the same axis."""
    return np.asarray((degrees + 90.0) % 180.0 - 90.0)


def subtract_values(kind: str, predicted: Floats, truth: Floats) -> Floats:
    """Return (n,) predicted minus truth; of tilts the short way around."""
    difference = predicted - truth
    return fold_half_turn(difference) if kind == "tilt" else difference


def is_finite(points: Floats) -> Mask:
    """Return (n,) whether all points of each person are numbers."""
    return np.asarray(np.isfinite(points).all(axis=(1, 2)))
