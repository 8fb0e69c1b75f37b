"""Results without detections of low scores are named where they are compared with others."""

import json

import numpy as np
import pytest

import smallpose
from smallpose.cli.main import main
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.analysis.cut_scores import describe_cut_scores

SPREAD = np.linspace(0.01, 1, 100)


def select(limit):
    return np.array([score for score in SPREAD if score >= limit])


@pytest.mark.parametrize("limit, has_note", [(0.25, True), (0.6, True), (0.0, False)])
def test_results_above_a_score_are_told_beside_others(limit, has_note):
    notes = describe_cut_scores({"a": SPREAD, "b": select(limit)})
    assert bool(notes) == has_note
    if has_note:
        count = 100 - len(select(limit))
        assert notes[0].startswith(
            f"b has no score below {limit}, and a has {count} of 100 detections there: if b was"
        )


def test_few_low_scores_equal_scores_and_no_detection_are_no_limit():
    assert not describe_cut_scores({"a": SPREAD, "b": SPREAD[9:]})
    assert not describe_cut_scores({"a": SPREAD, "b": np.ones(50)})
    assert not describe_cut_scores({"a": SPREAD, "b": 1 + 99 * SPREAD})  # of another scale
    assert not describe_cut_scores({"a": SPREAD, "b": np.zeros(0)})
    assert not describe_cut_scores({"a": SPREAD[30:], "b": SPREAD[30:]})


def test_compare_prints_the_note(tmp_path, capsys):
    images = smallpose.make_images(range(1, 101), [f"{i}.jpg" for i in range(100)])
    points = np.random.default_rng(0).uniform(0, 100, (100, 17, 3))
    points[:, :, 2] = 2
    boxes = np.tile([0.0, 0, 100, 100], (100, 1))
    smallpose.write_coco(
        smallpose.make_instances(COCO17, images, range(100), boxes, points), tmp_path / "t.json"
    )
    results = smallpose.make_predictions(COCO17, images.ids, points, SPREAD, boxes)
    smallpose.write_results(results, tmp_path / "a.json")
    smallpose.write_results(results.take(slice(24, None)), tmp_path / "b.json")
    paths = [str(tmp_path / name) for name in ("t.json", "a.json", "b.json")]
    assert main(["compare", *paths, "--json", "-"]) == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert any(note.startswith("b has no score below 0.25, and a has 24 of 100") for note in notes)
