"""Intervals and comparisons: equal to copies of the data, covering as often as they say."""

import json
from dataclasses import replace

import numpy as np
import pytest

from smallpose import evaluate
from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17, SKELETONS, SMALLPOSE
from smallpose.evaluation.analysis.comparison import apply_holm_correction, compare
from smallpose.evaluation.matching import native
from smallpose.evaluation.scoring.bootstrap import (
    compute_interval,
    draw_weights,
    index_clusters,
    list_ends,
    resample_curves,
    resample_metrics,
)
from smallpose.evaluation.scoring.precision_recall import RECALLS

ALL = ("coco", "owned", "recall")


def population(images, seed, skill=1.0, groups=None):
    """Images of one to five people, each image as hard as it is; a detection per person."""
    rng = np.random.default_rng(seed)
    count = rng.integers(1, 6, images)
    rows = np.repeat(np.arange(images), count)
    n = len(rows)
    boxes = np.zeros((n, 4))
    boxes[:, 0] = 400 * np.concatenate([np.arange(c) for c in count])
    boxes[:, 2:] = np.stack([rng.uniform(30, 150, n), rng.uniform(40, 250, n)], axis=1)
    keypoints = np.ones((n, 17, 3))
    keypoints[:, :, :2] = boxes[:, None, :2] + boxes[:, None, 2:] * rng.random((n, 17, 2))
    hard = rng.lognormal(-0.9, 0.7, images)[rows] / skill
    noise = np.random.default_rng(seed + 1000).normal(0, 1, (n, 17, 2))
    poses = keypoints.copy()
    spread = 2 * COCO17.sigmas * np.sqrt(boxes[:, 2] * boxes[:, 3])[:, None] * hard[:, None]
    poses[:, :, :2] += noise * spread[:, :, None]
    scores = 1 / (1 + hard) + rng.normal(0, 0.1, n)
    named = make_images(
        np.arange(1, images + 1), [f"{i}.jpg" for i in range(images)], groups=groups
    )
    truth = make_instances(COCO17, named, rows, boxes, keypoints)
    return truth, make_predictions(COCO17, named.ids[rows], poses, scores)


def part(truth, found, rows):
    """The same dataset with only some images, some of them several times."""
    pieces = [(truth.image_rows == row, found.image_ids == truth.images.ids[row]) for row in rows]
    people = np.concatenate([np.flatnonzero(p) for p, _ in pieces])
    seen = np.concatenate([np.flatnonzero(d) for _, d in pieces])
    image = np.concatenate([np.full(p.sum(), i) for i, (p, _) in enumerate(pieces)])
    images = make_images(np.arange(1, len(rows) + 1), ["x"] * len(rows))
    again = make_instances(COCO17, images, image, truth.boxes_xywh[people], truth.keypoints[people])
    ids = np.concatenate([np.full(d.sum(), i + 1) for i, (_, d) in enumerate(pieces)])
    return again, make_predictions(COCO17, ids, found.keypoints[seen], found.scores[seen])


@pytest.mark.parametrize("core", [True, False])
def test_a_weighted_draw_equals_an_evaluation_of_the_copied_images(core, monkeypatch):
    if not core:
        monkeypatch.setattr(native, "CORE", None)
    truth, found = population(12, 3)
    found.scores[:] = found.scores.argsort().argsort()  # copies of a detection lie side by side
    result = evaluate(truth, found, protocols=ALL)
    drawn = resample_metrics(result.match_counts, ALL, 20, 5, seed=4)
    (weights,) = draw_weights(result.match_counts.groups, 5, 4)
    assert weights.sum(axis=1).tolist() == [12] * 5
    for b, weight in enumerate(weights):
        copied = evaluate(*part(truth, found, np.repeat(np.arange(12), weight)), protocols=ALL)
        for protocol in ALL:
            for name, value in copied[protocol].items():
                ours = drawn[protocol][name][b]
                assert np.isnan(ours) if value is None else ours == pytest.approx(value, abs=1e-12)


@pytest.mark.skipif(native.CORE is None, reason="no compiler built the core")
def test_draws_are_the_same_without_the_core(monkeypatch):
    rng = np.random.default_rng(0)
    hit = rng.integers(0, 1024, 300).astype(np.uint16)
    false = (~hit & 1023) * rng.integers(0, 2, 300).astype(np.uint16)
    image = rng.integers(0, 40, 300)
    weights = rng.integers(0, 4, (30, 40)).astype(np.uint16)
    people = rng.integers(0, 3, 30) * 200
    fast = resample_curves(hit, false, image, weights, people, 10, RECALLS)
    monkeypatch.setattr(native, "CORE", None)
    slow = resample_curves(hit, false, image, weights, people, 10, RECALLS)
    assert np.array_equal(fast[0], slow[0])
    assert np.array_equal(fast[1], slow[1])


def test_images_of_a_video_are_drawn_together():
    groups = ["a", "a", "", "b", "b", ""]
    assert index_clusters(groups).tolist() == [0, 0, 1, 2, 2, 3]
    for weights in draw_weights(groups, 50, 0):
        assert (weights[:, 0] == weights[:, 1]).all()
        assert (weights[:, 3] == weights[:, 4]).all()
        assert weights[:, [0, 2, 3, 5]].sum(axis=1).tolist() == [4] * len(weights)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    truth, found = population(30, 0)
    a, b, c = (evaluate(truth, found, intervals=100, seed=s).intervals for s in (1, 1, 2))
    assert a == b != c


def test_the_interval_holds_the_number_and_narrows_with_more_images():
    widths = []
    for images in (40, 640):
        truth, found = population(images, 5)
        result = evaluate(truth, found, intervals=200)
        interval = result.intervals["coco"]["AP"]
        assert interval.value == result["coco"]["AP"]
        assert interval.low < interval.value < interval.high
        widths.append(interval.high - interval.low)
    assert 2 < widths[0] / widths[1] < 8  # about 4, the root of 16


@pytest.mark.slow
def test_95_percent_intervals_cover_the_true_value_in_about_95_percent():
    truth, found = population(6000, 11)
    whole = evaluate(truth, found)["coco"]
    rng = np.random.default_rng(2)
    covered = {"AP": 0, "AR": 0, "AP_M": 0}
    tries = 200
    for seed in range(tries):
        sample = part(truth, found, rng.choice(6000, 120, replace=True))
        intervals = evaluate(*sample, intervals=200, seed=seed).intervals["coco"]
        for name in covered:
            covered[name] += intervals[name].low <= whole[name] <= intervals[name].high
    # Two standard errors of 200 tries are 3 points; percentile intervals run a little narrow.
    assert all(0.90 <= n / tries <= 0.985 for n in covered.values()), covered


def test_a_class_without_people_has_no_interval():
    truth, found = population(20, 1)
    result = evaluate(truth, found, intervals=50)
    assert result.people["dense"] == 0
    assert result.intervals["coco"]["AP_S_dense"] is None
    assert json.loads(result.to_json())["intervals"]["coco"]["AP_S_dense"] is None
    assert "95 %" in str(result)


def test_an_interval_of_draws_that_are_mostly_empty_or_of_one_video_is_none():
    assert compute_interval(0.5, np.array([0.5, np.nan, np.nan]), 50) is None
    assert compute_interval(50.0, np.arange(101.0), 1) is None


def test_the_interval_is_the_middle_of_the_draws_and_wider_for_few_clusters():
    many = compute_interval(50.0, np.arange(101.0), 10**6)
    assert list_ends(many) == pytest.approx([2.5, 97.5], abs=1e-3)
    few = compute_interval(500.0, np.arange(1001.0), 5)
    # t with 4 degrees of freedom reaches 2.776, times the root of 5/4: the normal tail of .00096.
    assert list_ends(few) == pytest.approx([0.96, 999.04], abs=0.05)


def test_too_few_draws_are_refused():
    truth, found = population(5, 1)
    with pytest.raises(InputError, match="too few resamples"):
        evaluate(truth, found, intervals=1)


def test_paired_differences_are_narrower_than_unpaired_ones():
    truth, found = population(150, 7)
    _, better = population(150, 7, skill=1.1)
    result = compare(truth, {"base": found, "better": better}, num_resamples=300)
    ap = next(d for d in result.differences if (d.protocol, d.name) == ("coco", "AP"))
    assert ap.difference == pytest.approx(ap.other_value - ap.base_value)
    assert ap.interval.low > 0
    assert ap.p_holm < 0.05
    alone = [e.match_counts for e in result.evaluations.values()]
    widths = [np.std(resample_metrics(t, ("coco",), 20, 300)["coco"]["AP"]) for t in alone]
    paired = (ap.interval.high - ap.interval.low) / 3.92
    assert paired < 0.5 * np.hypot(*widths)
    assert 0 < ap.detectable < ap.difference


def test_a_result_compared_with_itself_differs_nowhere():
    truth, found = population(30, 7)
    result = compare(truth, {"a": found, "b": found}, num_resamples=50)
    known = [d for d in result.differences if d.difference is not None]
    assert {d.difference for d in known} == {0.0}
    assert {d.p_holm for d in known if d.p_holm is not None} == {1.0}
    assert "*" not in str(result).split("* differs")[0]


@pytest.mark.slow
def test_equal_models_are_called_different_in_about_1_of_20_comparisons():
    alarms = 0
    for seed in range(100):
        truth, found = population(80, seed)
        noise = np.random.default_rng(seed).random(len(found))
        swap = np.random.default_rng(seed + 1).random(len(found)) < 0.5
        # Two models that err alike, and independently: each moves about a half of the poses.
        poses = [found.keypoints.copy(), found.keypoints.copy()]
        for mine, pose in zip((swap, ~swap), poses, strict=True):
            pose[mine, :, :2] += 0.02 * noise[mine, None, None] * 200
        models = {
            str(i): make_predictions(COCO17, found.image_ids, pose, found.scores)
            for i, pose in enumerate(poses)
        }
        result = compare(truth, models, protocols=("coco",), num_resamples=200, seed=seed)
        alarms += result.differences[0].p < 0.05
    assert alarms <= 12


def test_holm_corrects_step_by_step_and_never_falls():
    assert apply_holm_correction([0.01, 0.02, 0.03, 0.04]) == pytest.approx(
        [0.04, 0.06, 0.06, 0.06]
    )
    assert apply_holm_correction([0.9, 0.8]) == [1.0, 1.0]
    assert apply_holm_correction([]) == []


def test_a_comparison_needs_two_results():
    truth, found = population(5, 1)
    with pytest.raises(InputError, match="give two or more"):
        compare(truth, {"one": found})


def test_the_comparison_prints_and_writes_everything():
    truth, found = population(40, 7)
    _, better = population(40, 7, skill=1.3)
    result = compare(truth, {"hrnet": found, "simcc": better}, num_resamples=100)
    text = str(result)
    assert "AP of simcc against hrnet" in text
    assert "detectable" in text
    data = json.loads(result.to_json())
    assert set(data["results"]) == {"hrnet", "simcc"}
    assert len(data["differences"]) == 14
    assert data["settings"]["draws"] == 100


def test_results_of_unlike_joints_are_compared_on_those_that_both_have(crowded_dataset):
    """The same poses, once with 21 joints and once with COCO's 17 of them, are equally good."""
    dataset = crowded_dataset(3, joints=21, images=30, people=6)
    places = [SMALLPOSE.joints.index(joint) for joint in COCO17.joints]
    seventeen = replace(
        dataset.predictions, skeleton=COCO17, keypoints=dataset.predictions.keypoints[:, places]
    )
    result = compare(
        dataset.truth, {"all": dataset.predictions, "coco": seventeen}, num_resamples=50
    )
    assert {d.difference for d in result.differences} <= {0.0, None}
    assert any(d.base_value for d in result.differences)
    assert "different joints (all 21, coco 17), so all are scored on COCO's 17" in str(result)
    assert json.loads(result.to_json())["settings"]["keypoints"] == "coco17"
    other = replace(
        dataset.predictions,
        skeleton=SKELETONS["mpii16"],
        keypoints=dataset.predictions.keypoints[:, :16],
    )
    with pytest.raises(InputError, match="compare results of the same joints"):
        compare(dataset.truth, {"all": dataset.predictions, "mpii": other}, num_resamples=50)


def test_a_comparison_says_what_is_to_be_known_of_each_result(crowded_dataset):
    dataset = crowded_dataset(3, images=10)
    noted = replace(dataset.predictions, notes=("2 results of other categories left out",))
    result = compare(dataset.truth, {"a": dataset.predictions, "b": noted}, num_resamples=50)
    assert "note: b: 2 results of other categories left out" in str(result)
    assert result.notes == tuple(json.loads(result.to_json())["notes"])
    both = compare(dataset.truth, {"a": noted, "b": noted}, num_resamples=50)
    assert both.notes == ("2 results of other categories left out",)
    with pytest.raises(InputError, match="too few resamples to compare by; use 1000"):
        compare(dataset.truth, {"a": noted, "b": noted}, num_resamples=0)
