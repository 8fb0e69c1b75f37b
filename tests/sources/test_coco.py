"""COCO's files, split by split (paper, D1)."""

import shutil

import numpy as np
import pytest

from smallpose.core.boxes import BOX_RULES
from smallpose.core.errors import RefusedError
from smallpose.core.skeleton import COCO17
from smallpose.sources.coco import read_coco

VAL = "annotations/person_keypoints_val2017.json"
TRAIN = "annotations/person_keypoints_train2017.json"
LABELLED = [10, 20, 2, 30, 40, 1] + [0] * 45


def image(one=1, **more):
    return {"id": one, "file_name": f"{one:012d}.jpg", "width": 640, "height": 480} | more


def person(one=1, image_id=1, **more):
    record = {"id": one, "image_id": image_id, "category_id": 1, "bbox": [5, 6, 70, 80]}
    return record | {"area": 99.5, "iscrowd": 0, "num_keypoints": 2, "keypoints": LABELLED} | more


def coco(images, annotations):
    category = {"id": 1, "name": "person", "keypoints": list(COCO17.joints), "skeleton": []}
    return {"images": images, "annotations": annotations, "categories": [category]}


NOBODY = {"num_keypoints": 0, "keypoints": [0] * 51}


def test_three_people_are_labelled_and_a_crowd_and_one_without_keypoints_are_ignored(
    tmp_path, write_json
):
    people = [person(1), person(2), person(3, 2), person(4, 2, iscrowd=1, **NOBODY)]
    people.append(person(5, 3, **NOBODY))
    write_json(tmp_path / VAL, coco([image(1), image(2), image(3)], people))
    table = read_coco(tmp_path).people
    assert table.is_counted.tolist() == [True, True, True, False, False]
    assert table.iscrowd.tolist() == [False, False, False, True, False]
    assert table.keypoints[0].ravel().tolist() == LABELLED
    assert len(table.images) == 3


def test_the_mask_area_is_kept_and_the_area_of_the_box_is_left_to_be_written(tmp_path, write_json):
    write_json(tmp_path / VAL, coco([image()], [person()]))
    table = read_coco(tmp_path).people
    assert table.segmentation_area.tolist() == [99.5]
    assert np.isnan(table.file_area).all()
    assert table.area.tolist() == [70 * 80]
    assert BOX_RULES[table.box_rule[0]] == "mask"


def test_val_is_the_test_split_and_ids_that_collide_are_numbered_anew(tmp_path, write_json):
    write_json(tmp_path / TRAIN, coco([image(1), image(2)], [person(1, 2)]))
    write_json(tmp_path / f"{VAL}.gz", coco([image(1)], [person(1, 1)]))
    source = read_coco(tmp_path)
    assert source.splits == ("train", "train", "test")
    assert source.missing == ()
    assert source.people.images.file_names == (
        "coco/train2017/000000000001.jpg",
        "coco/train2017/000000000002.jpg",
        "coco/val2017/000000000001.jpg",
    )
    assert source.people.images.source_ids == ("1", "2", "1")
    assert len(set(source.people.images.ids.tolist())) == 3
    assert source.people.image_rows.tolist() == [1, 2]
    assert source.image_files[2].path == tmp_path / "val2017/000000000001.jpg"


def test_a_split_that_is_not_there_is_named(tmp_path, write_json):
    write_json(tmp_path / VAL, coco([image()], [person()]))
    assert read_coco(tmp_path).missing == (TRAIN,)


def test_repeats_are_merged_and_counted(tmp_path, write_json):
    write_json(tmp_path / VAL, coco([image(), image()], [person(), person()]))
    people = read_coco(tmp_path).people
    assert (len(people.images), len(people)) == (1, 1)
    assert "1 repeated image merged" in people.notes[0]
    assert "1 repeated annotation merged" in people.notes[1]


@pytest.mark.parametrize(
    ("annotations", "words"),
    [
        ([person(7), person(7, bbox=[0, 0, 1, 1])], "both have id 7"),
        ([person(123, keypoints=[0] * 63)], "annotation 123: 63 keypoint values"),
        ([person(7, keypoints=[1, 1, 7] + [0] * 48)], "annotation 7: keypoint 1 has visibility 7"),
        ([person(7.5)], "id 7.5"),
        ([person(7, 99)], "annotation 7: image 99 is not in the list"),
    ],
)
def test_a_broken_record_is_named(tmp_path, write_json, refuses, annotations, words):
    path = write_json(tmp_path / VAL, coco([image()], annotations))
    refuses(read_coco, tmp_path, str(path), words)


def test_other_joints_than_cocos_are_refused(tmp_path, write_json, refuses):
    value = coco([image()], [])
    value["categories"][0]["keypoints"] = ["nose", "tail"]
    write_json(tmp_path / VAL, value)
    refuses(read_coco, tmp_path, "are not COCO's 17")


def test_a_box_without_width_is_left_as_it_is(tmp_path, write_json):
    write_json(tmp_path / VAL, coco([image()], [person(bbox=[5, 6, 0, 80])]))
    assert read_coco(tmp_path).people.boxes_xywh.tolist() == [[5, 6, 0, 80]]


def test_a_name_with_the_splits_folder_means_the_same_image(tmp_path, write_json):
    write_json(tmp_path / VAL, coco([image(file_name="val2017/1.jpg")], []))
    source = read_coco(tmp_path)
    assert source.people.images.file_names == ("coco/val2017/1.jpg",)
    assert source.image_files[0].path == tmp_path / "val2017/1.jpg"


def test_a_linked_image_that_leads_out_is_refused(tmp_path, write_json, refuses):
    write_json(tmp_path / "coco" / VAL, coco([image(file_name="1.jpg")], []))
    (tmp_path / "coco/val2017").mkdir()
    (tmp_path / "secret.jpg").write_bytes(b"")
    (tmp_path / "coco/val2017/1.jpg").symlink_to(tmp_path / "secret.jpg")
    refuses(read_coco, tmp_path / "coco", "path leaves the data root", kind=RefusedError)


def test_a_linked_image_folder_is_the_users_own_and_fine(tmp_path, write_json):
    write_json(tmp_path / "coco" / VAL, coco([image(file_name="1.jpg")], []))
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk/1.jpg").write_bytes(b"")
    (tmp_path / "coco/val2017").symlink_to(tmp_path / "disk")
    assert read_coco(tmp_path / "coco").image_files[0].path.is_file()


# ---- real files -----------------------------------------------------------------------------


def counts(people):
    """Images with people, people, and how many of them by size and by density class."""
    counted = people.is_counted
    sizes = [int(np.count_nonzero(counted & (people.size_class == s))) for s in range(3)]
    density = [int(np.count_nonzero(counted & (people.density_class == d))) for d in range(3)]
    return int(counted.sum()), sizes, density


@pytest.mark.parametrize(
    ("name", "images", "numbers"),
    [
        (
            "coco/annotations/person_keypoints_val2017.subset538.json.gz",
            538,
            (1354, [613, 450, 291], [86, 527, 0]),
        ),
        (
            "coco/val_subset250/val_subset.json.gz",
            250,
            (329, [155, 110, 64], [29, 126, 0]),
        ),
    ],
)
def test_published_val_files_give_their_known_numbers(real, tmp_path, name, images, numbers):
    (tmp_path / "annotations").mkdir()
    shutil.copy(real / name, tmp_path / f"{VAL}.gz")
    people = read_coco(tmp_path).people
    assert len(people.images) == images
    assert counts(people) == numbers


def test_coco_mini_gives_its_known_numbers_in_both_splits(real):
    source = read_coco(real / "coco/coco-mini")
    people = source.people
    splits = np.array(source.splits)
    assert all(p.path.is_file() for p in source.image_files)
    for split, images, numbers in (
        ("train", 40, (86, [44, 21, 21], [6, 38, 0])),
        ("test", 43, (68, [28, 22, 18], [3, 25, 0])),
    ):
        part = people.take_images(np.flatnonzero(splits == split))
        assert len(part.images) == images
        assert counts(part) == numbers


def test_mini_coco_gives_its_known_numbers(real):
    people = read_coco(real / "coco/mini-coco").people
    assert len(people.images) == 48
    assert counts(people) == (171, [99, 50, 22], [12, 87, 0])
