"""Results that fit the labels of a neighbouring frame better are told by their poses."""

import json

import numpy as np
import pytest
from tests.io.frame_simulation import Video, simulate

import smallpose
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.analysis.half_detected import has_doubt
from smallpose.io.neighbouring_frames import describe_better_neighbours

LABELLED = range(3, 60, 6)
NOTE = "fit the labels better than those of the same number"
QUESTION = "fit the labels a little better than those of the same number"


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


def read(folder, truth, jitter=2.0, found=range(60), speed=12.0, offset=0.0):
    rng = np.random.default_rng(1)
    places = rng.normal(0, offset, (60, 2, 1, 2))
    records = [
        {
            "file_name": f"drone/{number:06d}.jpg",
            "category_id": 1,
            "keypoints": np.dstack([pose[None], np.ones((1, 17))]).ravel().tolist(),
            "score": 0.5,
        }
        for number in found
        for pose in draw_poses(number, 0, speed)
        + rng.normal(0, jitter, (2, 17, 2))
        + places[number]
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


def test_slow_people_are_told_though_poses_err_by_as_much_as_they_move(tmp_path):
    """They walk by 4 px a frame, with an error of 1.5 px of each pose along x and y."""
    truth = make_truth(-1, jitter=1, speed=4)
    notes = read(tmp_path, truth, speed=4, offset=1.5).notes
    assert [note for note in notes if NOTE in note and "results of the frame before fit" in note]
    right = read(tmp_path, make_truth(jitter=1, speed=4), speed=4, offset=1.5)
    assert not [note for note in right.notes if NOTE in note]


def test_results_that_lag_are_named_as_a_cause_where_they_can_be_one(tmp_path):
    """A smoothed track shows in frame n + 1 where people were in frame n, never the reverse."""
    late, early = (read(tmp_path, make_truth(offset)).notes[-1] for offset in (1, -1))
    assert "unless the model lags, as smoothed tracks do" in late
    assert "lags" not in early


def count_notes(count, video, seed=1, note=NOTE):
    rng = np.random.default_rng(seed)
    total = 0
    for _ in range(count):
        truth, read_for = simulate(rng, video)
        total += note in (describe_better_neighbours(truth, read_for(truth), read_for) or "")
    return total


def test_where_poses_tell_less_the_note_asks_and_keeps_numbers_and_heights():
    shifted = Video(shift=-1, num_labelled=10, is_still=False)
    assert count_notes(60, shifted, note=QUESTION) >= 5
    assert count_notes(60, Video(), note=QUESTION) <= 1
    rng = np.random.default_rng(1)
    asked = ""
    while QUESTION not in asked:
        truth, read_for = simulate(rng, shifted)
        asked = describe_better_neighbours(truth, read_for(truth), read_for) or ""
    assert "do labels and results number frames alike (ffmpeg from 1, predict and" in asked
    assert not has_doubt([asked])


def write_frames(folder, is_video=True):
    frames = [
        {"file_name": f"drone/{number:06d}.jpg", "index": number}
        | ({"time": 0.1} if is_video else {})
        for number in range(60)
    ]
    (folder / "frames.json").write_text(json.dumps(frames))


def test_where_poses_tell_nothing_a_note_says_from_which_number_frames_are_counted(tmp_path):
    truth = make_truth(-1, jitter=3, speed=0)
    assert not [note for note in read(tmp_path, truth, speed=0).notes if "from 0" in note]
    write_frames(tmp_path)
    note = read(tmp_path, truth, speed=0).notes[-1]
    assert "labelled frames 3, 9, 15 and 7 more are taken as numbers from 0, as predict" in note
    assert "ffmpeg counts from 1" in note
    assert not has_doubt([note])
    # The poses of people who move tell more than that.
    notes = read(tmp_path, make_truth(-1)).notes
    assert [note for note in notes if NOTE in note]
    assert not [note for note in notes if "are taken as numbers" in note]
    # The names of frames that were files are those of the labels.
    write_frames(tmp_path, is_video=False)
    assert not [n for n in read(tmp_path, truth, speed=0).notes if "are taken as numbers" in n]


def test_labels_of_the_right_frames_are_not_doubted():
    assert count_notes(40, Video()) == 0
    assert count_notes(20, Video(shift=-1, num_labelled=40, is_still=False)) >= 5


@pytest.mark.long
def test_false_notes_are_rarer_than_one_in_a_thousand():
    assert count_notes(4000, Video()) <= 3
    assert count_notes(2000, Video(is_still=True)) <= 1
    assert count_notes(1000, Video(bias=0.01)) <= 1
