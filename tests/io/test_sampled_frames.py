"""Labels of frames that were saved at a rate and numbered anew are told by the poses."""

import json

import numpy as np
import pytest
from tests.io.frame_simulation import Video, simulate
from tests.io.test_neighbouring_frames import draw_poses

import smallpose
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.analysis.half_detected import has_doubt
from smallpose.io.frame_numbering import is_first_frames_note
from smallpose.io.sampled_frames import check_first_frames

TOTAL = 200
SAVED = "seem to have been saved at a rate"


def make_truth(frames, names, speed=3.0):
    """Make labels of these frames of the video under the given names."""
    n = len(names)
    images = smallpose.make_images(range(1, 1 + n), names, [1280] * n, [720] * n)
    points = [draw_poses(frame, 1, speed) for frame in frames]
    keypoints = np.dstack([np.concatenate(points), np.full((2 * n, 17), 2.0)])
    low, high = keypoints[:, :, :2].min(1), keypoints[:, :, :2].max(1)
    rows = np.repeat(np.arange(n), 2)
    return smallpose.make_instances(COCO17, images, rows, np.hstack([low, high - low]), keypoints)


def name_frames(numbers):
    return [f"drone/{number:06d}.jpg" for number in numbers]


def read(folder, truth, speed=3.0, frames=range(TOTAL), has_list=False):
    records = [
        {
            "file_name": name,
            "category_id": 1,
            "keypoints": np.dstack([pose[None], np.ones((1, 17))]).ravel().tolist(),
            "score": 0.5,
        }
        for frame, name in zip(frames, name_frames(frames), strict=True)
        for pose in draw_poses(frame, 1, speed) + 2
    ]
    (folder / "r.json").write_text(json.dumps(records))
    if has_list:
        images = [{"file_name": name} for name in name_frames(range(TOTAL))]
        (folder / "r.images.json").write_text(json.dumps({"images": images}))
    return smallpose.read_results(folder / "r.json", truth, unknown_images="drop")


def get_notes(predictions):
    return [one for one in predictions.notes if SAVED in one or is_first_frames_note(one)]


@pytest.mark.parametrize("has_list", [False, True])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(("begin", "example"), [(0, 25), (12, 37)])  # ffmpeg takes the middle
def test_frames_saved_each_second_are_told(tmp_path, begin, example, first, has_list):
    truth = make_truth(range(begin, TOTAL, 25), name_frames(range(first, first + 8)))
    predictions = read(tmp_path, truth, has_list=has_list)
    (note,) = get_notes(predictions)
    assert f"(drone/{first + 1:06d}.jpg as drone/{example:06d}.jpg, or near it)" in note
    assert "equal distances, 8 of 200, fit the labels better" in note
    assert has_doubt(predictions.notes)  # so that no height and no verdict is given


def test_a_rate_that_does_not_divide_the_video_is_told(tmp_path):
    """24 frames a second: 200 frames are 8 saved ones, and 8 more."""
    truth = make_truth(range(0, 192, 24), name_frames(range(8)))
    assert "000001.jpg as drone/000024.jpg" in get_notes(read(tmp_path, truth))[0]


@pytest.mark.parametrize("first", [0, 1])
def test_labels_of_the_first_frames_have_no_note(tmp_path, first):
    numbers = range(first, first + 20)
    predictions = read(tmp_path, make_truth(numbers, name_frames(numbers)))
    assert "left out" in predictions.notes[0]
    assert not get_notes(predictions)


def test_people_who_stand_still_have_the_note_on_what_may_be(tmp_path):
    truth = make_truth(range(0, TOTAL, 25), name_frames(range(8)), speed=0)
    predictions = read(tmp_path, truth, speed=0)
    (note,) = get_notes(predictions)
    assert note.startswith("8 labelled frames are called as the first 8 of 200, as frames")
    assert not has_doubt(predictions.notes)


@pytest.mark.parametrize(
    "numbers", [range(2, 10), range(0, 16, 2), range(2), [*range(5), 7], range(70)]
)
def test_other_numbers_are_no_sign_of_a_rate(tmp_path, numbers):
    """They begin elsewhere, have gaps, are too few, or a third of all frames and more."""
    truth = make_truth(numbers, name_frames(numbers), speed=0)
    assert not get_notes(read(tmp_path, truth, speed=0))


def test_results_of_some_images_have_no_note_unless_they_are_of_a_video(tmp_path):
    truth = make_truth(range(8), name_frames(range(8)), speed=0)
    frames = range(0, TOTAL, 2)
    assert not get_notes(read(tmp_path, truth, speed=0, frames=frames))
    (tmp_path / "frames.json").write_text("[]")
    assert get_notes(read(tmp_path, truth, speed=0, frames=frames))


def test_frames_of_one_of_several_videos_are_named(tmp_path):
    names = [*name_frames(range(8)), "street/7.jpg", "cover.jpg"]
    predictions = read(tmp_path, make_truth([*range(0, TOTAL, 25), 0, 0], names))
    (note,) = get_notes(predictions)
    assert note.startswith("the results of frames of drone at equal distances, 8 of 200, fit the")
    still = read(tmp_path, make_truth([*range(0, TOTAL, 25), 0, 0], names, speed=0), speed=0)
    assert get_notes(still)[0].startswith("8 labelled frames of drone are called as the first 8")


EACH_SECOND, FIRST = range(0, TOTAL, 25), range(8)


@pytest.mark.parametrize(
    ("drone", "street", "told"),
    [
        (EACH_SECOND, EACH_SECOND, ["drone", "street"]),
        (FIRST, EACH_SECOND, ["street"]),
        (EACH_SECOND, FIRST, ["drone"]),
        (FIRST, FIRST, []),
    ],
)
def test_each_of_several_videos_is_told_by_its_poses(tmp_path, drone, street, told):
    folders = ("drone", "street")
    names = [f"{folder}/{number:06d}.jpg" for folder in folders for number in range(8)]
    truth = make_truth([*drone, *street], names)
    records = [
        {
            "file_name": f"{folder}/{frame:06d}.jpg",
            "category_id": 1,
            "keypoints": np.dstack([pose[None], np.ones((1, 17))]).ravel().tolist(),
            "score": 0.5,
        }
        for folder in folders
        for frame in range(TOTAL)
        for pose in draw_poses(frame, 1, 3.0) + 2
    ]
    (tmp_path / "r.json").write_text(json.dumps(records))
    predictions = smallpose.read_results(tmp_path / "r.json", truth, unknown_images="drop")
    starts = [f"the results of frames of {folder} at equal distances" for folder in told]
    notes = get_notes(predictions)
    assert len(notes) == len(starts)
    assert all(note.startswith(start) for note, start in zip(notes, starts, strict=True))
    assert has_doubt(predictions.notes) == bool(told)


def count_notes(count, video, seed=1):
    """Return how many of so many videos are said to have been saved at a rate."""
    rng = np.random.default_rng(seed)
    total = 0
    for _ in range(count):
        truth, read_for = simulate(rng, video)
        names = name_frames(range(20 * len(truth.images)))
        checked = check_first_frames(truth, read_for(truth), names, read_for)
        total += any(SAVED in note for note in checked.notes)
    return total


def test_first_frames_of_simulated_videos_are_not_doubted():
    assert count_notes(30, Video(saved_every=1)) == 0
    assert count_notes(10, Video(saved_every=20, num_labelled=12, is_still=False)) >= 7


@pytest.mark.long
def test_false_notes_on_a_rate_are_rarer_than_one_in_a_thousand():
    assert count_notes(2000, Video(saved_every=1)) <= 2
    assert count_notes(1000, Video(saved_every=1, is_still=True)) <= 1
