"""Results that fit the labels of a neighbouring frame better are told by their poses."""

import json

import numpy as np
import pytest

import smallpose
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.analysis.half_detected import has_doubt

LABELLED = range(3, 60, 6)
NOTE = "fit the labels better than those of the same number"


def draw_poses(number, jitter, speed):
    """Draw two people who walk to the right by so many px a frame, with an error of the joints."""
    shape = np.random.default_rng(7).uniform(0, 60, (2, 17, 2))
    error = np.random.default_rng(number).normal(0, jitter, (2, 17, 2))
    places = np.array([[[20.0, 100]], [[20.0, 300]]]) + np.array([speed * number, 0])
    return shape + places + error


def make_truth(offset=0, jitter=0.0, speed=12.0):
    names = [f"drone/{number:06d}.jpg" for number in LABELLED]
    images = smallpose.make_images(range(1, 1 + len(names)), names, [1280] * 10, [720] * 10)
    points = [draw_poses(number + offset, jitter, speed) for number in LABELLED]
    keypoints = np.dstack([np.concatenate(points), np.full((20, 17), 2.0)])
    low, high = keypoints[:, :, :2].min(1), keypoints[:, :, :2].max(1)
    rows = np.repeat(np.arange(10), 2)
    return smallpose.make_instances(COCO17, images, rows, np.hstack([low, high - low]), keypoints)


def read(folder, truth, jitter=2.0, found=range(60), speed=12.0):
    rng = np.random.default_rng(1)
    records = [
        {
            "file_name": f"drone/{number:06d}.jpg",
            "category_id": 1,
            "keypoints": np.dstack([pose[None], np.ones((1, 17))]).ravel().tolist(),
            "score": 0.5,
        }
        for number in found
        for pose in draw_poses(number, 0, speed) + rng.normal(0, jitter, (2, 17, 2))
    ]
    (folder / "r.json").write_text(json.dumps(records))
    return smallpose.read_results(folder / "r.json", truth, unknown_images="drop")


@pytest.mark.parametrize("offset, neighbour", [(-1, "frame before"), (1, "next frame")])
def test_labels_of_some_frames_that_are_numbered_otherwise_are_told(tmp_path, offset, neighbour):
    notes = read(tmp_path, make_truth(offset)).notes
    assert [note for note in notes if NOTE in note and f"results of the {neighbour} fit" in note]
    assert has_doubt(notes)  # so that no height and no verdict is given


@pytest.mark.parametrize("jitter", [0.5, 5, 20])
def test_poor_results_of_the_right_frames_are_no_other_numbering(tmp_path, jitter):
    predictions = read(tmp_path, make_truth(jitter=4), jitter)
    assert "left out" in predictions.notes[0]
    assert not [note for note in predictions.notes if NOTE in note]


def test_people_who_stand_still_tell_nothing(tmp_path):
    predictions = read(tmp_path, make_truth(-1, jitter=3, speed=0), speed=0)
    assert "left out" in predictions.notes[0]
    assert not [note for note in predictions.notes if NOTE in note]


def test_frames_that_were_not_predicted_are_no_other_numbering(tmp_path):
    """Every second frame was predicted, of people who stand still: half of the labels have none."""
    labelled = [number for number in LABELLED if number % 6]
    others = [number + 1 for number in LABELLED]
    predictions = read(tmp_path, make_truth(speed=0), found=[*others, labelled[0]], speed=0)
    assert "left out" in predictions.notes[0]
    assert not [note for note in predictions.notes if NOTE in note]


def test_results_of_the_labelled_frames_alone_are_read_once(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "smallpose.io.neighbouring_frames", None)
    assert read(tmp_path, make_truth(), found=LABELLED).notes == ()
