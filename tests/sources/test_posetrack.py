"""PoseTrack18's and 21's files (paper, D5)."""

import numpy as np
import pytest

from smallpose.core.boxes import BOX_RULES
from smallpose.core.errors import RefusedError
from smallpose.core.skeleton import POSETRACK17
from smallpose.sources.posetrack import read_posetrack

VIDEO = "003418_mpii_test"
VAL = f"annotations/val/{VIDEO}.json"
TRAIN = "annotations/train/000001_bonn_train.json"
FRAME = 10034180000
POINTS = [10, 20, 1, 30, 60, 1] + [0] * 45


def image(one=FRAME, number=0, **more):
    name = f"images/val/{VIDEO}/{number:06d}.jpg"
    return {"id": one, "frame_id": one, "file_name": name, "is_labeled": True} | more


def person(one=100 * FRAME, image_id=FRAME, **more):
    record = {"id": one, "image_id": image_id, "bbox": [1.5, 2.5, 30, 40], "track_id": 0}
    return record | {"keypoints": POINTS, "scores": [], "category_id": 1} | more


def video(images, annotations=(), joints=POSETRACK17.joints):
    category = {"id": 1, "name": "person", "keypoints": list(joints)}
    return {"images": images, "annotations": list(annotations), "categories": [category]}


def test_a_person_is_read_with_the_files_own_box(tmp_path, write_json):
    write_json(tmp_path / VAL, video([image(width=640, height=480)], [person()]))
    source = read_posetrack(tmp_path)
    people = source.people
    assert people.boxes_xywh.tolist() == [[1.5, 2.5, 30, 40]]
    assert people.keypoints[0, :2].tolist() == [[10, 20, 2], [30, 60, 2]]
    assert BOX_RULES[people.box_rule[0]] == "extent130"
    assert (people.images.width[0], people.images.height[0]) == (640, 480)
    assert source.splits == ("test",)
    assert source.missing == ("annotations/train/*.json",)
    assert people.images.file_names == (f"posetrack/images/val/{VIDEO}/000000.jpg",)
    assert source.image_files[0].path == tmp_path / f"images/val/{VIDEO}/000000.jpg"
    assert people.images.groups == ("003418_mpii",)


def test_left_comes_before_right_and_the_ears_stay_unlabelled(tmp_path, write_json):
    points = [0] * 51
    points[15:18] = [7, 8, 1]
    write_json(tmp_path / VAL, video([image()], [person(keypoints=points)]))
    keypoints = read_posetrack(tmp_path).people.keypoints[0]
    assert keypoints[POSETRACK17.joints.index("left_shoulder")].tolist() == [7, 8, 2]
    assert np.count_nonzero(keypoints[:, 2]) == 1
    assert POSETRACK17.joints[3:5] == ("left_ear", "right_ear")


@pytest.mark.parametrize("bbox", [None, []])
def test_a_box_that_is_absent_is_the_extent_times_one_point_three(tmp_path, write_json, bbox):
    write_json(tmp_path / VAL, video([image()], [person(bbox=bbox)]))
    assert np.allclose(read_posetrack(tmp_path).people.boxes_xywh, [[7, 14, 26, 52]])


def test_people_without_keypoints_stay_to_be_ignored(tmp_path, write_json):
    people = [
        person(1, keypoints=[0] * 51),
        person(2, keypoints=[], bbox=None, bbox_head=[1, 2, 3, 4]),
        person(3, keypoints=[0] * 51, bbox=None),
    ]
    write_json(tmp_path / VAL, video([image()], people))
    table = read_posetrack(tmp_path).people
    assert table.boxes_xywh.tolist() == [[1.5, 2.5, 30, 40], [1, 2, 3, 4]]
    assert not table.is_counted.any()
    assert "1 person without box and keypoints left out" in table.notes[0]


def test_only_labelled_frames_are_read(tmp_path, write_json):
    frames = [image(1), image(2, 1, is_labeled=False), image(3, 2), image(4, 3)]
    del frames[2]["is_labeled"], frames[3]["is_labeled"]
    write_json(tmp_path / VAL, video(frames, [person(10, 2), person(11, 3)]))
    people = read_posetrack(tmp_path).people
    assert people.images.source_ids == ("1", "3")
    assert people.image_rows.tolist() == [1]
    assert "2 frames that are not labelled left out" in people.notes[0]
    assert "1 person in frames marked as not labelled left out" in people.notes[1]


@pytest.mark.parametrize(
    ("x", "y"), [([[4, 9], [1, 2]], [[5, 7], [3, 8]]), ([[4, 9], [], [1, 2]], [[5, 7], [], [3, 8]])]
)
def test_ignore_regions_become_boxes_of_crowds(tmp_path, write_json, x, y):
    write_json(tmp_path / VAL, video([image(ignore_regions_x=x, ignore_regions_y=y)], [person()]))
    people = read_posetrack(tmp_path).people
    assert people.iscrowd.tolist() == [True, True, False]
    assert people.boxes_xywh[:2].tolist() == [[4, 5, 5, 2], [1, 3, 1, 5]]
    assert people.is_counted.tolist() == [False, False, True]


def test_a_crowd_of_a_converted_file_stays_a_crowd(tmp_path, write_json):
    write_json(tmp_path / VAL, video([image()], [person(iscrowd=1)]))
    people = read_posetrack(tmp_path).people
    assert people.iscrowd.tolist() == [True]
    assert people.boxes_xywh.tolist() == [[1.5, 2.5, 30, 40]]


def test_a_single_region_may_lack_the_outer_list(tmp_path, write_json):
    frame = image(ignore_regions_x=[4, 9, 6], ignore_regions_y=[5, 7, 1])
    write_json(tmp_path / VAL, video([frame]))
    assert read_posetrack(tmp_path).people.boxes_xywh.tolist() == [[4, 1, 5, 6]]


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [([[1, 2]], [[1]], "differ in length"), ([[1, 2], 3], [[1, 2]], "mix polygons and numbers")],
)
def test_a_broken_region_names_its_image(tmp_path, write_json, refuses, x, y, words):
    write_json(tmp_path / VAL, video([image(ignore_regions_x=x, ignore_regions_y=y)]))
    refuses(read_posetrack, tmp_path, f"image {FRAME}", words)


def test_ids_beyond_32_bits_survive(tmp_path, write_json):
    write_json(tmp_path / VAL, video([image(2**62)], [person(2**62 + 1, 2**62)]))
    assert read_posetrack(tmp_path).people.images.source_ids == (str(2**62),)


@pytest.mark.parametrize(
    "layout", ["annotations/", "posetrack_data/annotations/", "posetrack_data/"]
)
def test_the_layouts_of_18_and_21_are_read_gzipped_and_from_above(tmp_path, write_json, layout):
    write_json(tmp_path / f"pt/{layout}val/{VIDEO}.json.gz", video([image()], [person()]))
    write_json(tmp_path / f"pt/{layout}train/b.json", video([image(5, 9)]))
    source = read_posetrack(tmp_path)
    assert source.root == tmp_path / "pt"
    assert source.splits == ("train", "test")
    assert source.missing == ()


def test_images_may_lie_beside_the_annotations_in_posetrack_data(tmp_path, write_json):
    write_json(tmp_path / "posetrack_data" / VAL, video([image()]))
    (tmp_path / "posetrack_data/images").mkdir()
    picture = read_posetrack(tmp_path).image_files[0]
    assert picture.path == tmp_path / f"posetrack_data/images/val/{VIDEO}/000000.jpg"


def test_repeats_are_merged_and_counted(tmp_path, write_json):
    write_json(tmp_path / VAL, video([image(), image()], [person(), person(), person()]))
    people = read_posetrack(tmp_path).people
    assert (len(people.images), len(people)) == (1, 1)
    assert set(people.notes) == {
        "1 repeated image merged",
        "2 repeated annotations merged",
    }


def test_track_100_may_carry_the_next_frames_number(tmp_path, write_json):
    """PoseTrack's ids are image × 100 + track."""
    frames = [image(FRAME), image(FRAME + 1, 1)]
    people = [
        person(100 * FRAME + 100, FRAME, track_id=100),
        person(100 * FRAME + 100, FRAME + 1, track_id=0),
    ]
    write_json(tmp_path / VAL, video(frames, people))
    assert len(read_posetrack(tmp_path).people) == 2


@pytest.mark.parametrize(
    ("images", "annotations", "words"),
    [
        ([image()], [person(7), person(7, bbox=[0, 0, 1, 1])], ["[0] and [1]", "both have id 7"]),
        ([image(), image(number=3)], [], ["images[0] and [1]", f"both have id {FRAME}"]),
        ([image(), image(5)], [], ["image 5", "is listed in"]),
        ([image()], [person(7, 99)], ["annotation 7", "image 99 is not in the list"]),
        ([image()], [person(7, keypoints=[0] * 45)], ["annotation 7", "45 keypoint values"]),
        ([image()], [person(7, keypoints=[1] * 5, bbox=None)], ["annotation 7", "5 keypoint"]),
        ([image()], [person(7, keypoints=[1, 1, 3] * 17)], ["annotation 7", "visibility 3"]),
        ([image()], [person(7, bbox=[1, 2])], ["annotation 7", "bbox has 2 values"]),
        ([image()], [person("7")], ["Expected int, got str", "annotations[0].id"]),
        ([image("1")], [], ["Expected int, got str", "images[0].id"]),
    ],
)
def test_a_broken_record_is_named(tmp_path, write_json, refuses, images, annotations, words):
    path = write_json(tmp_path / VAL, video(images, annotations))
    refuses(read_posetrack, tmp_path, str(path), *words)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("30, 40]", "NaN, 40]", f"(id {100 * FRAME}).bbox[2]: nan is not a number"),
        ("30, 40]", "1e400, 40]", "inf is not a number"),
        ('"bbox": ', '"bbox": [1, 2, 3, 4], "bbox": ', "'bbox' occurs twice"),
        ("}]}", "", "broken JSON at byte"),
    ],
)
def test_text_that_is_no_sound_json_is_refused(tmp_path, write_json, refuses, old, new, words):
    path = write_json(tmp_path / VAL, video([image()], [person()]))
    path.write_text(path.read_text().replace(old, new))
    refuses(read_posetrack, tmp_path, str(path), words)


def test_posetrack17s_joints_are_refused(tmp_path, write_json, refuses):
    write_json(tmp_path / VAL, video([image()], joints=POSETRACK17.joints[:15]))
    refuses(read_posetrack, tmp_path, VAL, "15 keypoints are not PoseTrack18's 17")


@pytest.mark.parametrize(
    "name", ["../x.jpg", "/etc/passwd", "images/val/../../../x", "images//etc/x", "images/", "a\\b"]
)
def test_a_file_name_that_leads_out_is_refused(tmp_path, write_json, refuses, name):
    write_json(tmp_path / VAL, video([image(file_name=name)]))
    refuses(read_posetrack, tmp_path, f"image {FRAME}", "data root", kind=RefusedError)


def test_mmposes_two_official_videos_hold_1_and_11_people(real):
    source = read_posetrack(real / "posetrack/posetrack18")
    people = source.people
    assert source.splits == ("test", "test")
    assert people.images.groups == ("003418_mpii", "012834_mpii")
    assert np.bincount(people.image_rows[people.is_counted]).tolist() == [1, 11]
    assert all(p.path.is_file() for p in source.image_files)
    ears = POSETRACK17.joint_indices(["left_ear", "right_ear"])
    assert not people.keypoints[:, ears].any()


def test_official_boxes_are_the_extent_times_one_point_three(real, tmp_path, write_json):
    """The rule that fills in for absent boxes is the file's own."""
    import json

    folder = "posetrack_data/annotations/val"
    theirs = read_posetrack(real / "posetrack/posetrack18").people
    for path in (real / "posetrack/posetrack18" / folder).iterdir():
        content = json.loads(path.read_text())
        for annotation in content["annotations"]:
            del annotation["bbox"]
        write_json(tmp_path / folder / path.name, content)
    ours = read_posetrack(tmp_path).people
    counted = theirs.is_counted
    assert np.allclose(ours.boxes_xywh[counted], theirs.boxes_xywh[counted], atol=1e-3)


def test_four_tracks_of_ten_frames_are_forty_people(real):
    people = read_posetrack(real / "posetrack/derived_posetrack18_layout").people
    assert np.bincount(people.image_rows).tolist() == [4] * 10
    assert set(people.images.groups) == {"060470979_bonn"}
