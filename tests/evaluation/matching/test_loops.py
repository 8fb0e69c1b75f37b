"""Each loop of the compiled core, alone, against its NumPy fallback and plain loops.

The inputs are small, with many ties and values on every limit.
"""

import math

import numpy as np
import pytest

from smallpose.evaluation.areas import box_around_poses
from smallpose.evaluation.matching import native, native_matching
from smallpose.evaluation.matching.arrays import ImageGroups, Poses
from smallpose.evaluation.matching.components import find_components
from smallpose.evaluation.matching.greedy import match_greedily
from smallpose.evaluation.matching.image_groups import group_rows, sort_by_image, sort_rows
from smallpose.evaluation.matching.oks import compute_oks, find_candidates
from smallpose.evaluation.protocols import find_owners
from smallpose.evaluation.scoring.bootstrap import resample_curves
from smallpose.evaluation.scoring.count_matches import count_people
from smallpose.evaluation.scoring.precision_recall import (
    accumulate_changes,
    accumulate_matches,
    count_up_to,
)

needs_core = pytest.mark.skipif(native.CORE is None, reason="no compiler built the core")


def make_groups(rng, num_images: int, num_people: int, num_detections: int) -> ImageGroups:
    image = rng.integers(0, num_images, num_people)
    detection_image = rng.integers(0, num_images, num_detections)
    scores = rng.integers(0, 4, num_detections) / 3
    return group_rows(np.arange(num_images), image, detection_image, scores)


@pytest.mark.parametrize("num_rows", [0, 1, 2, 23, 24, 25, 26, 49, 50, 51, 200])
def test_rows_are_sorted_by_image_and_falling_score_and_ties_keep_their_order(num_rows):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        num_images = [1, 2, 9][seed % 3]
        image = rng.integers(0, num_images, num_rows)
        scores = [rng.random(num_rows), rng.integers(0, 3, num_rows) / 2][seed % 2]
        expected = sorted(range(num_rows), key=lambda i: (image[i], -scores[i]))
        assert sort_by_image(image, num_images, scores).tolist() == expected
        assert sort_by_image.__wrapped__(image, num_images, scores).tolist() == expected
        expected = sorted(range(num_rows), key=lambda i: image[i])
        assert sort_by_image(image, num_images).tolist() == expected
        assert sort_by_image.__wrapped__(image, num_images).tolist() == expected


@pytest.mark.parametrize("n", [0, 1, 2, 5000])
def test_rows_are_sorted_by_value_and_ties_keep_their_order(n):
    rng = np.random.default_rng(n)
    values = rng.choice([-1.0, 1.0], n) * 10.0 ** rng.integers(-300, 300, n) * rng.random(n)
    values[rng.random(n) < 0.3] = 0.5
    values[rng.random(n) < 0.1] = 0.0
    values[rng.random(n) < 0.1] = -0.0
    expected = sorted(range(n), key=values.tolist().__getitem__)
    assert sort_rows(values).tolist() == expected
    assert sort_rows.__wrapped__(values).tolist() == expected


def find_plain_owner(box, people, is_counted) -> int:
    """Find the owner of one detection among the people of its image in plain loops."""
    x, y, w, h = box
    best, best_iou, near, nearest = -1, 0.0, -1, math.inf
    for row, (a, b, c, d) in people:
        if not is_counted[row]:
            continue
        sx, sy = min(x + w, a + c) - max(x, a), min(y + h, b + d) - max(y, b)
        shared = max(sx, 0) * max(sy, 0)
        total = w * h + c * d - shared
        iou = shared / total if total > 0 else 0
        if iou > best_iou:
            best, best_iou = row, iou
        apart = (x + w / 2 - a - c / 2) ** 2 + (y + h / 2 - b - d / 2) ** 2
        if apart <= c**2 + d**2 and apart < nearest:
            near, nearest = row, apart
    return best if best >= 0 else near


@pytest.mark.parametrize("size", [2, 6, 20])
def test_owners_on_a_grid_are_those_of_plain_loops(size):
    """Boxes on a grid touch, coincide, have no area and are exactly a diagonal away."""
    for seed in range(25):
        rng = np.random.default_rng(seed)
        groups = make_groups(rng, 3, 9, 12)
        boxes = rng.integers(0, size, (12, 4)).astype(float)
        people = rng.integers(0, size, (9, 4)).astype(float)
        is_counted = rng.random(9) < 0.8
        expected = []
        for d, image in zip(groups.detections, groups.detection_image, strict=True):
            rows = groups.people[groups.people_start[image] : groups.people_start[image + 1]]
            some = [(int(row), people[row]) for row in rows]
            expected.append(find_plain_owner(boxes[d], some, is_counted))
        for function in (find_owners, find_owners.__wrapped__):
            assert function(groups, boxes, people, is_counted).tolist() == expected


def test_boxes_span_all_joints_of_a_pose():
    for seed in range(8):
        rng = np.random.default_rng(seed)
        poses = rng.integers(-9, 9, (1 + seed, 1 + seed % 5, 3)).astype(float)
        x, y = poses[:, :, 0], poses[:, :, 1]
        corner = [x.min(1), y.min(1)]
        expected = np.stack([*corner, x.max(1) - corner[0], y.max(1) - corner[1]], axis=1)
        assert np.array_equal(box_around_poses(poses), expected)
        assert np.array_equal(box_around_poses.__wrapped__(poses), expected)


def compute_plain_curve(order, scores, is_true, is_false, num_people, recalls):
    """Compute one threshold's precision, recall and scores at recalls in plain loops."""
    tp, fp, points = 0, 0, []
    for i in order:
        tp += int(is_true[i])
        fp += int(is_false[i])
        points.append((tp / num_people, tp / (tp + fp) if tp + fp else 0.0, scores[i]))
    precision, score_at = [], []
    for recall in recalls:
        reached = [at for at, point in enumerate(points) if point[0] >= recall]
        precision.append(max((points[at][1] for at in reached), default=0.0))
        score_at.append(points[reached[0]][2] if reached else 0.0)
    return precision, tp / num_people, score_at


@pytest.mark.parametrize("num_thresholds", [1, 3, 16])
def test_curves_are_those_of_plain_loops(num_thresholds):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        num = [0, 1, 7, 30][seed % 4]
        order = rng.permutation(num + 2)[:num]
        scores = np.zeros(num + 2)
        scores[order] = np.sort(rng.random(num))[::-1]
        bits = rng.integers(0, 1 << num_thresholds, (2, num + 2))
        true_positives = bits[0].astype(np.uint16)
        false_positives = (bits[1] & ~bits[0]).astype(np.uint16)
        num_people = max(num, 1) + seed % 3
        recalls = np.linspace(0, 1, 11)
        arguments = (order, scores, true_positives, false_positives, num_people)
        ours = accumulate_matches(*arguments, num_thresholds, recalls)
        fallback = accumulate_matches.__wrapped__(*arguments, num_thresholds, recalls)
        for one, other in zip(ours, fallback, strict=True):
            assert np.array_equal(one, other)
        for t in range(num_thresholds):
            plain = compute_plain_curve(
                order,
                scores,
                true_positives >> t & 1,
                false_positives >> t & 1,
                num_people,
                recalls,
            )
            assert ours[0][t] == pytest.approx(plain[0], abs=1e-12)
            assert ours[1][t] == plain[1]
            assert ours[2][t].tolist() == plain[2]


@pytest.mark.parametrize("num_thresholds", [1, 3, 16])
def test_curves_of_changes_are_those_of_all_detections(num_thresholds):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        num = [0, 1, 7, 30][seed % 4]
        bits = rng.integers(0, 1 << num_thresholds, (3, num)).astype(np.uint16)
        common = bits[2]
        position = np.flatnonzero(rng.random(num) < 0.5)
        true_positives = np.zeros(num, np.uint16)
        true_positives[position] = bits[0][position]
        false_positives = common.copy()
        false_positives[position] = (bits[1] & ~bits[0])[position]
        num_people, recalls = max(num, 1) + seed % 3, np.linspace(0, 1, 11)
        precision, recall, _ = accumulate_matches.__wrapped__(
            np.arange(num),
            np.zeros(num),
            true_positives,
            false_positives,
            num_people,
            num_thresholds,
            recalls,
        )
        for function in (accumulate_changes, accumulate_changes.__wrapped__):
            changed = function(
                position,
                true_positives[position],
                false_positives[position],
                common[position],
                count_up_to(common, num_thresholds),
                num_people,
                recalls,
            )
            assert np.array_equal(changed[0], precision)
            assert np.array_equal(changed[1], recall)


def test_components_are_those_of_a_search():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        num_nodes = 1 + seed
        first, second = rng.integers(0, num_nodes, (2, seed % 25))
        expected = list(range(num_nodes))
        for _ in range(num_nodes):
            for a, b in zip(first, second, strict=True):
                expected[a] = expected[b] = min(expected[a], expected[b])
        for function in (find_components, find_components.__wrapped__):
            assert function(first, second, num_nodes).tolist() == expected


@pytest.mark.parametrize("num_thresholds", [1, 3, 16])
def test_resampled_curves_are_those_of_repeated_detections(num_thresholds):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        num, num_images, num_draws = [0, 1, 9, 30][seed % 4], 5, 1 + 5 * seed
        bits = rng.integers(0, 1 << num_thresholds, (2, num))
        true_positives = bits[0].astype(np.uint16)
        false_positives = (bits[1] & ~bits[0]).astype(np.uint16)
        image = rng.integers(0, num_images, num)
        weights = rng.integers(0, 4, (num_draws, num_images)).astype(np.uint16)
        num_people = rng.integers(0, 3, num_draws) * 40
        recalls = np.linspace(0, 1, 11)
        arguments = (true_positives, false_positives, image, weights, num_people)
        ours = resample_curves(*arguments, num_thresholds, recalls)
        fallback = resample_curves.__wrapped__(*arguments, num_thresholds, recalls)
        assert all(np.array_equal(a, b) for a, b in zip(ours, fallback, strict=True))
        for draw in np.flatnonzero(num_people):
            order = np.repeat(np.arange(num), weights[draw][image])
            curve = (order, np.zeros(num), true_positives, false_positives, int(num_people[draw]))
            repeated = accumulate_matches.__wrapped__(*curve, num_thresholds, recalls)
            assert np.array_equal(ours[1][draw], repeated[1])
        assert (ours[0][num_people == 0] == -1).all()
        assert (ours[1][num_people == 0] == -1).all()


def test_people_are_counted_by_image_class_and_threshold():
    for seed in range(8):
        rng = np.random.default_rng(seed)
        groups = make_groups(rng, 4, 20, 3)
        classes = rng.random((1 + 4 * seed, 20)) < 0.5
        matched = rng.integers(0, 1 << 10, 20).astype(np.uint16)
        image = np.empty(20, np.intp)
        image[groups.people] = groups.people_image
        num_people, num_matched = count_people(groups, classes, matched, 10)
        fallback = count_people.__wrapped__(groups, classes, matched, 10)
        assert np.array_equal(num_people, fallback[0])
        assert np.array_equal(num_matched, fallback[1])
        for m in range(4):
            for c, is_member in enumerate(classes):
                some = is_member & (image == m)
                assert num_people[m, c] == some.sum()
                expected = [(matched[some] >> t & 1).sum() for t in range(10)]
                assert num_matched[m, c].tolist() == expected


def compute_plain_oks(pose, keypoints, box, area, sigmas) -> float:
    """Compute the OKS of one pair as the definition says."""
    x, y, w, h = box
    terms = []
    is_bare = not (keypoints[:, 2] > 0).any()
    for (px, py, _), (gx, gy, v), sigma in zip(pose, keypoints, sigmas, strict=True):
        dx, dy = px - gx, py - gy
        if is_bare:
            dx = max(0, x - w - px) + max(0, px - (x + 2 * w))
            dy = max(0, y - h - py) + max(0, py - (y + 2 * h))
        if v > 0 or is_bare:
            terms.append(math.exp(-(dx**2 + dy**2) / (2 * (2 * sigma) ** 2 * area)))
    return sum(terms) / len(terms)


def make_poses(rng, num_people: int, num_detections: int, k: int) -> Poses:
    keypoints = rng.integers(0, 12, (num_people, k, 3)).astype(float)
    keypoints[:, :, 2] = rng.integers(0, 3, (num_people, k)) * (rng.random((num_people, 1)) < 0.6)
    return Poses(
        detections=rng.integers(-12, 30, (num_detections, 1, 3))
        + rng.integers(0, 6, (num_detections, k, 3)).astype(float),
        keypoints=keypoints,
        boxes_xywh=rng.integers(1, 10, (num_people, 4)).astype(float),
        area=rng.integers(100, 3000, num_people).astype(float),
        is_crowd=np.zeros(num_people, dtype=bool),
        sigmas=rng.random(k) * 0.2 + 0.05,
    )


@pytest.mark.parametrize("k", [1, 2, 7, 8, 17, 130, 300])
def test_oks_is_that_of_the_definition_with_and_without_labels(k):
    """Also with so many joints that numpy adds them in halves."""
    for seed in range(6 if k < 100 else 2):
        rng = np.random.default_rng(seed)
        poses = make_poses(rng, 8, 20, k)
        columns = (poses.keypoints, poses.boxes_xywh, poses.area, poses.sigmas)
        table = compute_oks(poses.detections, *columns)
        plain = [
            [
                compute_plain_oks(pose, *(column[g] for column in columns[:3]), poses.sigmas)
                for g in range(8)
            ]
            for pose in poses.detections
        ]
        assert table == pytest.approx(np.array(plain), abs=1e-12)
        groups = make_groups(rng, 2, 8, 20)
        image = np.empty(8, np.intp)
        image[groups.people] = groups.people_image
        is_same_image = groups.detection_image[:, None] == image
        for min_oks in (1e-9, 0.05, 0.5):
            is_candidate = is_same_image & (table[groups.detections] >= min_oks)
            for function in (find_candidates, find_candidates.__wrapped__):
                candidates = function(groups, poses, min_oks)
                pairs = sorted(zip(candidates.detections, candidates.people, strict=True))
                assert pairs == [tuple(pair) for pair in np.argwhere(is_candidate)]
                rows = groups.detections[candidates.detections]
                assert np.array_equal(candidates.oks, table[rows, candidates.people])


def test_partners_are_the_people_whom_the_detections_matched():
    for seed in range(8):
        rng = np.random.default_rng(seed)
        groups = make_groups(rng, 2, 8, 20)
        poses = make_poses(rng, 8, 20, 3)
        poses.is_crowd[0] = True
        classes = rng.random((2, 8)) < 0.6
        thresholds = np.array([0.05, 0.3])
        candidates = find_candidates(groups, poses, 0.05)
        oks = dict(
            zip(
                zip(candidates.detections, candidates.people, strict=True),
                candidates.oks,
                strict=True,
            )
        )
        partner = np.full((2, 2, 20), -1)
        rest = (groups.rank, classes, poses.is_crowd, thresholds)
        matches = match_greedily(candidates, *rest, partner=partner)
        for c, t, d in np.ndindex(partner.shape):
            person = int(partner[c, t, d])
            is_true = bool(matches.true_positives[c, d] >> t & 1)
            is_ignored = bool(matches.ignored[c, d] >> t & 1)
            assert (person >= 0) == (is_true or is_ignored)
            if person >= 0:
                assert oks[d, person] >= thresholds[t]
                assert classes[c, person] == is_true
        for c, t in np.ndindex(2, 2):
            matched = partner[c, t][partner[c, t] > 0]  # the crowd, 0, may be matched again
            assert len(set(matched.tolist())) == len(matched)


@needs_core
def test_means_are_numpys_to_the_last_bit():
    rng = np.random.default_rng(0)
    counts = np.array([*range(1, 300), 1000, 1023, 1024], np.int32)
    values = rng.random(counts.sum())
    pairs = np.arange(len(counts))
    d, g, oks = pairs.copy(), pairs[::-1].copy(), np.empty(len(pairs))
    parts = np.split(values, np.cumsum(counts)[:-1])
    means = np.array([np.sum(part) / len(part) for part in parts])
    limit = float(np.median(means))
    kept = native.CORE.keep_candidates(values, counts, len(counts), limit, d, g, oks)
    is_kept = means >= limit
    assert kept == is_kept.sum()
    assert np.array_equal(oks[:kept], means[is_kept])
    assert np.array_equal(d[:kept], pairs[is_kept])
    assert np.array_equal(g[:kept], pairs[::-1][is_kept])


def test_blocks_of_detections_have_every_pair_once(monkeypatch):
    monkeypatch.setattr(native_matching, "BUFFER_SIZE", 64)
    monkeypatch.setattr("smallpose.evaluation.matching.arrays.BLOCK", 7)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        groups = make_groups(rng, 3, 8, 20)
        poses = make_poses(rng, 8, 20, 3)
        image = np.empty(8, np.intp)
        image[groups.people] = groups.people_image
        every = [tuple(p) for p in np.argwhere(groups.detection_image[:, None] == image)]
        blocks = list(groups.iterate_pairs())
        assert [len(d) <= 7 or len(set(d)) == 1 for d, _ in blocks] == [True] * len(blocks)
        pairs = [pair for d, g in blocks for pair in zip(d, g, strict=True)]
        assert pairs == every
        for function in (find_candidates, find_candidates.__wrapped__):
            candidates = function(groups, poses, 0.0)
            assert list(zip(candidates.detections, candidates.people, strict=True)) == every


def test_without_detections_there_are_no_candidates():
    rng = np.random.default_rng(0)
    groups, poses = make_groups(rng, 2, 3, 0), make_poses(rng, 3, 0, 2)
    for function in (find_candidates, find_candidates.__wrapped__):
        candidates = function(groups, poses, 0.5)
        assert (
            candidates.detections.shape == candidates.people.shape == candidates.oks.shape == (0,)
        )
