"""Score how suspect each label is, check by check; correct labels hardly ever score above 1.

The checks use only the geometry of keypoints and boxes. Statistics of limbs and boxes are computed
for each source separately.
"""

import warnings
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import box_around_keypoints, to_xyxy
from smallpose.core.instances import SOURCES, Instances

Floats = NDArray[np.float64]

MAX_OUTSIDE = 0.12  # distance of a keypoint from the box, relative to the box's diagonal
MIN_EXTENT = 0.12  # extent of a person's keypoints, relative to the box's diagonal
MIN_PEOPLE = 50  # sources with fewer people share their statistics
MAX_LIMB_DEVIATION = 6.0  # robust standard deviations of a limb's logarithmic length
MAX_BOX_DEVIATION = 6.0  # robust standard deviations of the ratio of box to keypoint extent
_NORMAL_MAD = 1.4826  # standard deviation of a normal distribution over its MAD
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
    """Compute the (n,) scores of each check of the geometry.

    A score is 0 where a check does not apply, and for people who are not counted.
    """
    checks = {
        "collapsed": _score_collapsed,
        "outside": _score_outside,
        "mirrored": _score_mirrored,
        "limbs": _score_limbs,
        "box": _score_box,
    }
    is_checked = people.is_counted & np.asarray((people.boxes_xywh[:, 2:] > 0).all(axis=1))
    return {
        name: np.where(is_checked, np.nan_to_num(check(people)), 0.0)
        for name, check in checks.items()
    }


def _get_joint(people: Instances, name: str) -> Floats:
    """Return (n, 2) px; NaN where the joint is not labelled or the skeleton lacks it."""
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
    """Score keypoints within a fraction of the box, or several limb joints at one position."""
    diagonal = _compute_diagonal(people)
    span = box_around_keypoints(people.keypoints)
    extent = np.hypot(span[:, 2], span[:, 3]) / diagonal
    extent_score = MIN_EXTENT / np.maximum(extent, MIN_EXTENT / 10)
    all_joints = np.where(people.num_labelled >= 5, extent_score, 0.0)
    x, y = np.stack([_get_joint(people, name) for name in _LIMB_JOINTS]).transpose(2, 0, 1)
    num_coincident = np.isfinite(x + y).astype(int)
    # Pair by pair over contiguous columns: an axis of two coordinates takes ten times as long.
    for one, other in combinations(range(len(_LIMB_JOINTS)), 2):
        distance = np.sqrt((x[one] - x[other]) ** 2 + (y[one] - y[other]) ** 2)
        is_near = distance <= 0.01 * diagonal
        num_coincident[one] += is_near
        num_coincident[other] += is_near
    max_coincident = num_coincident.max(axis=0)
    # In a side view two shoulders or hips coincide, and three joints may do so by chance.
    return np.asarray(np.maximum(all_joints, (max_coincident - 1) / 2.5))


def _score_outside(people: Instances) -> Floats:
    """Score the distance of the farthest keypoint from the box."""
    distance = _measure_outside(people)
    return np.asarray(distance.max(axis=1, initial=0.0) / _compute_diagonal(people) / MAX_OUTSIDE)


def find_farthest_joints(people: Instances) -> list[tuple[str, ...]]:
    """Return the joints of each person that are suspiciously far outside the box."""
    is_far = _measure_outside(people) > MAX_OUTSIDE * _compute_diagonal(people)[:, None]
    names = np.array(people.skeleton.spelled_joints, dtype=object)
    return [tuple(names[row].tolist()) for row in is_far]


def _measure_outside(people: Instances) -> Floats:
    """Measure the (n, k) distance of the keypoints from the box, px, hidden ones by a weight.

    Sources draw boxes around the visible parts of a person and guess where the others are, so a
    hidden joint may be anywhere. Whether it fits the other joints is checked by the limbs.
    """
    corners = to_xyxy(people.boxes_xywh)
    points = people.keypoints[:, :, :2]
    visibility = people.keypoints[:, :, 2]
    offset = np.maximum(corners[:, None, :2] - points, points - corners[:, None, 2:]).clip(0)
    is_visible = visibility == 2
    has_visible = is_visible.any(axis=1, keepdims=True)
    hidden_weight = np.where(has_visible, 0.0, 1 / 3)
    weight = np.where(is_visible, 1.0, hidden_weight)
    return np.asarray(weight * np.where(visibility > 0, np.linalg.norm(offset, axis=2), 0.0))


def _mask_visible_or_all(people: Instances) -> NDArray[np.bool_]:
    """Return (n, k) visible joints; of people without any, all labelled ones."""
    v = people.keypoints[:, :, 2]
    has_visible = (v == 2).any(axis=1, keepdims=True)
    return np.asarray(np.where(has_visible, v == 2, v > 0))


def _score_mirrored(people: Instances) -> Floats:
    """Score contradictions between left and right, whichever way the person faces."""
    pairs = {
        part: _get_joint(people, f"left_{part}") - _get_joint(people, f"right_{part}")
        for part in ("shoulder", "elbow", "hip", "knee")
    }
    up = _compute_midpoint(people, "shoulder") - _compute_midpoint(people, "hip")
    torso = np.maximum(np.linalg.norm(up, axis=1), 1e-9)
    # A foreshortened torso is a poor scale, so the shoulders are used where they are longer.
    scale = np.maximum(torso, np.nan_to_num(np.linalg.norm(pairs["shoulder"], axis=1)))
    # Signed widths across the torso: all positive from the front, all negative from behind.
    widths = {part: -_cross_product(between, up) / torso / scale for part, between in pairs.items()}
    face = _measure_face(people)
    scores = [
        _score_contradiction(widths["shoulder"], 0.35, widths["hip"], 0.25),
        _score_contradiction(widths["shoulder"], 0.5, widths["elbow"], 0.5),
        _score_contradiction(widths["hip"], 0.34, widths["knee"], 0.34),
        _score_contradiction(face, 0.5, widths["shoulder"], 0.5),
        np.maximum(-face, 0) / 0.5,  # the left eye is on the wrong side of the nose
        _score_swapped_ends(people, "shoulder", "elbow", scale) / 0.42,
        _score_swapped_ends(people, "hip", "knee", scale) / 0.6,
    ]
    return np.asarray(np.nan_to_num(scores).max(axis=0))


def _score_contradiction(
    first: Floats, first_usual: float, second: Floats, second_usual: float
) -> Floats:
    """Score how clearly two signed widths have opposite signs; 0 where they agree."""
    clearness = np.minimum(np.abs(first) / first_usual, np.abs(second) / second_usual)
    return np.where(first * second < 0, clearness, 0.0)


def _compute_midpoint(people: Instances, joint: str) -> Floats:
    return (_get_joint(people, f"left_{joint}") + _get_joint(people, f"right_{joint}")) / 2


def _cross_product(first: Floats, second: Floats) -> Floats:
    return np.asarray(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])


def _measure_face(people: Instances) -> Floats:
    """Measure on which side of the nose the left eye is.

    The order of the eyes about the nose does not depend on how the head is rotated in the image.

    Returns: (n,) from 1, as seen from the front, to -1, with the left eye on the right; 0 where
        the face is not visible or too small.
    """
    left, right = _get_joint(people, "left_eye"), _get_joint(people, "right_eye")
    across = left - right
    upward = (left + right) / 2 - _get_joint(people, "nose")
    width, height = np.linalg.norm(across, axis=1), np.linalg.norm(upward, axis=1)
    sine = -_cross_product(across, upward) / np.maximum(width * height, 1e-9)
    is_visible = _is_visible(people, "left_eye") & _is_visible(people, "right_eye")
    is_visible &= _is_visible(people, "nose")
    # Two pixels are within the precision of annotators.
    is_reliable = is_visible & (width >= 3) & (height >= 2) & (width > 0.5 * height)
    return np.where(is_reliable, np.nan_to_num(sine), 0.0)


def _score_swapped_ends(people: Instances, inner: str, outer: str, scale: Floats) -> Floats:
    """Score by how many torsos two limbs get shorter when their outer ends are swapped."""
    left_inner, left_outer = (
        _get_joint(people, f"left_{inner}"),
        _get_joint(people, f"left_{outer}"),
    )
    right_inner = _get_joint(people, f"right_{inner}")
    right_outer = _get_joint(people, f"right_{outer}")
    as_labelled = np.linalg.norm(left_inner - left_outer, axis=1) + np.linalg.norm(
        right_inner - right_outer, axis=1
    )
    swapped = np.linalg.norm(left_inner - right_outer, axis=1) + np.linalg.norm(
        right_inner - left_outer, axis=1
    )
    return np.asarray((as_labelled - swapped) / scale)


def _score_limbs(people: Instances) -> Floats:
    """Score how far the longest limb exceeds its usual length, relative to the other limbs.

    Foreshortening makes limbs short, never long, so only the upper side is checked.
    """
    return np.asarray(_compare_limbs(people).max(axis=1, initial=0.0) / MAX_LIMB_DEVIATION)


def find_longest_limbs(people: Instances) -> list[tuple[str, ...]]:
    """Return the ends of each person's longest limb for its kind; none where none is known."""
    z = _compare_limbs(people)
    return [_LIMBS[limb] if z[row, limb] > 0 else () for row, limb in enumerate(z.argmax(axis=1))]


def _compare_limbs(people: Instances) -> Floats:
    """Return (n, limbs) robust z-scores of the limbs' lengths, by source; 0 where unknown."""
    lengths = np.stack(
        [np.linalg.norm(_get_joint(people, a) - _get_joint(people, b), axis=1) for a, b in _LIMBS],
        axis=1,
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(lengths)
    logs[~np.isfinite(logs)] = np.nan
    z = np.zeros(logs.shape)
    for rows in _group_by_source(people):
        z[rows] = _standardize_limbs(logs[rows])
    return z


def _standardize_limbs(logs: Floats) -> Floats:
    """Compute the robust z-score of each limb relative to the person's others.

    Args:
        logs: (n, limbs) logarithmic lengths; NaN where unknown.
    """
    usual = _nan_median(logs - _nan_median(logs, axis=1)[:, None], axis=0)
    scale = _nan_median(logs - usual, axis=1)  # the person's size, by their median limb
    excess = logs - usual - scale[:, None]
    spread = _NORMAL_MAD * _nan_median(np.abs(excess), axis=0)
    z = excess / np.maximum(spread, 0.05)
    has_enough_limbs = np.isfinite(logs).sum(axis=1) >= 4
    return np.where(has_enough_limbs[:, None], np.nan_to_num(z, nan=0.0), 0.0)


def _score_box(people: Instances) -> Floats:
    """Score how unusual the box's width and height are for its keypoints, by source.

    Boxes may be drawn around all keypoints or around the visible ones, so the better fit of both
    is scored.
    """
    all_keypoints = _measure_box_misfit(people, people.keypoints)
    visible = np.where(_mask_visible_or_all(people)[:, :, None], people.keypoints, 0.0)
    misfit = np.minimum(all_keypoints, _measure_box_misfit(people, visible))
    return np.asarray(misfit / MAX_BOX_DEVIATION)


def _measure_box_misfit(people: Instances, keypoints: Floats) -> Floats:
    """Measure the (n,) deviation of the ratio of box to keypoint extent within the source.

    Only people with three quarters of their joints are measured: others are truncated by the
    image, and their boxes are not. The unit is robust standard deviations.
    """
    span = box_around_keypoints(keypoints)
    has_most_joints = people.num_labelled >= 0.75 * people.num_source_joints
    with np.errstate(divide="ignore", invalid="ignore"):
        # The extent can be very flat, so a share of the diagonal is added to both sides.
        margin = 0.15 * _compute_diagonal(people)[:, None]
        logs = np.log((people.boxes_xywh[:, 2:] + margin) / (span[:, 2:] + margin))
    logs[~has_most_joints] = np.nan
    z = np.zeros(len(people))
    for rows in _group_by_source(people):
        deviation = np.abs(logs[rows] - _nan_median(logs[rows], axis=0))
        spread = _NORMAL_MAD * _nan_median(deviation, axis=0)
        z[rows] = np.nan_to_num(deviation / np.maximum(spread, 0.05)).max(axis=1)
    return z


def _group_by_source(people: Instances) -> list[NDArray[np.intp]]:
    """Group the rows that share statistics: one group per source, small sources together."""
    by_source = [np.flatnonzero(people.source == code) for code in range(len(SOURCES))]
    small = [rows for rows in by_source if 0 < len(rows) < MIN_PEOPLE]
    groups = [rows for rows in by_source if len(rows) >= MIN_PEOPLE]
    return groups + ([np.concatenate(small)] if small else [])


def _nan_median(values: Floats, axis: int) -> Floats:
    """Compute the median without NaN; NaN, without a warning, where nothing is left."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmedian(values, axis=axis))
