"""Results without detections of low scores are named where they are compared with others."""

import json

import numpy as np
import pytest

import smallpose
from smallpose.cli.main import main
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.analysis.cut_scores import (
    MAX_SAMPLE,
    ScoreFacts,
    collect_score_facts,
    describe_cut_scores,
)

SPREAD = np.linspace(0.01, 1, 100)


def select(limit):
    return np.array([score for score in SPREAD if score >= limit])


def describe(limit=None, **scores):
    """Describe results; `limit` is what is known of b."""
    limits = {"b": limit}
    return describe_cut_scores(
        {name: ScoreFacts(one, len(one), limits.get(name)) for name, one in scores.items()}
    )


@pytest.mark.parametrize("limit, has_note", [(0.25, True), (0.6, True), (0.0, False)])
def test_results_above_a_score_are_told_beside_others(limit, has_note):
    notes = describe(a=SPREAD, b=select(limit))
    assert list(notes) == (["b"] if has_note else [])
    if has_note:
        count = 100 - len(select(limit))
        assert notes["b"].startswith(
            f"b has no score below {limit}, and a has {count} of 100 detections there: if b was"
        )


def test_few_low_scores_equal_scores_and_no_detection_are_no_limit():
    assert not describe(a=SPREAD, b=SPREAD[9:])
    assert not describe(a=SPREAD, b=np.ones(50))
    assert not describe(a=SPREAD, b=1 + 99 * SPREAD)  # of another scale
    assert not describe(a=SPREAD, b=np.zeros(0))
    assert not describe(a=SPREAD[30:], b=SPREAD[30:])
    assert not describe(a=np.zeros(0), b=np.zeros(0))


def test_a_recorded_limit_is_certain_and_a_record_of_none_is_no_doubt():
    limit = "--min-score 0.3 left out 29 of 100 detections"
    assert (
        f"b was written with a limit on scores ({limit}), and its AP"
        in (describe(limit, a=SPREAD, b=select(0.3))["b"])
    )
    assert not describe("", a=SPREAD, b=select(0.3))
    assert describe(None, a=SPREAD, b=select(0.3))


def test_a_sample_of_many_scores_counts_as_all_of_them():
    scores = np.random.default_rng(0).uniform(0, 1, 50_000)
    facts = ScoreFacts(scores, len(scores))
    sample = facts.sample()
    assert len(sample) == MAX_SAMPLE
    assert [sample[0], sample[-1]] == [scores.min(), scores.max()]
    below = ScoreFacts(sample, len(scores)).count_below(0.25)
    assert below == pytest.approx(facts.count_below(0.25), rel=0.01)
    few = ScoreFacts(SPREAD[::-1], len(SPREAD))
    assert few.sample().tolist() == SPREAD.tolist()
    assert ScoreFacts(np.zeros(0), 0).sample().tolist() == []


def score(num_detections, has_own_boxes=True):
    """Evaluate the first detections of 100 people; their boxes are those of the labels, or own."""
    images = smallpose.make_images(range(1, 101), [f"{i}.jpg" for i in range(100)])
    points = np.random.default_rng(0).uniform(0, 100, (100, 17, 3))
    points[:, :, 2] = 2
    boxes = np.tile([0.0, 0, 100, 100], (100, 1))
    truth = smallpose.make_instances(COCO17, images, range(100), boxes, points)
    results = smallpose.make_predictions(
        COCO17, images.ids, points, SPREAD, boxes + 3 * has_own_boxes
    )
    return smallpose.evaluate(truth, results.take(slice(100 - num_detections, None)))


def test_what_left_detections_out_is_read_from_the_record_of_predict():
    def read(limits):
        environment = {"smallpose": "0.1.0", "score_limits": limits}
        return collect_score_facts(score(70), environment).limit

    low = {"score": 0.3, "left_out": 30, "detections": 100}
    assert read({"--min-score": low}) == "--min-score 0.3 left out 30 of 100 detections"
    assert read({"--min-score": low | {"left_out": 0}}) == ""
    assert read({"--nms": {"oks": 0.9, "left_out": 3, "detections": 100}}) == ""
    assert collect_score_facts(score(70), {"smallpose": "0.1.0"}).limit == ""
    assert collect_score_facts(score(70), {}).limit is None
    for edited in ({"--min-score": {}}, {"--min-score": 1}, [1], "x"):
        assert read(edited) is None


def test_a_detection_for_each_labelled_box_is_no_limit():
    assert collect_score_facts(score(100, has_own_boxes=False), {}).limit == ""
    assert collect_score_facts(score(70, has_own_boxes=False), {}).limit is None


def test_compare_prints_the_note(tmp_path, capsys):
    images = smallpose.make_images(range(1, 101), [f"{i}.jpg" for i in range(100)])
    points = np.random.default_rng(0).uniform(0, 100, (100, 17, 3))
    points[:, :, 2] = 2
    boxes = np.tile([0.0, 0, 100, 100], (100, 1))
    smallpose.write_coco(
        smallpose.make_instances(COCO17, images, range(100), boxes, points), tmp_path / "t.json"
    )
    results = smallpose.make_predictions(COCO17, images.ids, points, SPREAD, boxes + 3)
    smallpose.write_results(results, tmp_path / "a.json")
    smallpose.write_results(results.take(slice(24, None)), tmp_path / "b.json")
    paths = [str(tmp_path / name) for name in ("t.json", "a.json", "b.json")]
    assert main(["compare", *paths, "--json", "-"]) == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert any(note.startswith("b has no score below 0.25, and a has 24 of 100") for note in notes)
