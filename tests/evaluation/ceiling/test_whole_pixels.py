"""Results in whole numbers are told what that costs, and curves carry the line of it."""

import json
from dataclasses import replace

import numpy as np
import pytest

import smallpose
from smallpose.cli.main import main
from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.evaluation.analysis.binned_ap import compute_binned_ap, measure_height
from smallpose.evaluation.ceiling.whole_pixels import (
    add_whole_number_note,
    compute_ceiling_bins,
    predict_whole_pixels,
)


@pytest.fixture(scope="module")
def scene():
    """200 people of 8 to 120 px, and predictions in whole pixels."""
    rng = np.random.default_rng(0)
    images = smallpose.make_images(range(1, 51), [f"{i}.jpg" for i in range(50)])
    height = rng.permutation(np.geomspace(8, 120, 200))
    wh = np.stack([height / 2, height], axis=1)
    corner = np.stack([np.arange(200) % 4 * 150.0, np.full(200, 10.0)], axis=1)
    xy = corner[:, None] + rng.random((200, 21, 2)) * wh[:, None]
    keypoints = np.concatenate([xy, np.full((200, 21, 1), 2.0)], axis=2)
    boxes = np.concatenate([corner, wh], axis=1)
    truth = smallpose.make_instances(
        SMALLPOSE, images, np.arange(200) // 4, boxes, keypoints, file_area=wh.prod(axis=1) * 0.6
    )
    points = keypoints.copy()
    points[:, :, :2] = np.round(points[:, :, :2] + rng.normal(0, 1, (200, 21, 2)))
    predictions = smallpose.make_predictions(
        SMALLPOSE, images.ids[truth.image_rows], points, rng.random(200), boxes
    )
    return truth, predictions


def test_the_note_says_what_rounding_leaves(scene):
    truth, predictions = scene
    result = smallpose.evaluate(truth, predictions)
    *_, note = add_whole_number_note(result, truth, predictions).notes
    best = smallpose.evaluate(truth, predict_whole_pixels(truth))["coco"]["AP"]
    assert note.startswith("all coordinates of the predictions are whole numbers")
    assert f"AP {best:.3f}" in note
    assert 0.8 < best < 0.95


def test_fractions_and_few_detections_get_no_note(scene):
    truth, predictions = scene
    result = smallpose.evaluate(truth, predictions)
    fractions = predictions.keypoints.copy()
    fractions[7, 3, 0] += 0.25
    for other in (replace(predictions, keypoints=fractions), predictions.take(slice(0, 19))):
        assert add_whole_number_note(result, truth, other) is result


def test_the_line_lies_in_the_same_bins_and_above_results_in_whole_pixels(scene):
    truth, predictions = scene
    height = measure_height(truth)
    bins = compute_binned_ap(truth, predictions, height)
    ceiling = compute_ceiling_bins(truth, predictions, height, num_resamples=50)
    assert [(b.low, b.high, b.people) for b in bins] == [(b.low, b.high, b.people) for b in ceiling]
    assert all(best.ap > one.ap for best, one in zip(ceiling, bins, strict=True))
    assert ceiling[0].ap < 0.7 < 0.999 < ceiling[-1].ap


def test_only_the_joints_of_the_predictions_count(scene):
    truth, _ = scene
    best = predict_whole_pixels(truth, COCO17)
    assert set(best.skeleton.joints) == set(COCO17.joints)
    sigmas = np.full(17, 0.05)
    by_position = predict_whole_pixels(truth, COCO17, sigmas=sigmas)
    assert not np.array_equal(by_position.scores, best.scores)


def test_evaluate_prints_the_note_and_draws_the_line(scene, tmp_path, capsys):
    truth, predictions = scene
    smallpose.write_coco(truth, tmp_path / "truth.json")
    smallpose.write_results(predictions, tmp_path / "results.json")
    words = ["evaluate", str(tmp_path / "truth.json"), str(tmp_path / "results.json")]
    assert main([*words, "--figures", str(tmp_path / "figures"), "--json", "-"]) == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert any("rounding alone leaves AP" in note for note in notes)
    assert (
        "perfect joints in whole pixels" in (tmp_path / "figures/ap_along_height.svg").read_text()
    )
