"""AI Challenger's files (paper, D3)."""

import json

import numpy as np
import pytest

from smallpose.core.boxes import BOX_RULES
from smallpose.core.errors import RefusedError
from smallpose.core.skeleton import AIC14
from smallpose.sources.aic import read_aic

TRAIN = "keypoint_train_20170909/keypoint_train_annotations_20170909.json"
VAL = "keypoint_validation_20170911/keypoint_validation_annotations_20170911.json"
POINTS = [5, 6, 1, 7, 8, 2] + [0, 0, 3] * 12


def entry(name="a" * 40, people=None, boxes=None):
    people = {"human1": POINTS} if people is None else people
    boxes = {key: [10, 20, 110, 220] for key in people} if boxes is None else boxes
    record = {"url": "http://example.org", "image_id": name}
    return record | {"keypoint_annotations": people, "human_annotations": boxes}


def test_corners_become_width_and_height_and_codes_become_cocos(tmp_path, write_json):
    write_json(tmp_path / VAL, [entry()])
    source = read_aic(tmp_path)
    people = source.people
    assert people.boxes_xywh.tolist() == [[10, 20, 100, 200]]
    assert people.keypoints[0, :3].tolist() == [[5, 6, 2], [7, 8, 1], [0, 0, 0]]
    assert people.num_keypoints.tolist() == [2]
    assert BOX_RULES[people.box_rule[0]] == "drawn"
    assert people.images.source_ids == ("a" * 40,)


def test_the_right_shoulder_comes_first(tmp_path, write_json):
    write_json(tmp_path / VAL, [entry()])
    keypoints = read_aic(tmp_path).people.keypoints[0]
    assert keypoints[AIC14.joints.index("right_shoulder")].tolist() == [5, 6, 2]
    assert keypoints[AIC14.joints.index("left_shoulder"), 2] == 0


def test_an_unlabelled_point_loses_its_coordinates(tmp_path, write_json):
    write_json(tmp_path / VAL, [entry(people={"human1": [9, 9, 3] * 14})])
    people = read_aic(tmp_path).people
    assert not people.keypoints.any()
    assert not people.is_counted.any()


@pytest.mark.parametrize("prefix", ["", "ai_challenger_"])
def test_both_spellings_of_the_folders_are_read(tmp_path, write_json, prefix):
    write_json(tmp_path / f"{prefix}{TRAIN}.gz", [entry("b")])
    write_json(tmp_path / f"{prefix}{VAL}", [entry("c")])
    source = read_aic(tmp_path)
    assert source.splits == ("train", "test")
    assert source.missing == ()
    assert source.image_files[0].path == (
        tmp_path / f"{prefix}keypoint_train_20170909/keypoint_train_images_20170902/b.jpg"
    )
    assert source.people.images.file_names[1] == ("aic/keypoint_validation_images_20170911/c.jpg")


def test_images_in_a_folder_of_another_date_are_found(tmp_path, write_json):
    write_json(tmp_path / TRAIN, [entry("b")])
    (tmp_path / "keypoint_train_20170909/keypoint_train_images_20170909").mkdir()
    assert read_aic(tmp_path).image_files[0].path.parent.name == "keypoint_train_images_20170909"


def test_a_split_that_is_not_there_is_named(tmp_path, write_json):
    write_json(tmp_path / VAL, [entry()])
    assert read_aic(tmp_path).missing == (
        "keypoint_train_20170909/keypoint_train_annotations_*.json",
    )


def test_people_come_in_natural_order(tmp_path, write_json):
    people = {f"human{n}": [n, n, 1] * 14 for n in (10, 2, 1)}
    write_json(tmp_path / VAL, [entry(people=people)])
    assert read_aic(tmp_path).people.keypoints[:, 0, 0].tolist() == [1, 2, 10]


def test_identical_images_are_merged_and_counted(tmp_path, write_json):
    write_json(tmp_path / VAL, [entry(), entry()])
    people = read_aic(tmp_path).people
    assert (len(people.images), len(people)) == (1, 1)
    assert "1 repeated image merged" in people.notes[0]


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([entry("x", boxes={})], ["image x", "human1 has keypoints but no box"]),
        ([entry("x", people={}, boxes={"human1": [1, 2, 3, 4]})], ["image x", "no keypoints"]),
        ([entry("x", people={"human1": [1] * 51})], ["image x, human1", "51 keypoint values"]),
        ([entry("x", people={"human1": [1, 1, 4] * 14})], ["image x, human1", "visibility 4"]),
        ([entry("x", boxes={"human1": [1, 2, 3]})], ["image x, human1", "3 values instead of 4"]),
        (
            [entry("x"), entry("x", {})],
            ["entry[0] and [1]", "both have image_id x and they differ"],
        ),
        ([entry("y"), entry("x") | {"human_annotations": 3}], ["entry[1] (image x)"]),
        ([entry(" ")], ["entry[0]", "image_id is empty"]),
        ([entry(5)], ["entry[0] (image 5)", "Expected str"]),
        ([{"image_id": "x"}], ["entry[0] (image x)", "keypoint_annotations"]),
        ({"images": []}, ["Expected array"]),
    ],
)
def test_a_broken_record_is_named(tmp_path, write_json, refuses, entries, words):
    path = write_json(tmp_path / VAL, entries)
    refuses(read_aic, tmp_path, str(path), *words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[{"image_id": "x", "keypoint_annotations": {"human1": [NaN]}}]', "nan is not a number"),
        (json.dumps([entry("x")]).replace("220", "1e400"), "inf is not a number"),
        (json.dumps([entry("x")])[:-30], "broken JSON at byte"),
        (
            json.dumps([entry("x")]).replace(
                '"human1": [10', '"human1": [1, 2, 3, 4], "human1": [10'
            ),
            "'human1' occurs twice",
        ),
        ("[" * 100_000, "nested too deep"),
    ],
)
def test_text_that_is_no_sound_json_is_refused(tmp_path, refuses, text, words):
    (tmp_path / VAL).parent.mkdir()
    (tmp_path / VAL).write_text(text)
    refuses(read_aic, tmp_path, VAL, words)


def test_a_byte_order_mark_is_no_fault(tmp_path):
    (tmp_path / VAL).parent.mkdir()
    (tmp_path / VAL).write_text(json.dumps([entry()]), encoding="utf-8-sig")
    assert len(read_aic(tmp_path).people) == 1


def test_a_box_with_swapped_corners_is_left_to_the_builder(tmp_path, write_json):
    write_json(tmp_path / VAL, [entry(boxes={"human1": [110, 20, 10, 220]})])
    assert read_aic(tmp_path).people.boxes_xywh.tolist() == [[110, 20, -100, 200]]


@pytest.mark.parametrize("name", ["/etc/passwd", "C:x", "a\0b", "a/../../b"])
def test_an_image_id_is_no_path_that_leads_out(tmp_path, write_json, refuses, name):
    write_json(tmp_path / VAL, [entry(name)])
    refuses(read_aic, tmp_path, "path leaves the data root", kind=RefusedError)


def test_the_organisers_example_gives_its_known_numbers(real):
    people = read_aic(real / "aic").people
    sizes = [int(np.count_nonzero(people.size_class == s)) for s in range(3)]
    assert (len(people.images), int(people.is_counted.sum()), sizes) == (502, 1416, [0, 85, 1331])


def test_three_images_equal_somebody_elses_conversion(real):
    theirs = json.loads((real / "aic/mmpose_conversion/test_aic.json").read_text())
    people = read_aic(real / "aic").people
    row_of = {one: row for row, one in enumerate(people.images.source_ids)}
    compared = 0
    for picture in theirs["images"]:
        mine = people.image_rows == row_of[picture["file_name"].removesuffix(".jpg")]
        found = [a for a in theirs["annotations"] if a["image_id"] == picture["id"]]
        assert len(found) == np.count_nonzero(mine)
        for annotation in found:
            box = np.array(annotation["bbox"], dtype=float)
            (row,) = np.flatnonzero(mine & (people.boxes_xywh == box).all(axis=1))
            points = np.array(annotation["keypoints"], dtype=float).reshape(14, 3)
            points[points[:, 2] == 0] = 0
            assert np.array_equal(people.keypoints[row], points)
            compared += 1
    assert compared > 0
