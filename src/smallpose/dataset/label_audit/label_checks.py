"""How suspicious a person's label is, test by test: numbers of which 1 is hardly ever exceeded.

Only geometry is looked at, no pixel. Statistics, of limbs and boxes, are each source's own.
"""

import warnings

import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import extent, to_xyxy
from smallpose.core.instances import SOURCES, Instances

Floats = NDArray[np.float64]

FAR_OUT = 0.12  # of the box's diagonal
ONE_SPOT = 0.12  # of the box's diagonal, for all keypoints of a person
LEAST_PEOPLE = 50  # of a source, below which its statistics come from everybody
LONG_LIMB = 6.0  # robust standard deviations of a limb's logarithmic length
ODD_BOX = 6.0  # the same, of the box's size about its keypoints
_LIMBS = (
    ("left_shoulder", "left_elbow"),
    ("right_shoulder", "right_elbow"),
    ("left_elbow", "left_wrist"),
    ("right_elbow", "right_wrist"),
    ("left_hip", "left_knee"),
    ("right_hip", "right_knee"),
    ("left_knee", "left_ankle"),
    ("right_knee", "right_ankle"),
    ("left_shoulder", "right_shoulder"),
    ("left_hip", "right_hip"),
    ("left_shoulder", "left_hip"),
    ("right_shoulder", "right_hip"),
    ("head_top", "head_bottom"),
)
_SPOTS = sorted({joint for limb in _LIMBS for joint in limb})


def suspicions(people: Instances) -> dict[str, Floats]:
    """Reason to (n,) numbers, 0 where a test says nothing and for people who do not count."""
    tests = {
        "collapsed": _collapsed,
        "outside": _outside,
        "mirrored": _mirrored,
        "limbs": _long_limbs,
        "box": _odd_box,
    }
    usable = people.counted & np.asarray((people.boxes_xywh[:, 2:] > 0).all(axis=1))
    return {n: np.where(usable, np.nan_to_num(test(people)), 0.0) for n, test in tests.items()}


def _joint(people: Instances, name: str) -> Floats:
    """(n, 2) px; NaN where the joint is not labelled or the skeleton lacks it."""
    if name not in people.skeleton.joints:
        return np.full((len(people), 2), np.nan)
    points = people.keypoints[:, people.skeleton.joints.index(name)]
    return np.where(points[:, 2:] > 0, points[:, :2], np.nan)


def _seen(people: Instances, name: str) -> NDArray[np.bool_]:
    if name not in people.skeleton.joints:
        return np.zeros(len(people), dtype=bool)
    return np.asarray(people.keypoints[:, people.skeleton.joints.index(name), 2] == 2)


def _diagonal(people: Instances) -> Floats:
    return np.asarray(np.maximum(np.hypot(people.boxes_xywh[:, 2], people.boxes_xywh[:, 3]), 1e-9))


def _collapsed(people: Instances) -> Floats:
    """All keypoints within a fraction of the box, or four limb joints on exactly one spot."""
    span = extent(people.keypoints)
    ratio = np.hypot(span[:, 2], span[:, 3]) / _diagonal(people)
    whole = np.where(people.labelled >= 5, ONE_SPOT / np.maximum(ratio, ONE_SPOT / 10), 0.0)
    points = np.stack([_joint(people, name) for name in _SPOTS], axis=1)
    heap = np.zeros(len(people))
    for centre in range(len(_SPOTS)):
        gap = np.linalg.norm(points - points[:, centre : centre + 1], axis=2)
        same = (gap <= 0.01 * _diagonal(people)[:, None]).sum(axis=1)
        heap = np.maximum(heap, same)
    # In a side view two shoulders or hips share a spot, and three joints may by chance.
    return np.asarray(np.maximum(whole, (heap - 1) / 2.5))


def _outside(people: Instances) -> Floats:
    """How far the farthest keypoint lies from the box, in `FAR_OUT` of its diagonal.

    Sources draw boxes around what is seen of a person and guess where the rest is, so a hidden
    joint may lie anywhere; whether it hangs together with the others is a question for the limbs.
    """
    corners = to_xyxy(people.boxes_xywh)
    points = people.keypoints[:, :, :2]
    beyond = np.maximum(corners[:, None, :2] - points, points - corners[:, None, 2:]).clip(0)
    seen = people.keypoints[:, :, 2] == 2
    trust = np.where(seen, 1.0, np.where(seen.any(axis=1, keepdims=True), 0.0, 1 / 3))
    far = trust * np.where(people.keypoints[:, :, 2] > 0, np.linalg.norm(beyond, axis=2), 0.0)
    return np.asarray(far.max(axis=1, initial=0.0) / _diagonal(people) / FAR_OUT)


def _seen_or_all(people: Instances) -> NDArray[np.bool_]:
    """(n, k) the joints that are seen; of people without any, all that are labelled."""
    v = people.keypoints[:, :, 2]
    some = (v == 2).any(axis=1, keepdims=True)
    return np.asarray(np.where(some, v == 2, v > 0))


def _mirrored(people: Instances) -> Floats:
    """Sides that cannot be as labelled, whichever way the person faces or hangs."""
    pairs = {
        part: _joint(people, f"left_{part}") - _joint(people, f"right_{part}")
        for part in ("shoulder", "elbow", "hip", "knee")
    }
    up = _middle(people, "shoulder") - _middle(people, "hip")
    torso = np.maximum(np.linalg.norm(up, axis=1), 1e-9)
    # A torso seen from its end is short and says little: the shoulders are a measure too.
    scale = np.maximum(torso, np.nan_to_num(np.linalg.norm(pairs["shoulder"], axis=1)))
    # Signed widths across the torso: all positive from the front, all negative from behind.
    wide = {part: -_cross(between, up) / torso / scale for part, between in pairs.items()}
    face = _face(people)
    every = [
        _opposed(wide["shoulder"], 0.35, wide["hip"], 0.25),
        _opposed(wide["shoulder"], 0.5, wide["elbow"], 0.5),
        _opposed(wide["hip"], 0.34, wide["knee"], 0.34),
        _opposed(face, 0.5, wide["shoulder"], 0.5),
        np.maximum(-face, 0) / 0.5,  # a face with the left eye on the wrong side of its nose
        _crossed(people, "shoulder", "elbow", scale) / 0.42,
        _crossed(people, "hip", "knee", scale) / 0.6,
    ]
    return np.asarray(np.nan_to_num(every).max(axis=0))


def _opposed(first: Floats, usual: float, second: Floats, usual_second: float) -> Floats:
    """How clearly two signed widths contradict each other; 0 where they agree."""
    clear = np.minimum(np.abs(first) / usual, np.abs(second) / usual_second)
    return np.where(first * second < 0, clear, 0.0)


def _middle(people: Instances, joint: str) -> Floats:
    return (_joint(people, f"left_{joint}") + _joint(people, f"right_{joint}")) / 2


def _cross(first: Floats, second: Floats) -> Floats:
    return np.asarray(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])


def _face(people: Instances) -> Floats:
    """(n,) from 1, both eyes seen from the front, to -1, seen with the left one on the right.

    0 where the face is not seen or too small to tell; the order of the eyes about the nose does
    not depend on how the head hangs.
    """
    left, right = _joint(people, "left_eye"), _joint(people, "right_eye")
    across = left - right
    upward = (left + right) / 2 - _joint(people, "nose")
    width, height = np.linalg.norm(across, axis=1), np.linalg.norm(upward, axis=1)
    sine = -_cross(across, upward) / np.maximum(width * height, 1e-9)
    seen = _seen(people, "left_eye") & _seen(people, "right_eye") & _seen(people, "nose")
    # Two pixels are within the hand's tremble.
    telling = seen & (width >= 3) & (height >= 2) & (width > 0.5 * height)
    return np.where(telling, np.nan_to_num(sine), 0.0)


def _crossed(people: Instances, inner: str, outer: str, scale: Floats) -> Floats:
    """By how many torsos two limbs get shorter when their outer ends are exchanged."""
    ends = {
        s: (_joint(people, f"{s}_{inner}"), _joint(people, f"{s}_{outer}"))
        for s in ("left", "right")
    }
    kept = sum(np.linalg.norm(a - b, axis=1) for a, b in ends.values())
    swapped = np.linalg.norm(ends["left"][0] - ends["right"][1], axis=1) + np.linalg.norm(
        ends["right"][0] - ends["left"][1], axis=1
    )
    return np.asarray((kept - swapped) / scale)


def _long_limbs(people: Instances) -> Floats:
    """How far the longest limb is beyond what its source shows, against the person's others.

    Foreshortening makes limbs short as often as one likes, never long: only the upper side counts.
    """
    lengths = np.stack(
        [np.linalg.norm(_joint(people, a) - _joint(people, b), axis=1) for a, b in _LIMBS], axis=1
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(lengths)
    logs[~np.isfinite(logs)] = np.nan
    z = np.zeros(len(people))
    for rows in _by_source(people):
        z[rows] = _longest(logs[rows])
    return z / LONG_LIMB


def _longest(logs: Floats) -> Floats:
    """(n, limbs) logarithmic lengths to each person's largest robust z-score."""
    usual = _median(logs - _median(logs, axis=1)[:, None], axis=0)
    scale = _median(logs - usual, axis=1)  # the person's size, by the middle one of his limbs
    excess = logs - usual - scale[:, None]
    spread = 1.4826 * _median(np.abs(excess), axis=0)
    z = excess / np.maximum(spread, 0.05)
    enough = np.isfinite(logs).sum(axis=1) >= 4
    return np.where(enough, np.nan_to_num(z, nan=0.0).max(axis=1, initial=0.0), 0.0)


def _odd_box(people: Instances) -> Floats:
    """How unusual the box's width and height are for its keypoints, by source.

    Only people with three quarters of their joints: others are cut off, and their box is not. A box
    may be drawn around all keypoints or around the seen ones; it is odd when it fits neither.
    """
    every = _box_misfit(people, people.keypoints)
    seen = np.where(_seen_or_all(people)[:, :, None], people.keypoints, 0.0)
    return np.asarray(np.minimum(every, _box_misfit(people, seen)) / ODD_BOX)


def _box_misfit(people: Instances, keypoints: Floats) -> Floats:
    """(n,) robust standard deviations, within the source, of box over extent of the keypoints."""
    span = extent(keypoints)
    full = people.labelled >= 0.75 * people.joints
    with np.errstate(divide="ignore", invalid="ignore"):
        # A bent limb can make an extent very flat, so both sides are eased by the diagonal.
        ease = 0.15 * _diagonal(people)[:, None]
        logs = np.log((people.boxes_xywh[:, 2:] + ease) / (span[:, 2:] + ease))
    logs[~full] = np.nan
    z = np.zeros(len(people))
    for rows in _by_source(people):
        middle = _median(logs[rows], axis=0)
        spread = 1.4826 * _median(np.abs(logs[rows] - middle), axis=0)
        z[rows] = np.nan_to_num(np.abs(logs[rows] - middle) / np.maximum(spread, 0.05)).max(axis=1)
    return z


def _by_source(people: Instances) -> list[NDArray[np.intp]]:
    """Rows that share statistics: a source's own, those of small sources together."""
    known = [np.flatnonzero(people.source == s) for s in range(len(SOURCES))]
    few = [rows for rows in known if 0 < len(rows) < LEAST_PEOPLE]
    groups = [rows for rows in known if len(rows) >= LEAST_PEOPLE]
    return groups + ([np.concatenate(few)] if few else [])


def _median(values: Floats, axis: int) -> Floats:
    """As nanmedian, NaN without a warning where there is nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmedian(values, axis=axis))
