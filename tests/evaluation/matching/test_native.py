"""The compiled loops and their NumPy fallbacks give the same numbers to the last bit."""

from dataclasses import replace

import numpy as np
import pytest

from smallpose import evaluate
from smallpose.core.instances import make_images, make_instances
from smallpose.core.packed_keypoints import pack_keypoints
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.areas import get_detection_boxes
from smallpose.evaluation.config import ScoringConfig
from smallpose.evaluation.matching import native, native_matching
from smallpose.evaluation.matching.arrays import Candidates, Poses, RankedCandidates
from smallpose.evaluation.matching.greedy import (
    find_ranked_candidates,
    match_candidates,
    match_greedily,
    match_ranked,
)
from smallpose.evaluation.matching.image_groups import group_by_image, group_rows
from smallpose.evaluation.matching.keypoint_selection import select_keypoints
from smallpose.evaluation.scoring.detected_people import measure_share_outside
from smallpose.evaluation.scoring.precision_recall import THRESHOLDS

needs_core = pytest.mark.skipif(native.CORE is None, reason="no compiler built the core")
ALL = ("coco", "owned", "recall")


@pytest.fixture
def without_core(monkeypatch):
    """Call it to take the compiled core away for the rest of the test."""
    return lambda: monkeypatch.setattr(native, "CORE", None)


@needs_core
@pytest.mark.parametrize("joints", [17, 21])
def test_every_count_of_an_evaluation_is_the_same_without_the_compiled_core(
    joints, crowded_dataset, without_core
):
    datasets = [crowded_dataset(seed, joints, images=5, people=9) for seed in range(60)]
    datasets.append(crowded_dataset(99, joints, images=40, people=40))
    fast = [evaluate(w.truth, w.predictions, protocols=ALL) for w in datasets]
    boxes = [get_detection_boxes(w.predictions) for w in datasets]
    without_core()
    for dataset, a, box in zip(datasets, fast, boxes, strict=True):
        b = evaluate(dataset.truth, dataset.predictions, protocols=ALL)
        assert a.to_json() == b.to_json()
        assert np.array_equal(get_detection_boxes(dataset.predictions), box, equal_nan=True)
        for name in (
            "image_ids",
            "num_detections",
            "num_people",
            "num_matched",
            "image",
            "rank",
            "scores",
            "true_positives",
        ):
            assert np.array_equal(getattr(a.match_counts, name), getattr(b.match_counts, name)), (
                name
            )
        for name in ("image_ids", "height", "outside", "is_detected"):
            assert np.array_equal(getattr(a.detected, name), getattr(b.detected, name)), name
        for protocol in ("coco", "owned"):
            assert np.array_equal(
                a.match_counts.false_positives[protocol], b.match_counts.false_positives[protocol]
            )
            for one, other in zip(
                a.match_counts.compute_curves(protocol, 20),
                b.match_counts.compute_curves(protocol, 20),
                strict=True,
            ):
                assert np.array_equal(one.precision, other.precision)
                assert np.array_equal(one.recall, other.recall)
                assert np.array_equal(one.scores, other.scores)


def test_without_the_compiled_core_the_metrics_equal_pycocotools(
    crowded_dataset, pycocotools, without_core
):
    without_core()
    for seed in range(20):
        dataset = crowded_dataset(seed, 21)
        result = evaluate(dataset.truth, dataset.predictions)
        for ours, theirs in zip(
            result.match_counts.compute_curves("coco", 20),
            pycocotools(dataset).values(),
            strict=True,
        ):
            assert np.array_equal(ours.precision, theirs["precision"])
            assert np.array_equal(ours.recall, theirs["recall"])


@needs_core
def test_more_threads_than_images_give_the_same_numbers(crowded_dataset, monkeypatch):
    dataset = crowded_dataset(3, images=3, people=9)
    alone = evaluate(dataset.truth, dataset.predictions, protocols=ALL).to_json()
    monkeypatch.setattr(native_matching, "_MIN_DETECTIONS_PER_THREAD", 0)
    monkeypatch.setattr(native, "count_cores", lambda: 7)
    monkeypatch.setattr(native_matching, "BUFFER_SIZE", 200)  # several rounds on a small workbench
    assert evaluate(dataset.truth, dataset.predictions, protocols=ALL).to_json() == alone


@needs_core
def test_more_classes_than_a_number_has_bits_match_as_in_numpy():
    rng = np.random.default_rng(0)
    d, g = np.divmod(np.arange(30 * 8), 8)
    candidates = Candidates(d, g, rng.integers(0, 11, len(d)) / 10)
    classes = rng.random((2 * native_matching.MAX_CLASSES + 3, 8)) < 0.5
    is_crowd = rng.random(8) < 0.2
    arguments = (candidates, np.arange(30), classes, is_crowd, np.array([0.3, 0.5, 0.7]))
    compiled, fallback = match_candidates(*arguments), match_greedily(*arguments)
    assert np.array_equal(compiled.true_positives, fallback.true_positives)
    assert np.array_equal(compiled.ignored, fallback.ignored)
    assert np.array_equal(compiled.matched_people, fallback.matched_people)


PEOPLE_PER_IMAGE = 9


def make_ranked(rng, image, num_thresholds: int) -> RankedCandidates:
    """Make candidates of detections among the people of their images, with many equal levels."""
    counts = rng.integers(0, PEOPLE_PER_IMAGE + 1, len(image)).astype(np.int32)
    columns = zip(counts.tolist(), image.tolist(), strict=True)
    people = [
        PEOPLE_PER_IMAGE * one + rng.permutation(PEOPLE_PER_IMAGE)[:count] for count, one in columns
    ]
    reached = [np.sort(rng.integers(1, num_thresholds + 1, count))[::-1] for count in counts]
    return RankedCandidates(
        counts=counts,
        people=np.concatenate(people).astype(np.int32),
        levels=((1 << np.concatenate(reached)) - 1).astype(np.uint16),
    )


@needs_core
@pytest.mark.parametrize("num_classes", [0, 1, 7, native_matching.MAX_CLASSES + 1])
def test_ranked_candidates_match_as_in_numpy(num_classes):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        image = rng.integers(0, 5, 60)
        num_people = 5 * PEOPLE_PER_IMAGE
        people_image = np.arange(num_people) // PEOPLE_PER_IMAGE
        groups = group_rows(np.arange(5), people_image, image, rng.random(60), 8)
        ranked = make_ranked(rng, image, 10)
        classes = rng.random((num_classes, num_people)) < 0.5
        arguments = (ranked, groups, classes, rng.random(num_people) < 0.2, 10)
        compiled, fallback = match_ranked(*arguments), match_ranked.__wrapped__(*arguments)
        assert np.array_equal(compiled.true_positives, fallback.true_positives)
        assert np.array_equal(compiled.ignored, fallback.ignored)
        assert np.array_equal(compiled.matched_people, fallback.matched_people)


@needs_core
def test_candidates_are_ranked_as_in_numpy(crowded_dataset):
    for seed in range(10):
        dataset = crowded_dataset(seed, images=4, people=9)
        scored = select_keypoints(dataset.truth, dataset.predictions, ScoringConfig())
        groups = group_by_image(dataset.truth, dataset.predictions)
        arguments = (groups, scored.poses, THRESHOLDS)
        compiled = find_ranked_candidates(*arguments)
        fallback = find_ranked_candidates.__wrapped__(*arguments)
        for name in ("counts", "people", "levels"):
            assert np.array_equal(getattr(compiled, name), getattr(fallback, name)), name


@needs_core
@pytest.mark.parametrize("far", [1e150, 1e160, 1e300])
@pytest.mark.parametrize("is_label", [False, True])
def test_joints_without_a_label_are_never_too_far(far, is_label, without_core):
    joints = np.zeros((1, 17, 3))
    joints[0, :, 0] = 10.5 + np.arange(17)
    joints[0, :, 1] = 20.5 + 3 * np.arange(17)
    labels, pose = joints.copy(), joints.copy()
    labels[0, :10, 2] = 2
    pose[..., 2] = 0.9
    (labels if is_label else pose)[0, 10:, :2] = far
    box = [[5, 5, 60, 60]]
    images = make_images([1], ["a.jpg"])
    truth = make_instances(COCO17, images, [0], box, labels, area=[2000])
    predictions = make_predictions(COCO17, [1], pose, [0.5], box)
    fast = evaluate(truth, predictions)
    without_core()
    assert fast["coco"]["AP"] == pytest.approx(1)
    assert evaluate(truth, predictions).to_json() == fast.to_json()


@needs_core
def test_shares_outside_are_those_of_the_fallback_where_joints_are_on_the_edges_of_boxes():
    rng = np.random.default_rng(0)
    n, k = 3000, 9
    # Few places, so that many joints lie on an edge, a ten-thousandth beside it or in a corner.
    places = np.array([0, 0.0001, 0.1, 0.3, 0.7, 4.35, 10, 10.0001, 214748.3647, -0.3])
    keypoints = np.zeros((n, k, 3))
    keypoints[:, :, :2] = rng.choice(places, (n, k, 2))
    keypoints[:, :, 2] = rng.integers(0, 3, (n, k))
    boxes = rng.choice(places, (n, 4))
    boxes[:60:4] = [[-np.inf, 0, np.inf, 1], [1e300, 0, 1e300, 1], [np.nan, 0, 1, 1]] * 5
    packed = pack_keypoints(keypoints)
    assert packed is not None
    with np.errstate(invalid="ignore"):
        expected = measure_share_outside.__wrapped__(boxes, keypoints)
    assert 0 < expected.mean() < 1
    for poses in (packed, keypoints):
        assert measure_share_outside(boxes, poses).tolist() == expected.tolist()


@needs_core
def test_packed_people_have_the_candidates_of_the_fallback():
    rng = np.random.default_rng(1)
    num_images, people_each, k = 30, 12, 19  # not a multiple of the joints compared together
    n = num_images * people_each
    keypoints = np.round(rng.normal(50, 12, (n, k, 3)), 3)
    keypoints[:, :, 2] = rng.integers(0, 3, (n, k))
    keypoints[::7, :, 2] = 0  # compared by their boxes
    packed = pack_keypoints(keypoints)
    boxes = np.column_stack([keypoints[:, 0, :2], rng.uniform(5, 40, (n, 2))])
    images = np.arange(num_images)
    groups = group_rows(
        images, rng.permutation(n) % num_images, rng.integers(0, num_images, 400), rng.random(400)
    )
    poses = Poses(
        detections=rng.normal(50, 12, (400, k, 3)),
        keypoints=packed,
        boxes_xywh=boxes,
        area=rng.uniform(200, 9000, n),
        is_crowd=np.zeros(n, bool),
        sigmas=rng.uniform(0.02, 0.2, k),
    )
    thresholds = np.linspace(0.1, 0.9, 9)
    compiled = find_ranked_candidates(groups, poses, thresholds)
    fallback = find_ranked_candidates.__wrapped__(
        groups, replace(poses, keypoints=keypoints), thresholds
    )
    assert len(compiled.people) > 100
    for name in ("counts", "people", "levels"):
        assert getattr(compiled, name).tolist() == getattr(fallback, name).tolist(), name
