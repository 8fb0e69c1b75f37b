"""Frames that ffmpeg numbered from 1 are told from labels of frames from 0, and the reverse."""

import json

import numpy as np
import pytest

import smallpose
from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.analysis.half_detected import has_doubt

NUM_FRAMES = 12
NOTE = "seem to be numbered from"


def make_truth(numbers, folder="drone/"):
    names = [f"{folder}{number:06d}.jpg" for number in numbers]
    n = len(names)
    images = smallpose.make_images(range(101, 101 + n), names, [640] * n, [480] * n)
    points = np.random.default_rng(0).uniform(100, 160, (n, 17, 3))
    points[:, :, 2] = 2
    boxes = np.tile([100.0, 100, 60, 60], (n, 1))
    return smallpose.make_instances(COCO17, images, range(n), boxes, points)


def read_numbered(folder, truth, numbers, name="drone/{:06d}.jpg", key="file_name"):
    """Read results of frames of these numbers."""
    pose = truth.keypoints[0].ravel().tolist()
    records = [
        {key: name.format(number), "category_id": 1, "keypoints": pose, "score": 0.5}
        for number in numbers
    ]
    (folder / "r.json").write_text(json.dumps(records))
    return smallpose.read_results(folder / "r.json", truth, unknown_images="drop")


def get_note(predictions):
    notes = [note for note in predictions.notes if NOTE in note]
    assert len(notes) <= 1
    return notes[0] if notes else ""


@pytest.mark.parametrize(
    "name", ["drone/{:06d}.jpg", "{:06d}.jpg", "clips/drone/{:06d}.png", "{:06d}"]
)
@pytest.mark.parametrize("key", ["file_name", "image_id"])
def test_results_that_ffmpeg_numbered_are_told(tmp_path, name, key):
    predictions = read_numbered(
        tmp_path, make_truth(range(NUM_FRAMES)), range(1, NUM_FRAMES + 1), name, key
    )
    note = get_note(predictions)
    assert "frames of drone seem to be numbered from 0 in the labels and from 1 in the" in note
    assert "number both alike (ffmpeg -start_number 0, without fps=, which numbers anew)" in note
    assert has_doubt(predictions.notes)  # so that no height and no verdict is given


def test_labels_that_ffmpeg_numbered_are_told(tmp_path):
    truth = make_truth(range(1, NUM_FRAMES + 1))
    note = get_note(read_numbered(tmp_path, truth, range(NUM_FRAMES)))
    assert "numbered from 1 in the labels and from 0 in the results" in note


def test_labels_of_every_sixth_frame_are_told_by_the_first(tmp_path):
    truth = make_truth(range(0, 60, 6))
    assert "from 1 in the results" in get_note(read_numbered(tmp_path, truth, range(1, 61)))
    # A list beside the results knows that frame 0 was predicted, and nobody was detected in it.
    images = [{"file_name": f"drone/{number:06d}.jpg"} for number in range(60)]
    (tmp_path / "r.images.json").write_text(json.dumps({"images": images}))
    assert not get_note(read_numbered(tmp_path, truth, range(1, 61)))


@pytest.mark.parametrize(
    ("labelled", "with_results"),
    [
        (range(12), range(12)),
        (range(12), range(40)),
        (range(12), [0, *range(2, 13)]),
        (range(12), range(2, 14)),  # neither begins at 0 or 1
        (range(0, 60, 6), [1, 30, 60]),  # too few
        (range(0, 60, 6), [1, 7, 12, 18, 33, 60, 64]),  # gaps, so that frame 0 may be one
        # A tenth of the frames show nobody, and frame 0 may be one of them.
        (range(12), [number for number in range(1, 100) if number % 10]),
        (range(1, 13), range(40)),
        (range(5, 17), range(40)),
    ],
)
def test_other_numbers_are_no_sign(tmp_path, labelled, with_results):
    assert not get_note(read_numbered(tmp_path, make_truth(labelled), with_results))


def test_frames_of_another_video_are_no_sign(tmp_path):
    truth = make_truth(range(NUM_FRAMES))
    numbers = range(1, NUM_FRAMES + 1)
    records = [f"street/{number:06d}.jpg" for number in numbers]
    pose = truth.keypoints[0].ravel().tolist()
    kept = [{"file_name": "drone/000001.jpg", "category_id": 1, "keypoints": pose, "score": 0.5}]
    kept += [kept[0] | {"file_name": name} for name in records]
    (tmp_path / "r.json").write_text(json.dumps(kept))
    predictions = smallpose.read_results(tmp_path / "r.json", truth, unknown_images="drop")
    assert len(predictions) == 1 and not get_note(predictions)


def test_label_files_are_told_too(tmp_path):
    label = "0 0.5 0.5 0.2 0.4 " + "0.5 0.5 0.9 " * 17 + "0.8\n"
    (tmp_path / "labels").mkdir()
    for number in range(1, NUM_FRAMES + 1):
        (tmp_path / "labels" / f"{number:06d}.txt").write_text(label)
    truth = make_truth(range(NUM_FRAMES), folder="")
    predictions = smallpose.read_results(tmp_path / "labels", truth, unknown_images="drop")
    assert get_note(predictions).startswith("frames seem to be numbered from 0 in the labels")


def test_frames_between_those_that_were_predicted_are_named(tmp_path):
    """After `predict --every 12`, labels of frames 6, 18, … have no result."""
    truth = make_truth(range(6, 126, 12))
    with pytest.raises(InputError) as refusal:
        read_numbered(tmp_path, truth, range(0, 120, 12))
    assert "frames 6, 18, 30, … are labelled, and 0, 12, 24, … were predicted" in str(refusal.value)


def test_photographs_of_other_names_are_not_taken_for_frames(tmp_path):
    truth = make_truth([36, 49, 77, 730], folder="")
    with pytest.raises(InputError) as refusal:
        read_numbered(tmp_path, truth, [36, 49, 77, 730], "IMG_{:06d}.jpg")
    assert "file_name 'IMG_000730.jpg' in place of '000730.jpg' in the labels" in str(refusal.value)
    assert "ffmpeg" not in str(refusal.value)
    (tmp_path / "frames.json").write_text("[]")  # beside results of videos
    with pytest.raises(InputError, match="ffmpeg"):
        read_numbered(tmp_path, truth, [36, 49, 77, 730], "IMG_{:06d}.jpg")
