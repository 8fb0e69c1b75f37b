"""Resamples equal evaluations of copied images; intervals cover the true value."""

import json
from dataclasses import replace

import numpy as np
import pytest
import scipy.special

from smallpose import evaluate
from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.matching import native
from smallpose.evaluation.scoring.bootstrap import (
    compute_difference_interval,
    compute_interval,
    draw_weights,
    index_clusters,
    list_ends,
    resample_curves,
    resample_metrics,
)
from smallpose.evaluation.scoring.precision_recall import RECALLS

ALL = ("coco", "owned", "recall")


def part(truth, predictions, rows):
    """The same dataset with only some images, some of them several times."""
    pieces = [
        (truth.image_rows == row, predictions.image_ids == truth.images.ids[row]) for row in rows
    ]
    people = np.concatenate([np.flatnonzero(p) for p, _ in pieces])
    seen = np.concatenate([np.flatnonzero(d) for _, d in pieces])
    image = np.concatenate([np.full(p.sum(), i) for i, (p, _) in enumerate(pieces)])
    images = make_images(np.arange(1, len(rows) + 1), ["x"] * len(rows))
    again = make_instances(COCO17, images, image, truth.boxes_xywh[people], truth.keypoints[people])
    ids = np.concatenate([np.full(d.sum(), i + 1) for i, (_, d) in enumerate(pieces)])
    return again, make_predictions(
        COCO17, ids, predictions.keypoints[seen], predictions.scores[seen]
    )


@pytest.mark.parametrize("core", [True, False])
def test_a_weighted_resample_equals_an_evaluation_of_the_copied_images(
    population, core, monkeypatch
):
    if not core:
        monkeypatch.setattr(native, "CORE", None)
    truth, predictions = population(12, 3)
    predictions.scores[:] = (
        predictions.scores.argsort().argsort()
    )  # copies of a detection lie side by side
    result = evaluate(truth, predictions, protocols=ALL)
    resampled = resample_metrics(result.match_counts, ALL, 20, 5, seed=4)
    (weights,) = draw_weights(result.match_counts.groups, 5, 4)
    assert weights.sum(axis=1).tolist() == [12] * 5
    for b, weight in enumerate(weights):
        copied = evaluate(
            *part(truth, predictions, np.repeat(np.arange(12), weight)), protocols=ALL
        )
        for protocol in ALL:
            for name, value in copied[protocol].items():
                ours = resampled[protocol][name][b]
                assert np.isnan(ours) if value is None else ours == pytest.approx(value, abs=1e-12)


@pytest.mark.skipif(native.CORE is None, reason="no compiler built the core")
def test_resamples_are_the_same_without_the_compiled_core(monkeypatch):
    rng = np.random.default_rng(0)
    true_positives = rng.integers(0, 1024, 300).astype(np.uint16)
    false_positives = (~true_positives & 1023) * rng.integers(0, 2, 300).astype(np.uint16)
    image = rng.integers(0, 40, 300)
    weights = rng.integers(0, 4, (30, 40)).astype(np.uint16)
    people = rng.integers(0, 3, 30) * 200
    fast = resample_curves(true_positives, false_positives, image, weights, people, 10, RECALLS)
    monkeypatch.setattr(native, "CORE", None)
    slow = resample_curves(true_positives, false_positives, image, weights, people, 10, RECALLS)
    assert np.array_equal(fast[0], slow[0])
    assert np.array_equal(fast[1], slow[1])


def test_images_of_a_video_are_resampled_together():
    groups = ["a", "a", "", "b", "b", ""]
    assert index_clusters(groups).tolist() == [0, 0, 1, 2, 2, 3]
    for weights in draw_weights(groups, 50, 0):
        assert (weights[:, 0] == weights[:, 1]).all()
        assert (weights[:, 3] == weights[:, 4]).all()
        assert weights[:, [0, 2, 3, 5]].sum(axis=1).tolist() == [4] * len(weights)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another(population):
    truth, predictions = population(30, 0)
    a, b, c = (evaluate(truth, predictions, intervals=100, seed=s).intervals for s in (1, 1, 2))
    assert a == b != c


def test_the_interval_contains_the_metric_and_narrows_with_more_images(population):
    widths = []
    for images in (40, 640):
        truth, predictions = population(images, 5)
        result = evaluate(truth, predictions, intervals=200)
        interval = result.intervals["coco"]["AP"]
        assert interval.value == result["coco"]["AP"]
        assert interval.low < interval.value < interval.high
        widths.append(interval.high - interval.low)
    assert 2 < widths[0] / widths[1] < 8  # about 4, the root of 16


@pytest.mark.slow
def test_95_percent_intervals_cover_the_true_value_in_about_95_percent(population):
    truth, predictions = population(6000, 11)
    complete = evaluate(truth, predictions)["coco"]
    rng = np.random.default_rng(2)
    covered = {"AP": 0, "AR": 0, "AP_M": 0}
    tries = 200
    for seed in range(tries):
        sample = part(truth, predictions, rng.choice(6000, 120, replace=True))
        intervals = evaluate(*sample, intervals=200, seed=seed).intervals["coco"]
        for name in covered:
            covered[name] += intervals[name].low <= complete[name] <= intervals[name].high
    # Two standard errors of 200 tries are 3 points.
    assert all(0.90 <= n / tries <= 0.985 for n in covered.values()), covered


def test_a_class_without_people_has_no_interval(population):
    truth, predictions = population(20, 1)
    result = evaluate(truth, predictions, intervals=50)
    assert result.people["dense"] == 0
    assert result.intervals["coco"]["AP_S_dense"] is None
    assert json.loads(result.to_json())["intervals"]["coco"]["AP_S_dense"] is None
    assert "95 %" in str(result)


def test_resamples_that_are_mostly_empty_or_of_one_video_have_no_interval():
    assert compute_interval(0.5, np.array([0.5, np.nan, np.nan]), 50) is None
    assert compute_interval(0.5, np.linspace(0.4, 0.6, 101), 1) is None


def test_the_interval_subtracts_the_bias_on_the_logit_scale_and_reaches_as_far_as_students_t():
    value, num_clusters = 0.6, 25
    z = np.random.default_rng(0).normal(0.7, 0.3, 2000)  # of resamples above the value
    interval = compute_interval(value, 1 / (1 + np.exp(-z)), num_clusters)
    error = z.std(ddof=1) * np.sqrt(25 / 24)
    ends = 2 * scipy.special.logit(value) - z.mean() + np.array([-1, 1]) * 2.063899 * error
    assert list_ends(interval) == pytest.approx(scipy.special.expit(ends), abs=1e-6)
    assert interval.value == value


@pytest.mark.parametrize("is_mirrored", [False, True])
def test_resamples_in_which_nobody_is_found_do_not_make_an_interval_of_almost_everything(
    is_mirrored,
):
    """An AP75 of 2 from two people: a fifth of the resamples have neither of them."""
    resamples = np.tile([0.0, 0.01, 0.02, 0.03, 0.04], 200)
    value = 0.02
    if is_mirrored:
        resamples, value = 1 - resamples, 1 - value
    interval = compute_interval(value, resamples, 20)
    ends = sorted(1 - end if is_mirrored else end for end in list_ends(interval))
    assert 0 < ends[0] < 0.01
    assert 0.04 < ends[1] < 0.2


def test_a_note_names_metrics_whose_interval_rests_on_few_matched_people(population):
    truth, good = population(30, 2)
    notes = evaluate(truth, good, intervals=50).notes
    assert not any("few matched people" in note for note in notes)
    poses = good.keypoints.copy()
    poses[2:, :, :2] += 1e5  # two people of sixty are matched
    weak = replace(good, keypoints=poses)
    result = evaluate(truth, weak, intervals=200)
    (note,) = [note for note in result.notes if "few matched people" in note]
    assert note.startswith("the intervals of AP, AP50, AP75, AP_") and "AR" not in note


def test_the_interval_of_a_difference_subtracts_its_bias():
    resamples = np.random.default_rng(1).normal(0.03, 0.02, 1000)
    interval = compute_difference_interval(0.02, resamples, 25)
    reach = 2.063899 * resamples.std(ddof=1) * np.sqrt(25 / 24)
    centre = 0.04 - resamples.mean()
    assert list_ends(interval) == pytest.approx([centre - reach, centre + reach], abs=1e-6)


def test_resamples_that_are_all_equal_have_no_interval():
    """Every person is matched: nothing is known of how often this happens by chance."""
    assert compute_interval(1.0, np.ones(100), 50) is None
    assert compute_interval(1e-5, np.linspace(0, 3e-5, 100), 50) is None  # n/a and not .001 to .001
    assert compute_difference_interval(0.1, np.full(100, 0.1), 50) is None


def test_a_value_near_one_is_inside_its_interval():
    interval = compute_interval(0.9996, np.linspace(0.99, 1.0, 100), 50)
    assert interval.low < 0.9996 <= interval.high


def test_the_same_predictions_differ_by_exactly_zero():
    assert list_ends(compute_difference_interval(0.0, np.zeros(100), 50)) == [0.0, 0.0]


def test_a_class_in_fewer_than_ten_images_has_no_interval_and_a_note_says_why(population):
    truth, predictions = population(9, 1)
    result = evaluate(truth, predictions, intervals=50)
    assert set(result.intervals["coco"].values()) == {None}
    notes = [note for note in result.notes if note.startswith("no interval")]
    assert notes[0].startswith("no interval for all (9)")
    assert "people in fewer than 10 images" in notes[0]
    videos = replace(truth, images=replace(truth.images, groups=tuple("aaabbbccc")))
    (note,) = [n for n in evaluate(videos, predictions, intervals=50).notes if "no interval" in n]
    assert note.startswith("no interval for all (3)")
    assert "fewer than 10 groups or videos" in note


def test_the_json_says_how_often_from_which_seed_and_what_was_resampled(population):
    truth, predictions = population(12, 1)
    settings = json.loads(evaluate(truth, predictions, intervals=50, seed=3).to_json())["settings"]
    assert (settings["draws"], settings["seed"], settings["clusters"]) == (50, 3, 12)
    assert "draws" not in json.loads(evaluate(truth, predictions).to_json())["settings"]


def test_too_few_resamples_are_refused(population):
    truth, predictions = population(5, 1)
    for too_few in (1, 9):
        with pytest.raises(InputError, match="too few resamples"):
            evaluate(truth, predictions, intervals=too_few)
