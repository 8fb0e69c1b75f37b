"""Annotations with packed keypoints are the table that is read without packing."""

import json

import numpy as np
import pytest

from smallpose.core.packed_keypoints import PackedKeypoints
from smallpose.io import annotation_scan, coco_annotations_fast, json_text
from smallpose.io.coco_annotations import read_coco
from smallpose.io.coco_annotations_slow import read_coco_slow

pytestmark = pytest.mark.skipif(json_text.EXTENSION is None, reason="_json was not built")


def make_file(keypoints, **fields):
    """Make an annotation file of people with these keypoints of three joints."""
    people = [
        {"id": i + 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "num_keypoints": 3}
        | {"keypoints": values}
        | fields
        for i, values in enumerate(keypoints)
    ]
    category = {"id": 1, "name": "person", "keypoints": ["a", "b", "c"], "skeleton": []}
    return {
        "images": [{"id": 1, "file_name": "a"}],
        "categories": [category],
        "annotations": people,
    }


def assert_same_when_packed(path, is_packed=True):
    plain, packed = read_coco(path), read_coco(path, packed=True)
    assert isinstance(packed.keypoints, PackedKeypoints) == is_packed
    assert np.asarray(packed.keypoints).tobytes() == plain.keypoints.tobytes()
    assert np.array_equal(packed.num_labelled, plain.num_labelled)
    for name in ("ids", "image_rows", "boxes_xywh", "num_keypoints", "iscrowd", "source"):
        assert np.array_equal(getattr(packed, name), getattr(plain, name)), name
    assert packed.notes == plain.notes


@pytest.mark.usefixtures("without_slow_readers")
@pytest.mark.parametrize("layout", [{}, {"indent": 1}, {"separators": (",", ":")}])
def test_random_files_give_the_same_table(layout, random_coco, tmp_path):
    path = tmp_path / "a.json"
    for seed in range(8):
        coco, _ = random_coco(seed, 21 if seed % 2 else 17, num_images=6, max_people=8)
        rng = np.random.default_rng(seed)
        for annotation in coco["annotations"]:
            decimals = int(rng.integers(0, 5))
            values = np.round(np.array(annotation["keypoints"], float), decimals) + 0.0
            annotation["keypoints"] = values.tolist()
            if seed % 3 == 0:
                annotation["keypoints"][2::3] = [int(v) for v in values[2::3]]
            if seed % 4 == 0:
                annotation["derived"] = [1, 3]
        path.write_text(json.dumps(coco, **layout))
        assert_same_when_packed(path)


@pytest.mark.usefixtures("without_slow_readers")
@pytest.mark.parametrize(
    ("text", "is_packed"),
    [
        ("12", True),
        ("-7.25", True),
        ("0.0001", True),
        ("-0.1000", True),
        ("1.50000", True),
        ("12e1", True),
        ("214748.3647", True),
        ("214748.3648", False),
        ("-214748.3648", False),
        ("1e22", False),
        ("0.00001", False),
        ("33.33333333333333", False),
        ("-0.0", False),
    ],
)
def test_a_coordinate_is_packed_where_it_stays_the_same_double(text, is_packed, tmp_path):
    path = tmp_path / "a.json"
    content = json.dumps(make_file([[1, 2, 2, 3, 4, 1, 5, 6, 0], [111, 2, 2, 3, 4, 1, 5, 6, 0]]))
    path.write_text(content.replace("111", text))
    assert_same_when_packed(path, is_packed)


@pytest.mark.parametrize("v", ["3", "-1", "1.5", '"2"', "null", "02", "2."])
def test_what_is_no_visibility_is_left_to_the_slow_reader(v, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(make_file([[1, 2, 777, 3, 4, 1, 5, 6, 0]])).replace("777", v))
    assert coco_annotations_fast.read_coco_fast(path, packed=True) is None


@pytest.mark.usefixtures("without_slow_readers")
@pytest.mark.parametrize("packed", [True, False])
def test_more_records_than_guessed_are_counted(packed, tmp_path, monkeypatch, assert_same_table):
    """The first records are long and fill the sample."""
    monkeypatch.setattr(annotation_scan, "_SAMPLED_BYTES", 4000)
    content = make_file([[1, 2, 2, 3, 4, 1, 5, 6, 0]] * 200)
    for person in content["annotations"][:3]:
        person["note"] = "x" * 2000
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    people = read_coco(path, packed=packed)
    assert len(people) == 200
    if not packed:
        assert_same_table(people, read_coco_slow(path))
