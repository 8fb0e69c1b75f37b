"""Scores of the chosen people: the evaluator's AP, one rule for neighbours, paired resamples."""

from dataclasses import replace

import numpy as np
import pytest

from smallpose import evaluate
from smallpose.core.predictions import make_predictions
from smallpose.evaluation.matching.oks import compute_oks
from smallpose.resolution.people import choose_people
from smallpose.resolution.reduced_labels import compute_reduced_sizes, reduce_labels
from smallpose.resolution.scores import (
    METRICS,
    HeightScores,
    draw_resamples,
    score_height,
    score_people,
    select_own_detections,
)


@pytest.fixture(scope="module")
def reduced(scenes):
    people = choose_people(scenes.truth, (96,), 0)
    images, rows = scenes.truth.images, scenes.truth.image_rows[people.rows]
    sizes = np.stack([images.width[rows], images.height[rows]], axis=1)
    truth = reduce_labels(people, sizes, compute_reduced_sizes(people, sizes, 96), ".png")
    return people, truth


def perturb(truth, rows, noise, seed=0):
    """Return detections of these people, their joints displaced, with boxes."""
    rng = np.random.default_rng(seed)
    keypoints = truth.keypoints[rows].copy()
    keypoints[:, :, :2] += rng.normal(0, noise, keypoints[:, :, :2].shape)
    scores = rng.uniform(0.2, 1, len(rows))
    ids = truth.images.ids[truth.image_rows[rows]]
    return make_predictions(truth.skeleton, ids, keypoints, scores, truth.boxes_xywh[rows])


def test_ap_is_the_evaluators_on_the_chosen_people_alone(reduced):
    people, truth = reduced
    chosen = np.flatnonzero(~truth.iscrowd)
    predictions = perturb(truth, chosen, 4.0)
    scores = score_height(truth, predictions, 96, draw_resamples(people.groups, 50, 0))
    alone = evaluate(truth.take(chosen), predictions, protocols=("owned", "coco"))
    assert scores.values["AP"] == alone["owned"]["AP"] == alone["coco"]["AP"]
    assert 0 < scores.values["AP"] < 1 and scores.num_people == len(chosen)


def test_detections_of_neighbours_and_of_no_person_change_nothing(reduced):
    people, truth = reduced
    resamples = draw_resamples(people.groups, 50, 0)
    chosen, others = (np.flatnonzero(mask) for mask in (~truth.iscrowd, truth.iscrowd))
    own = perturb(truth, chosen, 4.0)
    all_people = perturb(truth, np.concatenate([chosen, others]), 4.0)
    all_people = replace(
        all_people, keypoints=all_people.keypoints.copy(), scores=all_people.scores.copy()
    )
    all_people.keypoints[: len(chosen)] = own.keypoints
    all_people.scores[: len(chosen)] = own.scores
    nowhere = perturb(truth, chosen, 0.0)
    nowhere = replace(
        nowhere,
        keypoints=nowhere.keypoints + 900,
        boxes_xywh=nowhere.boxes_xywh + np.array([900, 900, 0, 0]),
    )
    assert len(others) and not len(select_own_detections(truth, nowhere))
    first, second = (score_height(truth, p, 96, resamples) for p in (own, all_people))
    strict = [scores.values.pop("AP_strict") for scores in (first, second)]
    assert first.values == second.values
    assert strict[0] == first.values["AP"] > strict[1]  # neighbours found are false positives


def test_a_part_of_the_people_scores_as_if_the_others_were_not_there(reduced):
    people, truth = reduced
    chosen = np.flatnonzero(~truth.iscrowd)
    predictions = perturb(truth, chosen, 4.0)
    is_member = np.arange(len(chosen)) % 3 > 0
    resamples = draw_resamples(people.groups, 200, 0)
    part = score_height(truth, predictions, 96, resamples, is_member)
    ids = truth.images.ids[is_member]
    alone = predictions.take(np.flatnonzero(np.isin(predictions.image_ids, ids)))
    result = evaluate(truth.take(chosen[is_member]), alone, protocols=("owned",))
    assert part.num_people == is_member.sum() and part.values["AP"] == result["owned"]["AP"]
    everyone = score_height(truth, predictions, 96, resamples, np.ones(len(chosen), dtype=bool))
    assert everyone.values == score_height(truth, predictions, 96, resamples).values
    assert part.intervals["AP"].low < part.values["AP"] < part.intervals["AP"].high


def test_oks_and_share_found_are_those_of_the_formula(reduced):
    _, truth = reduced
    chosen = truth.take(np.flatnonzero(~truth.iscrowd))
    predictions = perturb(chosen, np.arange(len(chosen)), 4.0)
    oks, pck = score_people(chosen, predictions)
    for row in range(len(chosen)):
        area = chosen.area[row : row + 1]
        expected = compute_oks(
            predictions.keypoints[row : row + 1],
            chosen.keypoints[row : row + 1],
            chosen.boxes_xywh[row : row + 1],
            area,
            chosen.skeleton.sigmas,
        )[0, 0]
        assert oks[row] == pytest.approx(expected, abs=1e-9)
    assert ((pck >= 0) & (pck <= 1)).all() and pck.mean() > 0.9
    assert score_people(chosen, predictions.take(np.arange(0)))[0].tolist() == [0.0] * len(chosen)


def test_of_two_detections_the_first_match_by_score_counts(reduced):
    _, truth = reduced
    chosen = truth.take(np.flatnonzero(~truth.iscrowd)[:1])
    exact, good = perturb(chosen, np.array([0]), 0.0), perturb(chosen, np.array([0]), 2.0)
    both = make_predictions(
        chosen.skeleton,
        [*exact.image_ids, *good.image_ids],
        np.concatenate([exact.keypoints, good.keypoints]),
        [0.3, 0.9],
        np.concatenate([exact.boxes_xywh, good.boxes_xywh]),
    )
    assert 0.5 < score_people(chosen, both)[0][0] < 1
    assert score_people(chosen, exact)[0][0] == 1


def test_none_found_and_all_found_have_exact_limits(reduced):
    people, truth = reduced
    resamples = draw_resamples(people.groups, 50, 0)
    chosen = np.flatnonzero(~truth.iscrowd)
    nothing = score_height(truth, perturb(truth, chosen[:0], 0.0), 96, resamples)
    everything = score_height(truth, perturb(truth, chosen, 0.0), 96, resamples)
    reach = 1 - 0.025 ** (1 / resamples.num_clusters)
    low, high = nothing.intervals["found"], everything.intervals["found"]
    assert (low.low, low.high) == (0.0, pytest.approx(reach))
    assert (high.low, high.high) == (pytest.approx(1 - reach), 1.0)
    assert nothing.values["AP"] == 0 and everything.values["AP"] == pytest.approx(1)


@pytest.mark.parametrize("num_missed", [1, 2])
def test_one_missed_person_of_few_leaves_an_interval_that_can_be_right(num_missed):
    """Resamples in which nobody was missed are not infinitely far away."""
    rng = np.random.default_rng(0)
    is_found = np.ones(14)
    is_found[:num_missed] = 0
    resampled = is_found[rng.integers(0, 14, (1000, 14))].mean(axis=1)
    value = 1 - num_missed / 14
    rows = dict.fromkeys(METRICS, value)
    scores = HeightScores(64, 14, rows, dict.fromkeys(METRICS, resampled), 14)
    interval = scores.intervals["found"]
    # Exact binomial intervals are .66 to 1.00 and .57 to .98.
    assert 0.45 < interval.low < 0.75 and 0.93 < interval.high < 1


def test_intervals_of_low_ap_contain_it():
    """Of 30 people, AP .004 has resamples below half a person, which are kept as they are."""
    rng = np.random.default_rng(1)
    resampled = 0.004 * np.exp(rng.normal(0, 0.5, 1000))
    values = dict.fromkeys(METRICS, 0.004)
    scores = HeightScores(16, 30, values, dict.fromkeys(METRICS, resampled), 20)
    interval = scores.intervals["AP"]
    assert 0.0005 < interval.low < 0.003
    assert 0.006 < interval.high < 0.02


def draw_people(rng, share, num_images, per_image):
    """Return how many of each image's people are found, images being easy and hard."""
    odds = np.log(share / (1 - share)) + rng.normal(0, 0.7, num_images)
    return rng.binomial(per_image, 1 / (1 + np.exp(-odds)))


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
@pytest.mark.parametrize(("num_images", "per_image"), [(15, 2), (40, 1)])
def test_the_share_found_is_inside_as_often_as_it_says(share, num_images, per_image):
    """95 % of the intervals are meant to contain it; none may be of almost everything."""
    rng = np.random.default_rng(0)
    true = draw_people(rng, share, 200_000, per_image).mean() / per_image
    is_inside, widths = [], []
    for _ in range(200):
        found = draw_people(rng, share, num_images, per_image)
        n = num_images * per_image
        draws = rng.multinomial(num_images, np.full(num_images, 1 / num_images), 200)
        values = dict.fromkeys(METRICS, found.sum() / n)
        resampled = dict.fromkeys(METRICS, draws @ found / n)
        interval = HeightScores(64, n, values, resampled, num_images).intervals["found"]
        is_inside.append(interval.low <= true <= interval.high)
        widths.append(interval.high - interval.low)
    assert np.mean(is_inside) > 0.92
    assert np.quantile(widths, 0.95) < 0.6
