"""PoseTrack's AP and MOTA, as poseval computes them: joint by joint, within half a head.

A predicted joint is right within .5 of the size of the head. Poses are assigned to people by the
share of right joints; AP ranks joints by their score, MOTA counts misses, false joints and switches
of identity of each joint (CLEAR MOT).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from smallpose.evaluation.matching.arrays import Floats, Ints, Mask
from smallpose.evaluation.video.assignment import assign_pairs

HEAD_SHARE = 0.5  # of the size of the head, within which a joint is right


@dataclass(frozen=True)
class PoseFrame:
    """The people and predictions of one frame that has people.

    Args:
        points, predicted: (g, k, 2), (p, k, 2) px.
        is_labelled, is_predicted: (g, k), (p, k) which of these joints exist.
        scores: (p, k) of the predicted joints.
        head: (g,) px, size of each person's head.
        people, tracks: (g,), (p,) identities in the video; -1 where unknown.
    """

    points: Floats
    predicted: Floats
    is_labelled: Mask
    is_predicted: Mask
    scores: Floats
    head: Floats
    people: Ints
    tracks: Ints


@dataclass(frozen=True)
class JointLists:
    """Every predicted joint of one video, joint by joint, and the labels.

    Args:
        scores: (k,) arrays of the scores of predicted joints.
        is_right: (k,) arrays, whether each is.
        num_labelled: (k,).
    """

    scores: tuple[Floats, ...]
    is_right: tuple[Mask, ...]
    num_labelled: Floats


def measure_distances(frame: PoseFrame) -> Floats:
    """Return the (p, g, k) distances in heads; infinite where a joint does not exist."""
    offset = frame.predicted[:, None] - frame.points[None]
    distance = np.sqrt((offset**2).sum(axis=3)) / frame.head[None, :, None]
    exists = frame.is_predicted[:, None] & frame.is_labelled[None]
    return np.where(exists, distance, np.inf)


def assign_poses(is_right: Mask, is_labelled: Mask) -> Ints:
    """Return the (p,) person of each pose, -1 for none.

    Each pose goes to the person with the largest share of right joints, and each person keeps
    the best of their poses; the first of equal ones.

    Args:
        is_right: (p, g, k); is_labelled: (g, k).
    """
    person = np.full(len(is_right), -1, dtype=np.intp)
    if 0 in is_right.shape:
        return person
    share = is_right.sum(axis=2) / np.maximum(1, is_labelled.sum(axis=1))
    best = share.argmax(axis=1)
    only_best = np.zeros_like(share)
    rows = np.arange(len(share))
    only_best[rows, best] = share[rows, best]
    pose_of = only_best.argmax(axis=0)
    has_pose = only_best.max(axis=0) > 0
    person[pose_of[has_pose]] = np.flatnonzero(has_pose)
    return person


def list_joints(frames: Sequence[PoseFrame], num_joints: int) -> JointLists:
    """List the predicted joints of a video's frames for AP."""
    scores: list[list[Floats]] = [[] for _ in range(num_joints)]
    is_right: list[list[Mask]] = [[] for _ in range(num_joints)]
    num_labelled = np.zeros(num_joints)
    for frame in frames:
        num_labelled += frame.is_labelled.sum(axis=0)
        near = measure_distances(frame) <= HEAD_SHARE
        person = assign_poses(near, frame.is_labelled)
        right = np.zeros(frame.is_predicted.shape, dtype=bool)
        has_person = person >= 0
        right[has_person] = near[np.flatnonzero(has_person), person[has_person]]
        for joint in range(num_joints):
            exists = frame.is_predicted[:, joint]
            scores[joint].append(frame.scores[exists, joint])
            is_right[joint].append(right[exists, joint])
    return JointLists(
        scores=tuple(np.concatenate([np.zeros(0), *one]) for one in scores),
        is_right=tuple(np.concatenate([np.zeros(0, dtype=bool), *one]) for one in is_right),
        num_labelled=num_labelled,
    )


def rank_joints(scores: Floats) -> Ints:
    """Return the (d,) order of predicted joints by falling score; of equal ones the later first."""
    return np.argsort(scores, kind="stable")[::-1]


def compute_joint_ap(is_right: Mask, num_labelled: float, weights: Floats | None = None) -> float:
    """Compute the AP of one joint: the area under precision made falling, at every recall.

    Args:
        is_right: (d,) of the predicted joints, in the order of `rank_joints`.
        weights: (d,) how often each counts; once by default.
    Returns: 0 without predictions, NaN without labels.
    """
    if num_labelled == 0:
        return float("nan")
    weight = np.ones(len(is_right)) if weights is None else weights
    right = np.cumsum(weight * is_right)
    total = np.cumsum(weight)
    precision = right / np.where(total > 0, total, 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    recall = right / num_labelled
    return float((np.diff(recall, prepend=0.0) * falling).sum())


@dataclass
class _JointTracks:
    """Which track each person's joint was last matched with, and the counts of one joint."""

    track_of: dict[int, int]
    counts: Floats  # missed, false, switches, labelled


def count_joint_tracks(frames: Sequence[PoseFrame], num_joints: int) -> Floats:
    """Count missed joints, false joints, switches and labels of one video.

    Args:
        frames: in the order of the video, those without people left out.
    Returns: (2, k, 4): as poseval's code counts, and of all frames. poseval leaves out the last
        frame, and counts one missed and one false joint where a frame has no prediction, or no
        person left.
    """
    joints = [_JointTracks({}, np.zeros(4)) for _ in range(num_joints)]
    like_poseval = np.zeros((num_joints, 4))
    for index, frame in enumerate(frames):
        before = np.array([one.counts for one in joints])
        distance = measure_distances(frame)
        for joint, one in enumerate(joints):
            g = np.flatnonzero(frame.is_labelled[:, joint])
            p = np.flatnonzero(frame.is_predicted[:, joint])
            near = distance[:, :, joint][p[:, None], g].T
            _count_frame(one, near, frame.people[g], frame.tracks[p])
        if index == len(frames) - 1:
            continue
        if len(frame.predicted) and len(frame.points):
            like_poseval += np.array([one.counts for one in joints]) - before
        else:
            like_poseval += [1, 1, 0, 1]
    return np.stack([like_poseval, np.array([one.counts for one in joints]).reshape(-1, 4)])


def _count_frame(joint: _JointTracks, distance: Floats, people: Ints, tracks: Ints) -> None:
    """Match one joint of one frame: those of the frame before first, the others by distance."""
    is_open = distance <= HEAD_SHARE
    num_matched = num_switches = 0
    if is_open.any():
        column_of = {track: column for column, track in enumerate(tracks.tolist())}
        for row, person in enumerate(people.tolist()):
            column = column_of.get(joint.track_of.get(person, -1), -1)
            if column >= 0 and is_open[row, column]:
                is_open[row] = False
                is_open[:, column] = False
                num_matched += 1
        for row, column in _pair_nearest(distance, is_open):
            person, track = int(people[row]), int(tracks[column])
            num_switches += joint.track_of.get(person, track) != track
            joint.track_of[person] = track
            num_matched += 1
    joint.counts += [
        len(people) - num_matched,
        len(tracks) - num_matched,
        num_switches,
        len(people),
    ]


def _pair_nearest(distance: Floats, is_open: Mask) -> list[tuple[int, int]]:
    """Return as many pairs as possible, and of these the ones with the least sum of distances."""
    rows, columns = np.flatnonzero(is_open.any(axis=1)), np.flatnonzero(is_open.any(axis=0))
    if not len(rows):
        return []
    part = np.ix_(rows, columns)
    none = 1.0 + HEAD_SHARE * min(len(rows), len(columns))
    a, b = assign_pairs(-np.where(is_open[part], distance[part], none))
    pairs = [(int(rows[i]), int(columns[j])) for i, j in zip(a, b, strict=True)]
    return [(row, column) for row, column in pairs if is_open[row, column]]


def compute_mota(counts: Floats) -> Floats:
    """Return the (…, k) MOTA of (…, k, 4) counts; NaN for joints without labels."""
    missed, false, switches, labelled = (counts[..., i] for i in range(4))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(labelled > 0, 1 - (missed + false + switches) / labelled, np.nan)
