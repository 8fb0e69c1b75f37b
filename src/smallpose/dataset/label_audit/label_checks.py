"""How suspicious a person's label is, test by test: numbers of which 1 is hardly ever exceeded.

Only geometry is looked at, no pixel. Statistics, of limbs and boxes, are each source's own.
"""

import warnings

import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import box_around_keypoints, to_xyxy
from smallpose.core.instances import SOURCES, Instances

Floats = NDArray[np.float64]

MAX_OUTSIDE = 0.12  # of the box's diagonal
MIN_EXTENT = 0.12  # of the box's diagonal, for all keypoints of a person
MIN_PEOPLE = 50  # of a source, below which its statistics come from everybody
MAX_LIMB_DEVIATION = 6.0  # robust standard deviations of a limb's logarithmic length
MAX_BOX_DEVIATION = 6.0  # the same, of the box's size about its keypoints
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
_LIMB_JOINTS = sorted({joint for limb in _LIMBS for joint in limb})


def score_labels(people: Instances) -> dict[str, Floats]:
    """Reason to (n,) numbers, 0 where a test says nothing and for people who do not count."""
    tests = {
        "collapsed": _score_collapsed,
        "outside": _score_outside,
        "mirrored": _score_mirrored,
        "limbs": _score_limbs,
        "box": _score_box,
    }
    usable = people.is_counted & np.asarray((people.boxes_xywh[:, 2:] > 0).all(axis=1))
    return {n: np.where(usable, np.nan_to_num(test(people)), 0.0) for n, test in tests.items()}


def _get_joint(people: Instances, name: str) -> Floats:
    """(n, 2) px; NaN where the joint is not labelled or the skeleton lacks it."""
    if name not in people.skeleton.joints:
        return np.full((len(people), 2), np.nan)
    points = people.keypoints[:, people.skeleton.joints.index(name)]
    return np.where(points[:, 2:] > 0, points[:, :2], np.nan)


def _is_visible(people: Instances, name: str) -> NDArray[np.bool_]:
    if name not in people.skeleton.joints:
        return np.zeros(len(people), dtype=bool)
    return np.asarray(people.keypoints[:, people.skeleton.joints.index(name), 2] == 2)


def _compute_diagonal(people: Instances) -> Floats:
    return np.asarray(np.maximum(np.hypot(people.boxes_xywh[:, 2], people.boxes_xywh[:, 3]), 1e-9))


def _score_collapsed(people: Instances) -> Floats:
    """All keypoints within a fraction of the box, or four limb joints on exactly one spot."""
    span = box_around_keypoints(people.keypoints)
    ratio = np.hypot(span[:, 2], span[:, 3]) / _compute_diagonal(people)
    whole = np.where(people.num_labelled >= 5, MIN_EXTENT / np.maximum(ratio, MIN_EXTENT / 10), 0.0)
    points = np.stack([_get_joint(people, name) for name in _LIMB_JOINTS], axis=1)
    heap = np.zeros(len(people))
    for centre in range(len(_LIMB_JOINTS)):
        gap = np.linalg.norm(points - points[:, centre : centre + 1], axis=2)
        same = (gap <= 0.01 * _compute_diagonal(people)[:, None]).sum(axis=1)
        heap = np.maximum(heap, same)
    # In a side view two shoulders or hips share a spot, and three joints may by chance.
    return np.asarray(np.maximum(whole, (heap - 1) / 2.5))


def _score_outside(people: Instances) -> Floats:
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
    return np.asarray(far.max(axis=1, initial=0.0) / _compute_diagonal(people) / MAX_OUTSIDE)


def _mask_visible_or_all(people: Instances) -> NDArray[np.bool_]:
    """(n, k) the joints that are seen; of people without any, all that are labelled."""
    v = people.keypoints[:, :, 2]
    some = (v == 2).any(axis=1, keepdims=True)
    return np.asarray(np.where(some, v == 2, v > 0))


def _score_mirrored(people: Instances) -> Floats:
    """Sides that cannot be as labelled, whichever way the person faces or hangs."""
    pairs = {
        part: _get_joint(people, f"left_{part}") - _get_joint(people, f"right_{part}")
        for part in ("shoulder", "elbow", "hip", "knee")
    }
    up = _compute_midpoint(people, "shoulder") - _compute_midpoint(people, "hip")
    torso = np.maximum(np.linalg.norm(up, axis=1), 1e-9)
    # A torso seen from its end is short and says little: the shoulders are a measure too.
    scale = np.maximum(torso, np.nan_to_num(np.linalg.norm(pairs["shoulder"], axis=1)))
    # Signed widths across the torso: all positive from the front, all negative from behind.
    wide = {part: -_cross_product(between, up) / torso / scale for part, between in pairs.items()}
    face = _measure_face(people)
    every = [
        _score_contradiction(wide["shoulder"], 0.35, wide["hip"], 0.25),
        _score_contradiction(wide["shoulder"], 0.5, wide["elbow"], 0.5),
        _score_contradiction(wide["hip"], 0.34, wide["knee"], 0.34),
        _score_contradiction(face, 0.5, wide["shoulder"], 0.5),
        np.maximum(-face, 0) / 0.5,  # a face with the left eye on the wrong side of its nose
        _score_swapped_ends(people, "shoulder", "elbow", scale) / 0.42,
        _score_swapped_ends(people, "hip", "knee", scale) / 0.6,
    ]
    return np.asarray(np.nan_to_num(every).max(axis=0))


def _score_contradiction(
    first: Floats, usual: float, second: Floats, usual_second: float
) -> Floats:
    """How clearly two signed widths contradict each other; 0 where they agree."""
    clear = np.minimum(np.abs(first) / usual, np.abs(second) / usual_second)
    return np.where(first * second < 0, clear, 0.0)


def _compute_midpoint(people: Instances, joint: str) -> Floats:
    return (_get_joint(people, f"left_{joint}") + _get_joint(people, f"right_{joint}")) / 2


def _cross_product(first: Floats, second: Floats) -> Floats:
    return np.asarray(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])


def _measure_face(people: Instances) -> Floats:
    """(n,) from 1, both eyes seen from the front, to -1, seen with the left one on the right.

    0 where the face is not seen or too small to tell; the order of the eyes about the nose does
    not depend on how the head hangs.
    """
    left, right = _get_joint(people, "left_eye"), _get_joint(people, "right_eye")
    across = left - right
    upward = (left + right) / 2 - _get_joint(people, "nose")
    width, height = np.linalg.norm(across, axis=1), np.linalg.norm(upward, axis=1)
    sine = -_cross_product(across, upward) / np.maximum(width * height, 1e-9)
    seen = (
        _is_visible(people, "left_eye")
        & _is_visible(people, "right_eye")
        & _is_visible(people, "nose")
    )
    # Two pixels are within the hand's tremble.
    telling = seen & (width >= 3) & (height >= 2) & (width > 0.5 * height)
    return np.where(telling, np.nan_to_num(sine), 0.0)


def _score_swapped_ends(people: Instances, inner: str, outer: str, scale: Floats) -> Floats:
    """By how many torsos two limbs get shorter when their outer ends are exchanged."""
    ends = {
        s: (_get_joint(people, f"{s}_{inner}"), _get_joint(people, f"{s}_{outer}"))
        for s in ("left", "right")
    }
    kept = sum(np.linalg.norm(a - b, axis=1) for a, b in ends.values())
    swapped = np.linalg.norm(ends["left"][0] - ends["right"][1], axis=1) + np.linalg.norm(
        ends["right"][0] - ends["left"][1], axis=1
    )
    return np.asarray((kept - swapped) / scale)


def _score_limbs(people: Instances) -> Floats:
    """How far the longest limb is beyond what its source shows, against the person's others.

    Foreshortening makes limbs short as often as one likes, never long: only the upper side counts.
    """
    lengths = np.stack(
        [np.linalg.norm(_get_joint(people, a) - _get_joint(people, b), axis=1) for a, b in _LIMBS],
        axis=1,
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(lengths)
    logs[~np.isfinite(logs)] = np.nan
    z = np.zeros(len(people))
    for rows in _group_by_source(people):
        z[rows] = _score_longest_limb(logs[rows])
    return z / MAX_LIMB_DEVIATION


def _score_longest_limb(logs: Floats) -> Floats:
    """(n, limbs) logarithmic lengths to each person's largest robust z-score."""
    usual = _nan_median(logs - _nan_median(logs, axis=1)[:, None], axis=0)
    scale = _nan_median(logs - usual, axis=1)  # the person's size, by the middle one of his limbs
    excess = logs - usual - scale[:, None]
    spread = 1.4826 * _nan_median(np.abs(excess), axis=0)
    z = excess / np.maximum(spread, 0.05)
    enough = np.isfinite(logs).sum(axis=1) >= 4
    return np.where(enough, np.nan_to_num(z, nan=0.0).max(axis=1, initial=0.0), 0.0)


def _score_box(people: Instances) -> Floats:
    """How unusual the box's width and height are for its keypoints, by source.

    Only people with three quarters of their joints: others are cut off, and their box is not. A box
    may be drawn around all keypoints or around the seen ones; it is odd when it fits neither.
    """
    every = _measure_box_misfit(people, people.keypoints)
    seen = np.where(_mask_visible_or_all(people)[:, :, None], people.keypoints, 0.0)
    return np.asarray(np.minimum(every, _measure_box_misfit(people, seen)) / MAX_BOX_DEVIATION)


def _measure_box_misfit(people: Instances, keypoints: Floats) -> Floats:
    """(n,) robust standard deviations, within the source, of box over extent of the keypoints."""
    span = box_around_keypoints(keypoints)
    full = people.num_labelled >= 0.75 * people.num_source_joints
    with np.errstate(divide="ignore", invalid="ignore"):
        # A bent limb can make an extent very flat, so both sides are eased by the diagonal.
        ease = 0.15 * _compute_diagonal(people)[:, None]
        logs = np.log((people.boxes_xywh[:, 2:] + ease) / (span[:, 2:] + ease))
    logs[~full] = np.nan
    z = np.zeros(len(people))
    for rows in _group_by_source(people):
        middle = _nan_median(logs[rows], axis=0)
        spread = 1.4826 * _nan_median(np.abs(logs[rows] - middle), axis=0)
        z[rows] = np.nan_to_num(np.abs(logs[rows] - middle) / np.maximum(spread, 0.05)).max(axis=1)
    return z


def _group_by_source(people: Instances) -> list[NDArray[np.intp]]:
    """Rows that share statistics: a source's own, those of small sources together."""
    known = [np.flatnonzero(people.source == s) for s in range(len(SOURCES))]
    few = [rows for rows in known if 0 < len(rows) < MIN_PEOPLE]
    groups = [rows for rows in known if len(rows) >= MIN_PEOPLE]
    return groups + ([np.concatenate(few)] if few else [])


def _nan_median(values: Floats, axis: int) -> Floats:
    """As nanmedian, NaN without a warning where there is nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmedian(values, axis=axis))
