"""Paired differences of results: intervals, corrected p-values, notes."""

import json
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from smallpose.core.errors import InputError
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17, SKELETONS, SMALLPOSE
from smallpose.evaluation.analysis.comparison import apply_holm_correction, compare
from smallpose.evaluation.difference.split import split_difference
from smallpose.evaluation.scoring.bootstrap import (
    resample_metrics,
)

ALL = ("coco", "owned", "recall")


def test_paired_differences_are_narrower_than_unpaired_ones(population):
    truth, predictions = population(150, 7)
    _, better = population(150, 7, skill=1.1)
    result = compare(truth, {"base": predictions, "better": better}, num_resamples=300)
    ap = next(d for d in result.differences if (d.protocol, d.name) == ("coco", "AP"))
    assert ap.difference == pytest.approx(ap.other_value - ap.base_value)
    assert ap.interval.low > 0
    assert ap.p_holm < 0.05
    alone = [e.match_counts for e in result.evaluations.values()]
    widths = [np.std(resample_metrics(t, ("coco",), 20, 300)["coco"]["AP"]) for t in alone]
    paired = (ap.interval.high - ap.interval.low) / 3.92
    assert paired < 0.5 * np.hypot(*widths)
    assert 0 < ap.detectable < ap.difference


def test_a_result_compared_with_itself_differs_nowhere(population):
    truth, predictions = population(30, 7)
    result = compare(truth, {"a": predictions, "b": predictions}, num_resamples=50)
    known = [d for d in result.differences if d.difference is not None]
    assert {d.difference for d in known} == {0.0}
    assert {d.p_holm for d in known if d.p_holm is not None} == {1.0}
    assert "*" not in str(result).split("* differs")[0]


@pytest.mark.slow
def test_equal_models_are_called_different_in_about_1_of_20_comparisons(population):
    alarms = 0
    for seed in range(100):
        truth, predictions = population(80, seed)
        noise = np.random.default_rng(seed).random(len(predictions))
        swap = np.random.default_rng(seed + 1).random(len(predictions)) < 0.5
        # Two models that err alike, and independently: each moves about a half of the poses.
        poses = [predictions.keypoints.copy(), predictions.keypoints.copy()]
        for mine, pose in zip((swap, ~swap), poses, strict=True):
            pose[mine, :, :2] += 0.02 * noise[mine, None, None] * 200
        models = {
            str(i): make_predictions(COCO17, predictions.image_ids, pose, predictions.scores)
            for i, pose in enumerate(poses)
        }
        result = compare(truth, models, protocols=("coco",), num_resamples=200, seed=seed)
        alarms += result.differences[0].p < 0.05
    assert alarms <= 10


def test_the_p_value_is_students_of_the_clusters_with_people_of_the_class(population):
    truth, predictions = population(40, 7)
    _, better = population(40, 7, skill=1.1)
    result = compare(truth, {"base": predictions, "better": better}, num_resamples=300)
    counts = [e.match_counts for e in result.evaluations.values()]
    base, other = (resample_metrics(c, ("coco",), 20, 300)["coco"]["AP"] for c in counts)
    error = np.std(other - base, ddof=1) * np.sqrt(40 / 39)
    ap = result.differences[0]
    assert ap.p == pytest.approx(2 * scipy.stats.t.sf(abs(ap.difference) / error, 39))


def test_below_15_images_with_people_p_values_are_withheld_with_a_reason(population):
    truth, predictions = population(14, 7)
    _, better = population(14, 7, skill=1.5)
    result = compare(truth, {"a": predictions, "b": better}, num_resamples=100)
    assert {d.p for d in result.differences} == {None}
    assert result.differences[0].interval is not None
    assert any(n.startswith("no p-value for all (14)") and "15 images" in n for n in result.notes)


def test_a_clear_difference_among_six_results_survives_holms_correction(population):
    """With p-values counted in 1,000 resamples none of 70 cells could fall below .05."""
    truth, predictions = population(80, 7)
    results = {"base": predictions}
    for number in range(5):
        _, better = population(80, 7, skill=1.2 + 0.1 * number)
        results[f"better{number}"] = better
    result = compare(truth, results, num_resamples=200)
    assert result.num_resamples == 40 * 6 * 5
    ap = [d.p_holm for d in result.differences if (d.protocol, d.name) == ("coco", "AP")]
    assert max(ap) < 0.05


def test_holm_corrects_step_by_step_and_never_falls():
    assert apply_holm_correction([0.01, 0.02, 0.03, 0.04]) == pytest.approx(
        [0.04, 0.06, 0.06, 0.06]
    )
    assert apply_holm_correction([0.9, 0.8]) == [1.0, 1.0]
    assert apply_holm_correction([]) == []


def test_a_comparison_needs_two_results(population):
    truth, predictions = population(5, 1)
    with pytest.raises(InputError, match="give two or more"):
        compare(truth, {"one": predictions})


def test_the_comparison_prints_and_writes_all_results(population):
    truth, predictions = population(40, 7)
    _, better = population(40, 7, skill=1.3)
    result = compare(truth, {"hrnet": predictions, "simcc": better}, num_resamples=100)
    text = str(result)
    assert "AP of simcc against hrnet" in text
    assert "detectable" in text
    data = json.loads(result.to_json())
    assert set(data["results"]) == {"hrnet", "simcc"}
    assert len(data["differences"]) == 14
    assert data["settings"]["draws"] == 100


def test_results_of_different_joints_are_compared_on_those_that_both_have(crowded_dataset):
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
    places = [SMALLPOSE.joints.index(joint) for joint in SKELETONS["mpii16"].joints]
    other = replace(other, keypoints=dataset.predictions.keypoints[:, places])
    pair = {"all": dataset.predictions, "mpii": other}
    result = compare(dataset.truth, pair, num_resamples=50)
    assert {d.difference for d in result.differences} <= {0.0, None}
    note = "different joints (all 21, mpii 16), so all are scored on the 16 joints that all have: "
    assert note in str(result)
    assert split_difference(dataset.truth, pair, num_resamples=0).to_dict()
    faces = SMALLPOSE.take([0, 1])
    face = replace(other, skeleton=faces, keypoints=dataset.predictions.keypoints[:, :2])
    with pytest.raises(InputError, match="have no joint in common; name their joints alike"):
        compare(
            dataset.truth,
            {"face": face, "mpii": replace(other, skeleton=SMALLPOSE.take(range(5, 21)))},
        )


def test_a_comparison_has_the_notes_of_each_result_and_shared_ones_once(crowded_dataset):
    dataset = crowded_dataset(3, images=60, people=12)
    noted = replace(dataset.predictions, notes=("2 results of other categories left out",))
    result = compare(dataset.truth, {"a": dataset.predictions, "b": noted}, num_resamples=50)
    assert "note: b: 2 results of other categories left out" in str(result)
    assert result.notes == tuple(json.loads(result.to_json())["notes"])
    both = compare(dataset.truth, {"a": noted, "b": noted}, num_resamples=50)
    assert both.notes[0] == "2 results of other categories left out"
    assert sum("2 results" in note for note in both.notes) == 1
    with pytest.raises(InputError, match="too few resamples to compare by; use 1000"):
        compare(dataset.truth, {"a": noted, "b": noted}, num_resamples=9)


def test_two_results_that_find_nobody_have_no_interval_of_their_difference(population):
    truth, predictions = population(40, 7)
    nobody = replace(predictions, keypoints=predictions.keypoints + np.array([5000.0, 5000, 0]))
    result = compare(truth, {"A": nobody, "B": nobody}, num_resamples=50)
    one = next(d for d in result.differences if (d.protocol, d.name) == ("coco", "AP"))
    assert (one.base_value, one.other_value, one.difference) == (0, 0, 0)
    assert (one.interval, one.p_holm, one.detectable) == (None, None, None)
    assert any("AP (coco)" in note and "0 here and in all" in note for note in result.notes)
    assert "A and B have the same AP" in result.verdicts["B"]
