"""Crowds: candidates that cannot match are never looked at, and the matches stay the same."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from smallpose.evaluation.matching import arrays, native, native_matching
from smallpose.evaluation.matching.arrays import ImageGroups, Poses
from smallpose.evaluation.matching.greedy import match_candidates, match_detections
from smallpose.evaluation.matching.image_groups import group_rows
from smallpose.evaluation.matching.oks import find_candidates

THRESHOLDS = np.linspace(0.5, 0.95, 10)
needs_core = pytest.mark.skipif(native.CORE is None, reason="no compiler built the core")


def make_crowd(
    seed: int, num_people: int, num_detections: int, num_images: int = 2
) -> tuple[ImageGroups, Poses, np.ndarray]:
    """Make people side by side or on one another, detections near them, and classes of people.

    Some people are copies, crowds, without labels, of size 0 or less; some scores are equal.
    """
    rng = np.random.default_rng(seed)
    k = 5
    spread = [3.0, 30.0, 300.0][seed % 3]
    centre = rng.random((num_people, 1, 2)) * spread
    keypoints = np.concatenate(
        [centre + rng.random((num_people, k, 2)) * 20, rng.integers(0, 3, (num_people, k, 1))],
        axis=2,
    )
    copies = rng.integers(0, num_people, num_people // 4)
    keypoints[: len(copies)] = keypoints[copies]
    source = rng.integers(0, num_people, num_detections)
    noise = rng.choice([0.0, 0.3, 3.0, 30.0], (num_detections, 1, 1))
    detections = keypoints[source] + rng.normal(size=(num_detections, k, 3)) * noise
    scores = rng.integers(0, num_detections // 2, num_detections) / 7
    area = rng.random(num_people) * [900.0, 2e4][seed % 2]
    area[rng.random(num_people) < 0.05] = 0
    area[rng.random(num_people) < 0.03] *= -1  # boxes with a negative side
    poses = Poses(
        detections=detections,
        keypoints=keypoints,
        boxes_xywh=np.concatenate([centre[:, 0], rng.random((num_people, 2)) * 20], axis=1),
        area=area,
        is_crowd=rng.random(num_people) < 0.05,
        sigmas=rng.random(k) * 0.1 + 0.02,
    )
    image = rng.integers(0, num_images, num_people)
    # A detection is in the image of the person whom it shows, more often than not.
    moved = np.where(rng.random(num_detections) < 0.9, image[source], 0)
    groups = group_rows(np.arange(num_images), image, moved, scores)
    classes = rng.random((3, num_people)) < [[0.95], [0.5], [0.02]]
    return groups, poses, classes


def assert_same_matches(first, second):
    assert np.array_equal(first.true_positives, second.true_positives)
    assert np.array_equal(first.ignored, second.ignored)
    assert np.array_equal(first.matched_people, second.matched_people)


@pytest.mark.parametrize("seed", range(9))
def test_matches_in_a_crowd_are_those_of_all_candidates(seed, monkeypatch):
    groups, poses, classes = make_crowd(seed, 400, 300)
    candidates = find_candidates.__wrapped__(groups, poses, 0.5)
    rest = (groups.rank, classes, poses.is_crowd, THRESHOLDS)
    expected = match_candidates.__wrapped__(candidates, *rest)
    assert_same_matches(match_candidates(candidates, *rest), expected)
    assert expected.true_positives.any()
    assert_same_matches(match_detections(groups, poses, classes, THRESHOLDS), expected)
    monkeypatch.setattr(arrays, "BLOCK", 500)
    monkeypatch.setattr(native_matching, "BUFFER_SIZE", 2000)
    monkeypatch.setattr(native_matching, "_MIN_DETECTIONS_PER_THREAD", 1)
    assert_same_matches(match_detections(groups, poses, classes, THRESHOLDS), expected)
    fallback = match_detections.__wrapped__
    assert_same_matches(fallback(groups, poses, classes, THRESHOLDS), expected)


@needs_core
@pytest.mark.parametrize("num_classes", [0, 1, 32, 33, 70])
def test_any_number_of_classes_is_matched(num_classes):
    groups, poses, _ = make_crowd(4, 150, 100)
    classes = np.random.default_rng(1).random((num_classes, 150)) < 0.5
    candidates = find_candidates(groups, poses, 0.5)
    expected = match_candidates.__wrapped__(
        candidates, groups.rank, classes, poses.is_crowd, THRESHOLDS
    )
    assert_same_matches(match_detections(groups, poses, classes, THRESHOLDS), expected)


@needs_core
def test_better_candidates_of_the_same_classes_hide_the_others():
    groups, poses, classes = make_crowd(0, 1000, 200, num_images=1)
    pose = np.arange(15.0).reshape(1, 5, 3)
    poses = replace(
        poses,
        keypoints=pose + np.random.default_rng(0).random((1000, 1, 1)) * [1, 1, 0],
        area=np.full(1000, 1e4),
    )
    poses = replace(poses, detections=poses.keypoints[:200])
    assert len(find_candidates(groups, poses, 0.5).oks) == 200 * 1000
    search = native_matching._prepare_search(groups, poses, 0.5)
    state = native_matching._create_match_state(classes)
    assert sum(len(block.oks) for block in search(0, 200, state)) < 0.1 * 200 * 1000


@pytest.mark.parametrize("is_compiled", [pytest.param(True, marks=needs_core), False])
def test_the_memory_does_not_grow_with_the_pairs(is_compiled, monkeypatch):
    monkeypatch.setattr(arrays, "BLOCK", 1 << 14)
    monkeypatch.setattr(native_matching, "BUFFER_SIZE", 1 << 14)
    match = match_detections if is_compiled else match_detections.__wrapped__
    peaks = []
    for num_detections in (100, 400):
        groups, poses, classes = make_crowd(0, 1000, num_detections, num_images=1)
        match(groups, poses, classes[:1], THRESHOLDS)
        tracemalloc.start()
        match(groups, poses, classes[:1], THRESHOLDS)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0], peaks
