"""Duplicate removal in crowds: the search for near poses changes no result, and is complete."""

import numpy as np
import pytest

from smallpose.core.skeleton import COCO17, SMALLPOSE, Skeleton
from smallpose.models.codecs import nms
from smallpose.models.codecs.near_poses import find_oks_candidates
from smallpose.models.codecs.nms import nearby_joints_nms, oks_nms


def remove_by_oks(points, scores, area, sigmas, threshold):
    """Compare every person with every other, as OKS NMS is defined."""
    order = np.argsort(-scores, kind="stable")
    kept = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(int(best))
        squared = np.square(points[order, :, :2] - points[best, :, :2]).sum(axis=2)
        mean_area = (area[order] + area[best]) / 2 + np.spacing(1)
        oks = np.exp(-squared / np.square(2 * sigmas) / mean_area[:, None] / 2).mean(axis=1)
        order = order[oks <= threshold]
    return kept


def remove_by_joints(points, scores, threshold):
    """Compare every person with every other, as DEKR's NMS is defined."""
    diagonal = np.linalg.norm(points.max(axis=1) - points.min(axis=1), axis=1)
    is_suppressed = np.zeros(len(points), dtype=bool)
    kept = []
    for person in np.argsort(scores)[::-1]:
        if is_suppressed[person]:
            continue
        distance = np.linalg.norm(points - points[person], axis=2)
        is_close = (distance < threshold * diagonal[person]).sum(axis=1) > points.shape[1] // 2
        is_close[person] = True
        group = np.flatnonzero(is_close)
        best = int(group[np.argmax(scores[group])])
        if not is_suppressed[best]:
            kept.append(best)
            is_suppressed[group] = True
    return kept


def make_crowd(seed: int, skeleton: Skeleton, num_people: int = 400):
    """Make people of all sizes, most of them again with an error, some with a joint far away."""
    rng = np.random.default_rng(seed)
    k, num_copies = len(skeleton), num_people * 5 // 8
    size = 2.0 ** rng.uniform(-3, 8, (num_people, 1, 1))
    points = rng.uniform(0, 600, (num_people, 1, 2)) + rng.normal(0, 1, (num_people, k, 2)) * size
    source = rng.integers(0, num_people - num_copies, num_copies)
    error = size[source] * 10 ** rng.uniform(-3, 0, (num_copies, 1, 1))
    points[-num_copies:] = points[source] + rng.normal(0, 1, (num_copies, k, 2)) * error
    is_astray = rng.random((num_people, k)) < 0.03
    points[is_astray] += rng.normal(0, 300, (int(is_astray.sum()), 2))
    points[-9:] = points[0]  # exact copies
    scores = rng.integers(0, 50, num_people) / 50  # with ties
    area = np.ptp(points, axis=1).prod(axis=1) * 2.0 ** rng.uniform(-2, 2, num_people)
    return points, scores, area


@pytest.mark.parametrize("threshold", [0.01, 0.05, 0.3, 0.7, 0.8, 0.9, 0.99])
@pytest.mark.parametrize("skeleton", [COCO17, SMALLPOSE])
def test_oks_nms_of_crowds_equals_the_comparison_of_all_pairs(skeleton, threshold):
    for seed in range(4):
        points, scores, area = make_crowd(seed, skeleton)
        expected = remove_by_oks(points, scores, area, skeleton.sigmas, threshold)
        assert 9 < len(expected) < len(points) - 9
        kept = oks_nms(points, scores, area, skeleton.sigmas, threshold)
        assert kept.tolist() == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nearby_joints_nms_of_crowds_equals_the_comparison_of_all_pairs(dtype):
    for seed in range(4):
        points, scores, _ = make_crowd(seed, COCO17)
        points = points.astype(dtype)
        for threshold in (0.01, 0.05, 0.3):
            expected = remove_by_joints(points, scores, threshold)
            kept = nearby_joints_nms(points, scores, threshold)
            assert kept.tolist() == expected


def test_crowds_without_extent_or_with_infinite_joints_are_treated_as_before():
    points, scores, area = make_crowd(0, COCO17)
    flat = np.repeat(np.round(points[:, :1] / 60) * 60, 17, axis=1)
    no_area = np.zeros(len(flat))
    sigmas = COCO17.sigmas
    kept = oks_nms(flat, scores, no_area, sigmas, 0.8).tolist()
    assert kept == remove_by_oks(flat, scores, no_area, sigmas, 0.8)
    assert len(kept) == len(np.unique(flat[:, 0], axis=0))
    for value in (np.inf, np.nan):
        points[7, 3, 0] = value
        with np.errstate(invalid="ignore"):
            kept = oks_nms(points, scores, area, sigmas, 0.8).tolist()
            assert kept == remove_by_oks(points, scores, area, sigmas, 0.8)
            joints = nearby_joints_nms(points, scores).tolist()
            assert joints == remove_by_joints(points, scores, 0.05)


def test_people_are_compared_with_few_others_whatever_their_number():
    """In a crowd of the same density, each person has as many candidates in a larger image."""
    rng = np.random.default_rng(0)
    pose = rng.normal(0, 15, (17, 2))
    num_candidates = []
    for num_people in (1000, 4000):
        side = 30 * np.sqrt(num_people)
        points = rng.uniform(0, side, (num_people, 1, 2)) + pose
        area = np.full(num_people, 2500.0)
        near = find_oks_candidates(points, area, COCO17.sigmas, 0.8)
        assert near is not None
        num_candidates.append(np.mean([len(near.find(person)) for person in range(num_people)]))
    assert 1 <= num_candidates[1] < 1.2 * num_candidates[0] < 3


def test_small_groups_are_compared_directly(monkeypatch):
    points, scores, area = make_crowd(1, COCO17, num_people=nms.MIN_SEARCHED - 1)
    monkeypatch.setattr(nms, "find_oks_candidates", None)  # a call would raise an error
    kept = oks_nms(points, scores, area, COCO17.sigmas, 0.8)
    assert kept.tolist() == remove_by_oks(points, scores, area, COCO17.sigmas, 0.8)
