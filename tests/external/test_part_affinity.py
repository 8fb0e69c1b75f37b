"""Peaks become people as a plain search over pairs groups them."""

import itertools
import math

import numpy as np
import pytest

from smallpose.external.openpose_thin import JOINTS, LIMBS
from smallpose.external.part_affinity import (
    GroupingConfig,
    Limb,
    Peaks,
    find_peaks,
    group_peaks,
    match_limbs,
    score_limbs,
)

CONFIG = GroupingConfig()


def score_pair(start, end, field, config=CONFIG):
    """Score one pair of points sample by sample."""
    h, w = field.shape[:2]
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = math.hypot(dx, dy)
    if length <= 1e-6:
        return 0.0
    values = []
    for n in range(config.num_samples):
        x = round(start[0] + dx * n / config.num_samples)
        y = round(start[1] + dy * n / config.num_samples)
        fx, fy = field[min(max(y, 0), h - 1), min(max(x, 0), w - 1)].tolist()
        values.append((fx * dx + fy * dy) / length)
    score = sum(values) / len(values) + min(0.0, 0.5 * h / length - 1)
    enough = sum(v > config.min_sample for v in values) >= config.min_samples
    return score if enough and score > 0 else 0.0


def group_plainly(peaks, fields, limbs, config=CONFIG):
    """Group peaks with sets and loops; returns {frozenset of peaks: score}."""
    people = []  # pairs of a set of peaks and the sum of their scores and limbs
    for limb in limbs:
        pairs = []
        for a, b in itertools.product(range(len(peaks.joints)), repeat=2):
            if (peaks.joints[a], peaks.joints[b]) == limb.joints:
                field = fields[:, :, list(limb.channels)]
                score = score_pair(peaks.points[a].tolist(), peaks.points[b].tolist(), field)
                if score > 0:
                    pairs.append((-score, a, b))
        used = set()
        for negative, a, b in sorted(pairs):
            if a in used or b in used:
                continue
            used |= {a, b}
            owners = [next((p for p in people if e in p[0]), None) for e in (a, b)]
            if owners == [None, None] and not limb.starts_person:
                continue
            for place, end in enumerate((a, b)):
                if owners[place] is None:
                    owners[place] = [{end}, float(peaks.scores[end])]
                    people.append(owners[place])
            first, second = owners
            joints = [peaks.joints[p] for p in first[0]] + [peaks.joints[p] for p in second[0]]
            if first is second or len(set(joints)) < len(joints):
                continue
            people = [p for p in people if p is not second]
            first[0] |= second[0]
            first[1] += second[1] - negative
    return {
        frozenset(peaks_of): total / len(peaks_of)
        for peaks_of, total in people
        if len(peaks_of) >= config.min_joints and total / len(peaks_of) >= config.min_score
    }


def make_random_peaks(rng, num_joints, size=24):
    counts = rng.integers(0, 5, num_joints)
    joints = np.repeat(np.arange(num_joints), counts)
    points = rng.uniform(0, size - 1, (len(joints), 2))
    return Peaks(joints, points, rng.uniform(0.05, 1, len(joints)))


@pytest.mark.parametrize("seed", range(40))
def test_grouping_equals_a_plain_search(seed):
    rng = np.random.default_rng(seed)
    peaks = make_random_peaks(rng, len(JOINTS))
    # Fields with a common direction accept many pairs, so that limbs compete.
    fields = (rng.normal(0, 0.5, (24, 24, 38)) + rng.normal(0, 1, 38)).astype(np.float32)
    people = group_peaks(peaks, fields, LIMBS, len(JOINTS), CONFIG)
    expected = group_plainly(peaks, fields, LIMBS)
    actual = {
        frozenset(row[row >= 0].tolist()): score
        for row, score in zip(people.peaks, people.scores.tolist(), strict=True)
    }
    assert actual.keys() == expected.keys()
    assert actual == pytest.approx(expected)
    assert (np.diff(people.scores) <= 0).all()
    for row in people.peaks:
        detected = np.flatnonzero(row >= 0)
        np.testing.assert_array_equal(peaks.joints[row[detected]], detected)


def test_random_fields_make_people_at_all():
    rng = np.random.default_rng(0)
    fields = (rng.normal(0, 0.5, (24, 24, 38)) + rng.normal(0, 1, 38)).astype(np.float32)
    sizes = [
        len(group_peaks(make_random_peaks(rng, 18), fields, LIMBS, 18, CONFIG).scores)
        for _ in range(20)
    ]
    assert sum(sizes) >= 10


def test_pairs_are_scored_as_one_by_one():
    rng = np.random.default_rng(5)
    start, end = rng.uniform(0, 20, (7, 2)), rng.uniform(0, 20, (5, 2))
    field = (rng.normal(0.4, 0.6, (21, 21, 2))).astype(np.float32)
    expected = [[score_pair(a.tolist(), b.tolist(), field) for b in end] for a in start]
    np.testing.assert_allclose(score_limbs(start, end, field, CONFIG), expected, atol=1e-9)
    assert 0 < np.count_nonzero(expected) < 35


def test_the_best_pair_is_matched_first():
    scores = np.array([[0.9, 0.8], [0.85, 0.1], [0.0, 0.0]])
    assert match_limbs(scores) == [(0, 0), (1, 1)]


def draw_maps(poses, size=80):
    """Return heatmaps and fields as an ideal network draws them, for (n, 18, 2) points."""
    y, x = np.mgrid[:size, :size].astype(np.float64)
    heatmaps = np.zeros((size, size, 18), np.float32)
    fields = np.zeros((size, size, 38), np.float32)
    for pose in poses:
        for joint, (px, py) in enumerate(pose):
            blob = np.exp(-((x - px) ** 2 + (y - py) ** 2) / 2)
            heatmaps[..., joint] = np.maximum(heatmaps[..., joint], blob)
        for limb in LIMBS:
            a, b = pose[list(limb.joints)]
            length = np.linalg.norm(b - a)
            way = (b - a) / length
            along = (x - a[0]) * way[0] + (y - a[1]) * way[1]
            across = np.abs((x - a[0]) * way[1] - (y - a[1]) * way[0])
            on_limb = (along >= -1) & (along <= length + 1) & (across <= 1)
            fields[on_limb] += np.where(
                np.isin(np.arange(38), limb.channels), np.resize(way, 38), 0
            ).astype(np.float32)
    return heatmaps, fields


def make_pose(left, top, height):
    """Return (18, 2) points of somebody who faces the camera, arms hanging."""
    shares = {
        "nose": (0, 0.08),
        "neck": (0, 0.2),
        "eye": (0.03, 0.05),
        "ear": (0.07, 0.06),
        "shoulder": (0.14, 0.2),
        "elbow": (0.18, 0.36),
        "wrist": (0.2, 0.5),
        "hip": (0.09, 0.52),
        "knee": (0.1, 0.75),
        "ankle": (0.1, 0.98),
    }
    pose = []
    for name in JOINTS:
        side = 1 if name.startswith("left_") else -1  # the person's left is on the image's right
        x, y = shares[name.removeprefix("left_").removeprefix("right_")]
        pose.append((left + side * x * height, top + y * height))
    return np.array(pose)


def test_two_people_side_by_side_come_back_within_half_a_cell():
    poses = np.array([make_pose(22, 3, 70), make_pose(57, 5, 70)])
    heatmaps, fields = draw_maps(poses)
    peaks = find_peaks(heatmaps, 4, 3.0, 0.05)
    people = group_peaks(peaks, fields, LIMBS, 18, CONFIG)
    assert len(people.scores) == 2
    points = peaks.points[people.peaks]
    order = np.argsort(points[:, 1, 0])
    assert (people.peaks >= 0).all()
    assert np.abs(points[order] - poses).max() < 0.5


def test_a_limb_alone_starts_nobody_where_it_may_not():
    peaks = Peaks(np.array([0, 1]), np.array([[2.0, 2.0], [8.0, 2.0]]), np.array([1.0, 1.0]))
    fields = np.zeros((10, 10, 2), np.float32)
    fields[..., 0] = 1
    config = GroupingConfig(min_joints=2)
    for starts, count in ((True, 1), (False, 0)):
        limb = Limb((0, 1), (0, 1), starts)
        assert len(group_peaks(peaks, fields, [limb], 2, config).scores) == count


def test_no_peaks_make_no_people():
    peaks = find_peaks(np.zeros((8, 8, 18), np.float32), 4, 3.0, 0.05)
    people = group_peaks(peaks, np.zeros((8, 8, 38), np.float32), LIMBS, 18, CONFIG)
    assert people.peaks.shape == (0, 18)
    assert people.scores.shape == (0,)
