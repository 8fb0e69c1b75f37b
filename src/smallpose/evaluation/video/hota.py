"""HOTA (Luiten et al. 2021) with OKS as the similarity, and IDF1, as TrackEval computes them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from smallpose.evaluation.matching.arrays import Floats, Ints
from smallpose.evaluation.video.assignment import assign_pairs

ALPHAS = np.arange(0.05, 0.99, 0.05)
IDENTITY_OKS = 0.5  # from which on two poses may be the same person in IDF1
_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class TrackedFrame:
    """The people and detections of one frame.

    Args:
        people, detections: (g,), (p,) identities in the video, each at most once in a frame.
        oks: (g, p).
    """

    people: Ints
    detections: Ints
    oks: Floats


@dataclass(frozen=True)
class HotaSums:
    """What HOTA sums over frames, per threshold of `ALPHAS`; sums of several videos add up.

    Args:
        counts: (a, 3) true positives, missed people, false positives.
        parts: (a, 4) sums over true positives of association accuracy, its recall, its precision,
            and of OKS.
        identity: (3,) of IDF1: true, missed and false.
    """

    counts: Floats
    parts: Floats
    identity: Floats


def sum_hota(frames: Sequence[TrackedFrame]) -> HotaSums:
    """Sum what HOTA needs over the frames of one video, in any order."""
    num_people = 1 + max((int(f.people.max(initial=-1)) for f in frames), default=-1)
    num_tracks = 1 + max((int(f.detections.max(initial=-1)) for f in frames), default=-1)
    person_count = np.zeros((num_people, 1))
    track_count = np.zeros((1, num_tracks))
    likely = np.zeros((num_people, num_tracks))
    overlapping = np.zeros((num_people, num_tracks))
    for frame in frames:
        person_count[frame.people, 0] += 1
        track_count[0, frame.detections] += 1
        pairs = np.ix_(frame.people, frame.detections)
        union = frame.oks.sum(axis=0)[None] + frame.oks.sum(axis=1)[:, None] - frame.oks
        is_near = union > _EPSILON
        likely[pairs] += np.where(is_near, frame.oks / np.where(is_near, union, 1), 0)
        overlapping[pairs] += frame.oks >= IDENTITY_OKS
    alignment = likely / (person_count + track_count - likely)
    counts, parts = np.zeros((len(ALPHAS), 3)), np.zeros((len(ALPHAS), 4))
    matches = np.zeros((len(ALPHAS), num_people, num_tracks))
    for frame in frames:
        score = alignment[np.ix_(frame.people, frame.detections)] * frame.oks
        rows, columns = assign_pairs(score)
        oks = frame.oks[rows, columns]
        is_match = oks >= ALPHAS[:, None] - _EPSILON
        num = is_match.sum(axis=1)
        counts += np.stack([num, len(frame.people) - num, len(frame.detections) - num], axis=1)
        parts[:, 3] += (is_match * oks).sum(axis=1)
        matches[:, frame.people[rows], frame.detections[columns]] += is_match
    for index, total in enumerate(
        (person_count + track_count - matches, person_count, track_count)
    ):
        share = matches / np.maximum(1, total)
        parts[:, index] = (matches * share).sum(axis=(1, 2))
    return HotaSums(counts, parts, _sum_identity(person_count, track_count, overlapping))


def _sum_identity(person_count: Floats, track_count: Floats, overlapping: Floats) -> Floats:
    """Return true, missed and false of the pairing of tracks that has most true ones."""
    rows, columns = assign_pairs(overlapping)
    true = overlapping[rows, columns].sum()
    return np.array([true, person_count.sum() - true, track_count.sum() - true])


def compute_hota(counts: Floats, parts: Floats, identity: Floats) -> dict[str, Floats]:
    """Compute the metrics of sums, also of several at once.

    Args:
        counts: (…, a, 3); parts: (…, a, 4); identity: (…, 3), as in `HotaSums`.
    Returns: (…) by name, means over the thresholds; NaN where there are no people.
    """
    true, missed, false = (counts[..., i] for i in range(3))
    num = np.maximum(1, true)
    det_a = true / np.maximum(1, true + missed + false)
    ass_a = parts[..., 0] / num
    by_alpha = {
        "HOTA": np.sqrt(det_a * ass_a),
        "DetA": det_a,
        "AssA": ass_a,
        "DetRe": true / np.maximum(1, true + missed),
        "DetPr": true / np.maximum(1, true + false),
        "AssRe": parts[..., 1] / num,
        "AssPr": parts[..., 2] / num,
        "LocA": np.maximum(1e-10, parts[..., 3]) / np.maximum(1e-10, true),
    }
    idtp, idfn, idfp = (identity[..., i] for i in range(3))
    metrics = {name: values.mean(axis=-1) for name, values in by_alpha.items()}
    metrics["IDF1"] = idtp / np.maximum(1, idtp + 0.5 * idfn + 0.5 * idfp)
    has_people = (true + missed)[..., 0] > 0
    return {name: np.where(has_people, values, np.nan) for name, values in metrics.items()}
