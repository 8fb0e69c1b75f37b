"""Frames of one video are no independent images: they are grouped, or a note says so."""

import json
from dataclasses import replace

import numpy as np
import pytest

import smallpose
from smallpose.cli.main import main
from smallpose.core.skeleton import COCO17
from smallpose.io.frame_groups import (
    describe_possible_frames,
    find_possible_videos,
    group_listed_frames,
    group_possible_frames,
    select_group_notes,
)


def make_truth(names, groups=(), width=None):
    groups = groups or [""] * len(names)
    images = smallpose.make_images(range(1, len(names) + 1), names, width=width, groups=groups)
    n = 4 * len(names)
    rng = np.random.default_rng(0)
    height = rng.uniform(20, 200, n)
    boxes = np.stack([np.tile([0.0, 200, 400, 600], n // 4), np.zeros(n), height, height], axis=1)
    points = np.full((n, 17, 3), 2.0)
    points[:, :, :2] = boxes[:, None, :2] + rng.uniform(0, 1, (n, 17, 2)) * height[:, None, None]
    return smallpose.make_instances(COCO17, images, np.repeat(range(len(names)), 4), boxes, points)


def name_frames(numbers, folder="drone"):
    return [f"{folder}/{number:06d}.jpg" for number in numbers]


@pytest.fixture
def files(tmp_path):
    """Labels of every sixth frame of a video, and results in all of them."""
    truth = make_truth(name_frames(range(0, 120, 6)))
    smallpose.write_coco(truth, tmp_path / "labels.json")
    points = truth.keypoints + np.random.default_rng(1).normal(0, 2, truth.keypoints.shape)
    ids = truth.images.ids[truth.image_rows]
    scores = np.random.default_rng(2).uniform(0, 1, len(truth))
    predictions = smallpose.make_predictions(COCO17, ids, points, scores, truth.boxes_xywh)
    (tmp_path / "clip").mkdir()
    smallpose.write_results(predictions, tmp_path / "clip" / "found.json")
    results = json.loads((tmp_path / "clip" / "found.json").read_text())
    results = [one | {"track_id": row % 4} for row, one in enumerate(results)]
    (tmp_path / "clip" / "found.json").write_text(json.dumps(results))
    return tmp_path


def run(files, *words):
    paths = [str(files / "labels.json"), str(files / "clip" / "found.json")]
    assert main(["evaluate", *paths, "--json", str(files / "o.json"), *map(str, words)]) == 0
    return json.loads((files / "o.json").read_text())


# The first of train2017, closer to each other than labelled frames of a video.
COCO_NUMBERS = (9, 25, 30, 34, 36, 42, 49, 61, 64, 71, 72, 73, 74, 77, 78, 81, 86, 89, 92, 94)
COCO_PHOTOS = [f"photos/{number:012d}.jpg" for number in COCO_NUMBERS]


def test_a_note_says_that_numbered_images_may_be_frames(files):
    content = run(files, "--intervals", 50)
    (note,) = [note for note in content["notes"] if "numbered as frames" in note]
    assert note.startswith("20 of 20 images") and "(drone)" in note
    assert content["intervals"]["coco"]["AP"] is not None


def test_with_video_intervals_resample_videos_and_one_video_has_none(files):
    content = run(files, "--intervals", 50, "--video")
    assert content["intervals"]["coco"]["AP"] is None
    assert any("resample 1 video instead of 20 images" in note for note in content["notes"])
    assert not any("numbered as frames" in note for note in content["notes"])
    half = content["half_detected_px"]
    assert half["low"] is half["high"] is None and "in 1 group or video" in half["sentence"]
    assert "--breakdown height" in half["sentence"]


def test_a_breakdown_that_was_asked_for_is_not_hinted_at(files, capsys):
    half = run(files, "--video", "--breakdown", "height")["half_detected_px"]
    assert "in 1 group or video" in half["sentence"] and "--breakdown" not in half["sentence"]
    assert "--breakdown" not in capsys.readouterr().out


def test_the_list_of_frames_beside_results_groups_them_without_video(files):
    frames = [
        {"image_id": i, "index": i, "time": 0.0, "video": "drone.mp4", "file_name": name}
        for i, name in enumerate(name_frames(range(0, 120, 5)))
    ]
    (files / "clip" / "frames.json").write_text(json.dumps(frames))
    content = run(files, "--intervals", 50)
    assert content["intervals"]["coco"]["AP"] is None
    assert any("by frames.json beside the results" in note for note in content["notes"])


def test_groups_of_the_file_stay_and_broken_lists_say_nothing(tmp_path):
    truth = make_truth(name_frames(range(12)), groups=["a", "b"] * 6)
    (tmp_path / "frames.json").write_text(
        json.dumps([{"video": "x.mp4", "file_name": "drone/000001.jpg"}])
    )
    assert group_listed_frames(truth, [tmp_path / "found.json"]) is truth
    plain = make_truth(name_frames(range(12)))
    grouped = group_listed_frames(plain, [tmp_path / "found.json"])
    assert set(grouped.images.groups) == {"x.mp4"}
    for content in ("", "{}", "[1]"):
        (tmp_path / "frames.json").write_text(content)
        assert not any(group_listed_frames(plain, [tmp_path / "found.json"]).images.groups)


def group_by_lists(tmp_path, names, *lists):
    """Group images by the frames.json of several results: (video, names of frames) for each."""
    for index, videos in enumerate(lists):
        (tmp_path / f"{index}").mkdir()
        frames = [{"video": video, "file_name": name} for video, some in videos for name in some]
        (tmp_path / f"{index}" / "frames.json").write_text(json.dumps(frames))
    paths = [tmp_path / f"{index}" / "found.json" for index in range(len(lists))]
    return group_listed_frames(make_truth(names), paths)


CLIPS = [name_frames(range(12), f"clip{clip}") for clip in range(3)]


@pytest.mark.parametrize("other", [slice(0, 8), slice(0, 12, 4)])
def test_one_video_that_results_name_by_different_paths_is_one(tmp_path, other):
    first = [(f"clip{n}.mp4", names) for n, names in enumerate(CLIPS)]
    second = [(f"../clips/clip{n}.mp4", names[other]) for n, names in enumerate(CLIPS)]
    grouped = group_by_lists(tmp_path, [name for names in CLIPS for name in names], first, second)
    assert grouped.images.groups == tuple(f"clip{n}.mp4" for n in range(3) for _ in range(12))
    (note,) = select_group_notes(grouped.notes)
    assert note.startswith("intervals resample 3 videos instead of 36 images")


def test_results_of_different_frames_of_a_video_name_one_video(tmp_path):
    names = CLIPS[0]
    lists = [("clip0.mp4", names[::2])], [("../a/clip0.mp4", names[1::2])]
    assert set(group_by_lists(tmp_path, names, *lists).images.groups) == {"clip0.mp4"}


def test_a_video_that_one_result_holds_together_unites_parts_of_another(tmp_path):
    names = name_frames(range(12), "drone")
    parts = [("part1.mp4", names[:6]), ("part2.mp4", names[6:])]
    grouped = group_by_lists(tmp_path, names, [("drone.mp4", names)], parts)
    assert len(set(grouped.images.groups)) == 1


@pytest.mark.parametrize("is_one_run", [False, True])
def test_different_videos_of_equal_file_names_stay_two(tmp_path, is_one_run):
    """Two runs in two folders give both videos the same name; one run names them by folders."""
    a, b = (name_frames(range(12), f"{folder}/clip") for folder in "ab")
    if is_one_run:
        lists = ([("a/clip.mp4", a), ("b/clip.mp4", b)],)
    else:
        lists = [("clip.mp4", a)], [("clip.mp4", b)]
    groups = group_by_lists(tmp_path, a + b, *lists).images.groups
    assert len(set(groups[:12])) == len(set(groups[12:])) == 1 and groups[0] != groups[12]


@pytest.mark.parametrize(
    ("names", "is_noted"),
    [
        (name_frames(range(0, 60, 6)), True),
        ([f"clips/a_{number}.png" for number in range(10)], True),
        (name_frames(range(9)), False),  # too few
        ([f"{number:06d}.jpg" for number in range(30)], False),  # in no folder, as photographs
        ([f"frame_{number:04d}.png" for number in range(0, 60, 6)], True),  # in even steps
        ([f"{number:04d}.png" for number in [*range(0, 60, 6), 57]], False),
        (name_frames([139, 285, 632, 724, 776, 785, 802, 872, 885, 1000, 9000], "val2017"), False),
        (COCO_PHOTOS, False),
        ([f"clip/{number:012d}.jpg" for number in [*range(0, 60, 6), 61]], True),
        (name_frames(range(10)) + [f"p/{chr(97 + i)}.jpg" for i in range(12)], False),  # a part
    ],
)
def test_numbers_as_close_as_those_of_frames_are_told_from_ids(names, is_noted):
    assert bool(describe_possible_frames(make_truth(names).images)) == is_noted
    groups = ["video"] * len(names)
    assert not describe_possible_frames(make_truth(names, groups).images)


def test_resolution_takes_such_images_for_frames_unless_they_are_independent():
    truth = make_truth(name_frames(range(0, 120, 6)))
    grouped = group_possible_frames(truth, "independent photographs: add --independent")
    assert set(grouped.images.groups) == {"drone/"}
    (note,) = select_group_notes(grouped.notes)
    assert note == (
        "intervals resample 1 video instead of 20 images: they are numbered as frames are "
        "(drone/000000.jpg, …; independent photographs: add --independent)"
    )
    photos = make_truth(COCO_PHOTOS)
    assert group_possible_frames(photos, "") is photos


def make_walk(order, step_px):
    """Three people who walk `step_px` a frame; image n of the file is frame order[n]."""
    truth = make_truth([f"frame_{n:04d}.jpg" for n in range(len(order))])
    rows = np.flatnonzero(np.arange(len(truth)) % 4 < 3)
    boxes = truth.boxes_xywh[rows].copy()
    frames = np.asarray(order)[truth.image_rows[rows]]
    boxes[:, 0] = 150 * (rows % 4) + step_px * frames
    boxes[:, 2:] = 60, 100
    points = np.full((len(rows), 17, 3), 2.0)
    points[:, :, :2] = boxes[:, None, :2] + boxes[:, None, 2:] / 2
    return smallpose.make_instances(COCO17, truth.images, truth.image_rows[rows], boxes, points)


@pytest.mark.parametrize("step_px", [0, 5, 20])
def test_frames_in_no_folder_are_told_from_photographs_by_their_people(step_px):
    """Numbers 1, 2, 3, … in no folder are also those of photographs; only labels tell."""
    frames = make_walk(range(20), step_px)
    (note,) = describe_possible_frames(frames.images, truth=frames)
    assert "20 of 20 images are numbered as frames of videos are (frame_0000.jpg)" in note
    assert len(set(group_possible_frames(frames, "").images.groups)) == 1
    assert not describe_possible_frames(frames.images)
    photos = make_truth([f"frame_{n:04d}.jpg" for n in range(20)])
    moved = replace(photos, boxes_xywh=photos.boxes_xywh + random_places(len(photos)))
    assert not describe_possible_frames(moved.images, truth=moved)


def random_places(n):
    places = np.random.default_rng(5).uniform(0, 800, (n, 2))
    return np.hstack([places, np.zeros((n, 2))])


def test_people_who_move_in_a_random_order_are_not_of_one_video():
    rng = np.random.default_rng(3)
    shuffled = [make_walk(rng.permutation(20), 20) for _ in range(40)]
    noted = [bool(describe_possible_frames(one.images, truth=one)) for one in shuffled]
    assert sum(noted) <= 3  # 1 % of them by chance


@pytest.mark.parametrize(
    "names", [name_frames(range(0, 60, 6)), [f"frame_{n:04d}.png" for n in range(0, 60, 6)]]
)
def test_photographs_of_different_sizes_are_no_frames_of_a_video(names):
    width = [640] * 9 + [480]
    assert not describe_possible_frames(make_truth(names, width=width).images)
    assert any(find_possible_videos(make_truth(names, width=[640] * 10).images))


def test_possible_frames_without_a_folder_are_named_by_one_of_them():
    (note,) = describe_possible_frames(make_truth([f"{6 * i:06d}.png" for i in range(20)]).images)
    assert "are numbered as frames of videos are (000000.png): if they are" in note
