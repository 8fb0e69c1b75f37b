import json

import numpy as np
import pytest

import smallpose
from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17, SMALLPOSE, Skeleton
from smallpose.io.coco_annotations import read_coco, write_coco


def make_person(**changes):
    record = {
        "id": 1,
        "image_id": 7,
        "category_id": 1,
        "iscrowd": 0,
        "num_keypoints": 17,
        "bbox": [1.5, 2, 30, 40],
        "area": 600.25,
        "keypoints": [3, 4, 2] * 17,
    }
    return {k: v for k, v in (record | changes).items() if v is not None}


def make_coco(*people, images=None, **more):
    categories = [{"id": 1, "name": "person", "keypoints": list(COCO17.joints)}]
    images = images or [{"id": 7, "file_name": "a.jpg", "width": 64, "height": 48}]
    return {"images": images, "annotations": list(people), "categories": categories} | more


def save(tmp_path, content, name="file.json"):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def read_error(path, read=read_coco):
    with pytest.raises(InputError) as caught:
        read(path)
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text
    assert caught.value.exit_code == 2
    return text


def make_people(seed, skeleton=SMALLPOSE, n=40):
    rng = np.random.default_rng(seed)
    images = make_images(
        np.arange(5) + 3,
        [f"s/{i}.jpg" for i in range(5)],
        [640] * 5,
        [480] * 5,
        source=[1, 2, 3, 4, 5],
        source_ids=[f"id{i}" for i in range(5)],
        groups=["", "v1", "", "v2", "v2"],
    )
    keypoints = rng.random((n, len(skeleton), 3)) * 500
    keypoints[:, :, 2] = rng.integers(0, 3, (n, len(skeleton)))
    return make_instances(
        skeleton,
        images,
        rng.integers(0, 5, n),
        rng.random((n, 4)) * 100,
        keypoints,
        iscrowd=rng.random(n) < 0.1,
        source=rng.integers(0, 6, n),
        box_rule=rng.integers(0, 5, n),
        segmentation_area=np.where(rng.random(n) < 0.5, rng.random(n) * 900, np.nan),
    )


def check_equal(a, b):
    columns = "image_rows ids boxes_xywh keypoints num_keypoints iscrowd source box_rule"
    for name in columns.split():
        assert np.array_equal(getattr(a, name), getattr(b, name)), name
    assert np.array_equal(a.segmentation_area, b.segmentation_area, equal_nan=True)
    for name in ("ids", "width", "height", "source"):
        assert np.array_equal(getattr(a.images, name), getattr(b.images, name)), name
    for name in ("file_names", "source_ids", "groups"):
        assert getattr(a.images, name) == getattr(b.images, name)
    assert a.skeleton == b.skeleton


@pytest.mark.parametrize("seed", range(5))
def test_writing_and_reading_keeps_every_column(tmp_path, seed):
    people = make_people(seed)
    write_coco(people, tmp_path / "a.json")
    check_equal(read_coco(tmp_path / "a.json"), people)


def test_the_same_table_gives_the_same_bytes(tmp_path):
    for name in ("a.json", "b.json"):
        write_coco(make_people(3), tmp_path / name)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_pycocotools_reads_the_written_file(tmp_path, capsys):
    from pycocotools.coco import COCO

    people = make_people(1)
    write_coco(people, tmp_path / "a.json")
    api = COCO(str(tmp_path / "a.json"))
    capsys.readouterr()
    assert len(api.anns) == len(people)
    category = api.cats[1]
    assert category["name"] == "person"
    assert category["keypoints"] == list(SMALLPOSE.joints)
    assert min(min(e) for e in category["skeleton"]) == 1
    assert max(max(e) for e in category["skeleton"]) == 21
    first = api.anns[1]
    assert first["area"] == first["bbox"][2] * first["bbox"][3]
    assert len(first["keypoints"]) == 63
    assert api.imgs[4]["group"] == "v1"
    assert "group" not in api.imgs[3]


def test_identical_repeats_are_merged_and_counted(tmp_path):
    image = {"id": 7, "file_name": "a.jpg", "width": 64, "height": 48}
    people = read_coco(
        save(tmp_path, make_coco(make_person(), make_person(), images=[image, image]))
    )
    assert (len(people), len(people.images)) == (1, 1)
    assert people.notes == ("1 repeated image merged", "1 repeated annotation merged")


def test_repeats_that_differ_are_an_error_that_names_both(tmp_path):
    path = save(tmp_path, make_coco(make_person(), make_person(area=1.0)))
    assert "annotations[0] and [1]: both have id 1 and they differ" in read_error(path)
    images = [{"id": 7, "file_name": "a.jpg"}, {"id": 7, "file_name": "b.jpg"}]
    assert "images[0] and [1]: both have id 7 and they differ" in read_error(
        save(tmp_path, make_coco(images=images))
    )


def test_id_0_is_read(tmp_path):
    assert read_coco(save(tmp_path, make_coco(make_person(id=0)))).ids.tolist() == [0]


def test_annotations_of_other_categories_are_left_out_and_noted(tmp_path):
    people = read_coco(save(tmp_path, make_coco(make_person(), make_person(id=2, category_id=3))))
    assert people.ids.tolist() == [1]
    assert people.notes == ("category used: person (id 1); left out: id 3 with 1 annotation",)


def test_crowds_with_masks_as_dicts_and_people_without_keypoints_are_read(tmp_path):
    crowd = make_person(id=2, iscrowd=1, keypoints=None, num_keypoints=0) | {
        "segmentation": {"counts": [1, 2], "size": [3, 4]}
    }
    people = read_coco(save(tmp_path, make_coco(make_person(), crowd)))
    assert people.is_counted.tolist() == [True, False]
    assert not people.keypoints[1].any()


def test_a_missing_num_keypoints_is_counted(tmp_path):
    people = read_coco(save(tmp_path, make_coco(make_person(num_keypoints=None))))
    assert people.num_keypoints.tolist() == [17]
    assert "num_keypoints counted in 1 annotation without it" in people.notes[0]


FAULTS = {
    "cut off": (json.dumps(make_coco(make_person()))[:200], "broken JSON at byte 200 (line 1)"),
    "empty": ("", "the file is empty"),
    "NaN": (make_coco(make_person(bbox=[1, 2, float("nan"), 4])), "(id 1).bbox[2]: nan"),
    "Infinity": (
        make_coco(make_person(id=5, area=float("inf"))),
        "annotations[0] (id 5).area: inf",
    ),
    "1e400": (json.dumps(make_coco(make_person())).replace("600.25", "1e400"), "annotations[0]"),
    "deep": ('{"images":[],"annotations":' + "[" * 10**5 + "]" * 10**5 + "}", "nested too deep"),
    "a key twice": (
        json.dumps(make_coco(make_person())).replace('"bbox"', '"bbox": [0, 0, 1, 1], "bbox"'),
        "(id 1): key 'bbox' occurs twice",
    ),
    "latin-1": (b'{"images":[{"id":1,"file_name":"\xe9"}]}', "not UTF-8 at byte 32"),
    "half an id": (make_coco(make_person(id=1.5)), "annotations[0] (id 1.5): Expected int | str"),
    "id of 65 bits": (make_coco(make_person(id=2**64)), "annotations[0] (id 18446744073709551616)"),
    "image of 65 bits": (make_coco(images=[{"id": 2**64}]), "images[0]"),
    "count of 65 bits": (make_coco(make_person(num_keypoints=2**63)), "annotations[0] (id 1)"),
    "51 for 63": (
        make_coco(make_person(keypoints=[1, 1, 1] * 16)),
        "annotation 1: 48 keypoint values",
    ),
    "v = 7": (make_coco(make_person(keypoints=[1, 1, 7] * 17)), "keypoint 1 has visibility 7"),
    "no box": (make_coco(make_person(bbox=None)), "(id 1): Object missing required field bbox"),
    "box of three": (make_coco(make_person(bbox=[1, 2, 3])), "annotations[0] (id 1)"),
    "lost image": (make_coco(make_person(image_id=8)), "annotation 1: image 8 is not in the list"),
    "no images": ({"annotations": []}, "no images list"),
    "a result file": ([], "Expected object, got array"),
}


@pytest.mark.parametrize(("content", "expected"), FAULTS.values(), ids=FAULTS.keys())
def test_a_broken_file_is_refused_with_its_record(tmp_path, content, expected):
    assert expected in read_error(save(tmp_path, content))


def test_a_byte_order_mark_is_accepted(tmp_path):
    text = b"\xef\xbb\xbf" + json.dumps(make_coco(make_person())).encode()
    assert len(read_coco(save(tmp_path, text))) == 1


def test_the_record_is_named_in_later_blocks_too(tmp_path, monkeypatch):
    monkeypatch.setattr("smallpose.io.json_blocks.BLOCK_SIZE", 3)
    records = [make_person(id=i) for i in range(1, 9)]
    assert read_coco(save(tmp_path, make_coco(*records))).ids.tolist() == list(range(1, 9))
    records[7]["bbox"] = [1, 2, "x", 4]
    assert "annotations[7] (id 8)" in read_error(save(tmp_path, make_coco(*records)))


def test_an_annotation_of_another_category_needs_no_box(tmp_path):
    people = read_coco(
        save(tmp_path, make_coco(make_person(), make_person(id=2, category_id=3, bbox=None)))
    )
    assert people.ids.tolist() == [1]


REAL = {
    "coco/annotations/person_keypoints_val2017.subset538.json.gz": (
        538,
        1354,
        (613, 450, 291),
        (86, 527, 0),
    ),
    "coco/val_subset250/val_subset.json.gz": (250, 329, (155, 110, 64), (29, 126, 0)),
    "coco/coco-mini/annotations/person_keypoints_train2017.json": (
        40,
        86,
        (44, 21, 21),
        (6, 38, 0),
    ),
    "coco/coco-mini/annotations/person_keypoints_val2017.json": (
        43,
        68,
        (28, 22, 18),
        (3, 25, 0),
    ),
    "coco/mini-coco/annotations/person_keypoints_train2017.json": (
        48,
        171,
        (99, 50, 22),
        (12, 87, 0),
    ),
    "other/crowdpose/crowdpose_val.json.gz": (2000, 7074, (1963, 1700, 3411), (266, 1697, 0)),
}


@pytest.mark.parametrize("name", REAL)
def test_real_files_have_the_known_counts(real, name):
    people = smallpose.read_coco(real / name)
    selected = people.take(np.flatnonzero(people.is_counted))
    sizes = tuple(int((selected.size_class == c).sum()) for c in range(3))
    densities = tuple(int((selected.density_class == c).sum()) for c in range(3))
    assert (len(people.images), len(selected), sizes, densities) == REAL[name]


def test_joint_names_keep_the_spelling_of_their_file(tmp_path):
    names = ("Nose", "LEye", "right eye", "Tail")
    images = make_images([1], ["a.jpg"], [64], [48])
    skeleton = Skeleton("own", names)
    people = make_instances(skeleton, images, [0], [[1, 2, 30, 40]], np.full((1, 4, 3), 2.0))
    write_coco(people, tmp_path / "first.json")
    copy = read_coco(tmp_path / "first.json")
    assert copy.skeleton.joints == ("nose", "left_eye", "right_eye", "Tail")
    write_coco(copy, tmp_path / "second.json")
    (category,) = json.loads((tmp_path / "second.json").read_text())["categories"]
    assert category["keypoints"] == list(names)
