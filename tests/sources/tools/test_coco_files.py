"""COCO files of labelling tools are read with their images and splits, wherever these are."""

import gzip
import json
from pathlib import Path

import pytest

from smallpose.cli.main import main
from smallpose.core.boxes import BOX_RULES, box_around_keypoints, scale_boxes
from smallpose.core.errors import InputError, RefusedError
from smallpose.core.instances import SOURCES
from smallpose.io.coco_annotations import read_coco
from smallpose.sources.custom import read_mapped_coco

# Layout: annotation files with the names in them, image files, images of train and test in the set.
LAYOUTS = {
    "roboflow": (
        {
            "train/_annotations.coco.json": ["a.jpg"],
            "valid/_annotations.coco.json": ["b.jpg"],
            "test/_annotations.coco.json": ["c.jpg"],
        },
        ["train/a.jpg", "valid/b.jpg", "test/c.jpg"],
        ["train/a.jpg"],
        ["valid/b.jpg", "test/c.jpg"],
    ),
    "cvat": (
        {
            "annotations/person_keypoints_train.json": ["frame_1.jpg"],
            "annotations/person_keypoints_val.json": ["frame_1.jpg"],
        },
        ["images/train/frame_1.jpg", "images/val/frame_1.jpg"],
        ["train/frame_1.jpg"],
        ["val/frame_1.jpg"],
    ),
    "coco": (
        {
            "annotations/person_keypoints_train2017.json": ["1.jpg"],
            "annotations/person_keypoints_val2017.json": ["2.jpg"],
        },
        ["train2017/1.jpg", "val2017/2.jpg"],
        ["train2017/1.jpg"],
        ["val2017/2.jpg"],
    ),
    "fiftyone": ({"labels.json": ["1.jpg", "2.jpg"]}, ["data/1.jpg", "data/2.jpg"], None, None),
    "fiftyone splits": (
        {"train/labels.json": ["1.jpg"], "test/labels.json": ["1.jpg"]},
        ["train/data/1.jpg", "test/data/1.jpg"],
        ["train/data/1.jpg"],
        ["test/data/1.jpg"],
    ),
    "label studio": ({"result.json": ["images/1.jpg"]}, ["images/1.jpg"], None, None),
    "label studio on windows": ({"result.json": ["images\\1.jpg"]}, ["images/1.jpg"], None, None),
    "label studio of local files": (
        {"result.json": ["/data/local-files/?d=shop/1.jpg"]},
        ["images/shop/1.jpg"],
        None,
        None,
    ),
    "label studio of uploads": (
        {"result.json": ["/data/upload/3/0a1b2c3d-1.jpg"]},
        ["images/1.jpg"],
        None,
        None,
    ),
    "coco annotator": ({"shop-3.json": ["1.jpg"]}, ["1.jpg"], None, None),
    "paths of a windows computer": ({"labels.json": ["C:\\us\\me\\1.jpg"]}, ["1.jpg"], None, None),
    "relative to the file": (
        {"annotations/all.json": ["../pics/1.jpg"]},
        ["pics/1.jpg"],
        None,
        None,
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_is_read_with_its_images_and_splits(
    tmp_path, save_image, write_coco_file, layout
):
    files, images, train, test = LAYOUTS[layout]
    for name in images:
        save_image(tmp_path / "src" / name)
    for number, (name, names) in enumerate(files.items()):
        write_coco_file(tmp_path / "src" / name, names, 10 * number + 1)
    source = read_mapped_coco("shop", tmp_path / "src", {})
    assert [file.path.is_file() for file in source.image_files] == [True] * len(images)
    assert sorted(file.path for file in source.image_files) == sorted(
        tmp_path / "src" / name for name in images
    )
    by_split = {"train": [], "test": [], "": []}
    for name, split in zip(source.people.images.file_names, source.splits, strict=True):
        by_split[split].append(name.removeprefix("shop/"))
    assert len(source.people) == len(images)
    if train is None:
        assert len(by_split[""]) == len(images)
    else:
        assert (by_split["train"], sorted(by_split["test"])) == (train, sorted(test))


@pytest.mark.parametrize("folder", ["valid", "test", "train"])
def test_one_folder_of_roboflow_keeps_its_split(tmp_path, save_image, write_coco_file, folder):
    save_image(tmp_path / folder / "a.jpg")
    write_coco_file(tmp_path / folder / "_annotations.coco.json", ["a.jpg"])
    source = read_mapped_coco("shop", tmp_path / folder, {})
    assert source.splits == ("train" if folder == "train" else "test",)
    assert source.people.images.source_splits == (folder,)


def test_notes_tell_files_of_one_name_apart(tmp_path, save_image, write_coco_file):
    for number, folder in enumerate(("train", "valid")):
        save_image(tmp_path / folder / f"{number}.jpg")
        path = tmp_path / folder / "_annotations.coco.json"
        write_coco_file(path, [f"{number}.jpg"], joints=("nose", "tail"))
    notes = read_mapped_coco("shop", tmp_path, {}).people.notes
    assert notes == tuple(
        f"{folder}/_annotations.coco.json: joints left out: tail" for folder in ("train", "valid")
    )


def test_boxes_beside_keypoints_are_left_out_and_named(tmp_path, save_image, write_coco_file):
    save_image(tmp_path / "images" / "a.jpg")
    write_coco_file(tmp_path / "annotations" / "person_keypoints_default.json", ["a.jpg"])
    (tmp_path / "annotations" / "instances_default.json").write_text('{"images": []}')
    source = read_mapped_coco("shop", tmp_path, {})
    (note,) = source.people.notes
    assert note.startswith("left out: annotations/instances_default.json")


def test_missing_images_of_equal_names_stay_apart(tmp_path, write_coco_file):
    """CVAT exports without images by default; its frames have the same names in every task."""
    for split in ("train", "val"):
        path = tmp_path / "annotations" / f"person_keypoints_{split}.json"
        write_coco_file(path, ["frame_1.jpg"])
    source = read_mapped_coco("shop", tmp_path, {})
    assert source.people.images.file_names == ("shop/train/frame_1.jpg", "shop/val/frame_1.jpg")


def test_people_without_a_box_get_one_around_their_joints(tmp_path, save_image, write_coco_file):
    """COCO Annotator writes a box of zeros for people who have keypoints and no mask."""
    save_image(tmp_path / "a.jpg")
    write_coco_file(tmp_path / "shop-1.json", ["a.jpg"])
    path = tmp_path / "shop-1.json"
    file = json.loads(path.read_text())
    file["annotations"][0] |= {"bbox": [0, 0, 0, 0], "area": 0}
    path.write_text(json.dumps(file))
    people = read_mapped_coco("shop", tmp_path, {}).people
    expected = scale_boxes(box_around_keypoints(people.keypoints), 1.3)
    assert people.boxes_xywh.tolist() == expected.tolist()
    assert BOX_RULES[people.box_rule[0]] == "extent130"
    assert any("1 person has no box" in note for note in people.notes)


@pytest.mark.parametrize("num_joints", [133, 136])
def test_joints_beyond_64_are_mapped_by_name_and_the_rest_left_out_in_a_line(
    tmp_path, save_image, write_coco_file, num_joints, capsys
):
    joints = ("nose", "LShoulder", *(f"face_{i}" for i in range(num_joints - 2)))
    save_image(tmp_path / "src" / "images" / "a.jpg")
    write_coco_file(tmp_path / "src" / "val.json", ["a.jpg"], joints=joints)
    assert main(["build", str(tmp_path / "set"), "--source", f"body={tmp_path / 'src'}"]) == 0
    people = read_coco(tmp_path / "set" / "annotations" / "test.json")
    names = people.skeleton.joints
    v = people.keypoints[0, :, 2].tolist()
    assert {name for name, one in zip(names, v, strict=True) if one} == {"nose", "left_shoulder"}
    assert SOURCES[people.source[0]] == "own2"
    lines = [line for line in capsys.readouterr().err.splitlines() if "left out" in line]
    assert len(lines) == 1 and f"of {num_joints} joints 2 are kept" in lines[0]


def test_a_category_is_chosen_by_name(tmp_path, save_image, write_coco_file):
    save_image(tmp_path / "a.jpg")
    write_coco_file(tmp_path / "all.json", ["a.jpg"])
    file = json.loads((tmp_path / "all.json").read_text())
    file["categories"].append({**file["categories"][0], "id": 2, "name": "Worker"})
    file["annotations"].append({**file["annotations"][0], "id": 2, "category_id": 2})
    (tmp_path / "all.json").write_text(json.dumps(file))
    people = read_mapped_coco("shop", tmp_path, {}, ("worker",)).people
    assert len(people) == 1 and "person (id 1) with 1 annotation" in people.notes[0]


def test_a_name_of_another_computer_that_fits_two_files_is_refused(
    tmp_path, save_image, write_coco_file
):
    for folder in ("x", "y"):
        save_image(tmp_path / folder / "1.jpg")
    write_coco_file(tmp_path / "all.json", ["/home/me/1.jpg"])
    with pytest.raises(InputError, match=r"1\.jpg is in several folders, such as x/1\.jpg and y/"):
        read_mapped_coco("shop", tmp_path, {})


@pytest.mark.parametrize("name", ["../1.jpg", "..\\1.jpg", "a/../../1.jpg"])
def test_a_name_that_leaves_the_folder_is_refused(tmp_path, save_image, write_coco_file, name):
    save_image(tmp_path / "1.jpg")
    write_coco_file(tmp_path / "src" / "all.json", [name])
    with pytest.raises(RefusedError, match="leaves the data root"):
        read_mapped_coco("shop", tmp_path / "src", {})


def test_an_image_that_is_a_link_out_of_the_folder_is_refused(
    tmp_path: Path, save_image, write_coco_file
):
    save_image(tmp_path / "secret.jpg")
    (tmp_path / "src" / "images").mkdir(parents=True)
    (tmp_path / "src" / "images" / "1.jpg").symlink_to(tmp_path / "secret.jpg")
    write_coco_file(tmp_path / "src" / "all.json", ["1.jpg"])
    with pytest.raises(RefusedError, match="leaves the data root"):
        read_mapped_coco("shop", tmp_path / "src", {})


def test_a_folder_without_labels_is_refused_in_a_line(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(InputError, match=r"has no \*\.json"):
        read_mapped_coco("shop", tmp_path, {})


def test_fiftyone_exports_keypoints_without_boxes(tmp_path, save_image, write_coco_file):
    """FiftyOne 1.22.1 writes neither bbox nor area beside keypoints."""
    save_image(tmp_path / "data" / "a.jpg")
    write_coco_file(tmp_path / "labels.json", ["a.jpg"])
    file = json.loads((tmp_path / "labels.json").read_text())
    for key in ("bbox", "area"):
        del file["annotations"][0][key]
    (tmp_path / "labels.json").write_text(json.dumps(file))
    people = read_mapped_coco("shop", tmp_path, {}).people
    assert (people.boxes_xywh[:, 2:] > 0).all()
    assert any("1 person has no box" in note for note in people.notes)


def test_joints_of_whole_bodies_in_fields_of_their_own_are_named(
    tmp_path, save_image, write_coco_file
):
    save_image(tmp_path / "a.jpg")
    write_coco_file(tmp_path / "all.json", ["a.jpg"])
    file = json.loads((tmp_path / "all.json").read_text())
    file["annotations"][0] |= {"foot_kpts": [1, 2, 2] * 6, "face_kpts": [0] * 204}
    (tmp_path / "all.json").write_text(json.dumps(file))
    people = read_mapped_coco("shop", tmp_path, {}).people
    assert people.notes == ("all.json: joints left out: those of foot_kpts, face_kpts",)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("found.json", '[{"image_id": 1, "keypoints": [1, 2, 2]}]', "a list of 1 entry"),
        ("deep/er/all.json", '{"images": []}', r"has no \*\.json"),
        ("all.json", "", "the file is empty"),
        ("all.json", "[1", "broken JSON"),
        ("all.json", '{"a": 1}', "give a COCO annotation file"),
    ],
)
def test_a_folder_of_other_json_is_refused_in_a_line(tmp_path, name, content, said):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=said) as caught:
        read_mapped_coco("shop", tmp_path, {})
    assert "\n" not in str(caught.value)


def test_gzipped_files_are_read(tmp_path, save_image, write_coco_file):
    save_image(tmp_path / "images" / "a.jpg")
    write_coco_file(tmp_path / "train.json", ["a.jpg"])
    packed = gzip.compress((tmp_path / "train.json").read_bytes())
    (tmp_path / "train.json").unlink()
    (tmp_path / "train.json.gz").write_bytes(packed)
    source = read_mapped_coco("shop", tmp_path, {})
    assert source.splits == ("train",) and source.image_files[0].path.is_file()


def test_the_only_export_one_folder_below_is_read(tmp_path, save_image, write_coco_file):
    save_image(tmp_path / "shop-export" / "images" / "a.jpg")
    write_coco_file(tmp_path / "shop-export" / "val.json", ["a.jpg"])
    (tmp_path / "notes").mkdir()
    source = read_mapped_coco("shop", tmp_path, {})
    assert source.people.images.file_names == ("shop/a.jpg",)
    assert source.image_files[0].path.is_file()
    write_coco_file(tmp_path / "notes" / "val.json", ["a.jpg"])
    with pytest.raises(InputError, match="notes and shop-export in it are exports of their own"):
        read_mapped_coco("shop", tmp_path, {})


def test_an_archive_is_to_be_unpacked(tmp_path, capsys):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "export.zip").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"export\.zip is not unpacked; unpack it there"):
        read_mapped_coco("shop", tmp_path / "src", {})
    out = tmp_path / "set"
    assert main(["build", str(out), "--source", f"shop={tmp_path / 'src' / 'export.zip'}"]) == 2
    assert "export.zip: is an archive; unpack it and name that folder" in capsys.readouterr().err
