"""smallpose split: labels with joints of one's own become a set, with every record as it was."""

import json

import cv2
import numpy as np
import pytest

from smallpose.cli.main import main
from smallpose.io.coco_annotations import read_coco

JOINTS = ["nose", "left_toe", "right_toe", "tail"]


@pytest.fixture
def labels(tmp_path, monkeypatch):
    """Ten images, of which every third has no people, in a folder of their own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    images, annotations = [], []
    for index in range(10):
        name = f"{'abcdefghij'[index]}/photo {index}.png"
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True)
        cv2.imwrite(str(path), np.full((40, 60, 3), 20 * index, np.uint8))
        images.append({"id": 100 + index, "file_name": name, "width": 60, "height": 40, "x": index})
        if index % 3:
            keypoints = [10.25, 20, 2, 0, 0, 0, 30, 8, 1, 12, 30.5, 2]
            box = {"bbox": [5, 5, 40, 30], "area": 1200, "attributes": {"occluded": True}}
            one = {"id": 7 + index, "image_id": 100 + index, "category_id": 3, "num_keypoints": 3}
            annotations.append(one | box | {"keypoints": keypoints, "iscrowd": 0})
    category = {"id": 3, "name": "dog", "keypoints": JOINTS, "swap": [["left_toe", "right_toe"]]}
    content = {"info": {"by": "me"}, "images": images, "annotations": annotations}
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(content | {"categories": [category]}))
    return path


def split(labels, *words):
    folders = ["--images", str(labels.parent / "photos"), "--out", str(labels.parent / "own")]
    return main(["split", str(labels), *folders, *words])


def test_both_parts_have_all_records_as_they_were(labels, capsys):
    assert split(labels, "--test", "0.3") == 0
    out = labels.parent / "own"
    before = json.loads(labels.read_text())
    parts = [json.loads((out / f"annotations/{n}.json").read_text()) for n in ("train", "test")]
    for key in ("images", "annotations"):
        records = [record for part in parts for record in part[key]]
        assert sorted(records, key=lambda one: one["id"]) == before[key]
    assert [len(part["images"]) for part in parts] == [7, 3]
    for part in parts:
        assert {key: part[key] for key in ("info", "categories")} == {
            key: before[key] for key in ("info", "categories")
        }
        for image in part["images"]:
            path = out / "images" / image["file_name"]
            assert path.is_symlink() and cv2.imread(str(path)).shape == (40, 60, 3)
    assert read_coco(out / "annotations" / "train.json").skeleton.spelled_joints == tuple(JOINTS)
    printed = " ".join(capsys.readouterr().out.split())
    assert "7 images with" in printed and "3 images with" in printed
    assert main(["check", str(out)]) == 0  # which follows the links


def test_copies_need_no_links(labels):
    assert split(labels, "--copy") == 0
    files = list((labels.parent / "own" / "images").rglob("*.png"))
    assert len(files) == 10
    assert not any(path.is_symlink() for path in files)


def test_what_cannot_be_written_leaves_nothing(labels, capsys):
    (labels.parent / "photos" / "b" / "photo 1.png").unlink()
    assert split(labels) == 2
    assert "lacks 1 of 10 images" in capsys.readouterr().err
    assert not (labels.parent / "own").exists()
    (labels.parent / "own").mkdir()
    (labels.parent / "own" / "mine.txt").write_text("")
    assert main(["split", str(labels), "--images", str(labels.parent), "--out", "x.json"]) == 2
    assert [path.name for path in (labels.parent / "own").iterdir()] == ["mine.txt"]


def test_a_folder_with_files_is_not_written_into(labels, capsys):
    (labels.parent / "own").mkdir()
    (labels.parent / "own" / "mine.txt").write_text("")
    assert split(labels) == 2
    assert "exists and is not empty; name another folder" in capsys.readouterr().err


def test_a_part_without_people_is_refused(labels, capsys):
    content = json.loads(labels.read_text())
    content["annotations"] = content["annotations"][:1]
    labels.write_text(json.dumps(content))
    assert split(labels) == 2
    assert "leaves nobody with labelled keypoints" in capsys.readouterr().err
    assert not (labels.parent / "own").exists()


def test_frames_of_a_video_known_by_their_names_count_as_one(labels, capsys):
    """The advice counted their images: more frames of one video help no comparison."""
    content = json.loads(labels.read_text())
    photo = labels.parent / "photos" / "b" / "photo 1.png"
    one = next(record for record in content["annotations"] if record["image_id"] == 101)
    names = [f"frame_{index:04d}.png" for index in range(40)]
    for name in names:
        (labels.parent / "photos" / name).symlink_to(photo)
    size = {"width": 60, "height": 40}
    content["images"] = [{"id": i, "file_name": name} | size for i, name in enumerate(names, 1)]
    content["annotations"] = [one | {"id": i, "image_id": i} for i in range(1, 41)]
    labels.write_text(json.dumps(content))
    assert split(labels) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "the test part has people in 1 group or video: smallpose compare needs 15" in printed
    assert printed.endswith("label more groups or videos with people")


def test_a_test_part_too_small_to_compare_is_told_with_the_share_that_suffices(labels, capsys):
    content = json.loads(labels.read_text())
    photo = labels.parent / "photos" / "b" / "photo 1.png"
    one = next(record for record in content["annotations"] if record["image_id"] == 101)
    content["images"], content["annotations"] = [], []
    for index in range(60):
        name = f"{chr(97 + index % 26)}{chr(97 + index // 26)}.png"
        (labels.parent / "photos" / name).symlink_to(photo)
        image = {"id": index + 1, "file_name": name, "width": 60, "height": 40}
        content["images"].append(image)
        content["annotations"].append(one | {"id": index + 1, "image_id": index + 1})
    labels.write_text(json.dumps(content))
    assert split(labels) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "12 images with 12 people for tests" in printed
    assert "smallpose compare needs 15" in printed
    assert "needs 20 people in 10 images (here: 12 people)" in printed
    share = printed.split("smallpose split again with --test ")[1].split()[0]
    assert split(labels, "--test", share, "--out", str(labels.parent / "own2")) == 0
    assert "note" not in capsys.readouterr().out
