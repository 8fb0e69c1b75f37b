"""Folders that are laid out as a built set, but have no manifest: check, audit and export."""

import json

import pytest

from smallpose.cli.main import main
from smallpose.dataset.built_set import open_set

JOINTS = ("left_cup", "right_cup", "neck")


@pytest.fixture
def own_folder(tmp_path):
    """Write annotations of three joints of one's own, of which one has a name of the 21."""
    folder = tmp_path / "own"
    (folder / "annotations").mkdir(parents=True)
    for number, split in enumerate(("train", "test"), 1):
        person = {"id": number, "image_id": number, "category_id": 1, "iscrowd": 0, "area": 400}
        person |= {"bbox": [5, 5, 20, 20], "num_keypoints": 3}
        person["keypoints"] = [8, 9, 2, 20, 9, 2, 14, 20, 2]
        image = {"id": number, "file_name": f"{split}.jpg", "width": 64, "height": 48}
        category = {"id": 1, "name": "person", "keypoints": list(JOINTS)}
        labels = {"images": [image], "annotations": [person], "categories": [category]}
        (folder / "annotations" / f"{split}.json").write_text(json.dumps(labels))
    return folder


def test_its_labels_are_opened_by_split(own_folder):
    built = open_set(own_folder)
    assert {split: len(people) for split, people in built.parts.items()} == {"train": 1, "test": 1}
    (own_folder / "annotations" / "test.json").unlink()
    assert list(open_set(own_folder).parts) == ["train"]


def test_check_reports_both_files_and_images_in_both(own_folder, capsys):
    assert main(["check", str(own_folder)]) == 0
    out = capsys.readouterr().out
    assert "train.json: 1 image, 1 person" in out and "test.json: 1 image, 1 person" in out
    train = own_folder / "annotations" / "train.json"
    (own_folder / "annotations" / "test.json").write_text(train.read_text())
    assert main(["check", str(own_folder)]) == 2
    assert "1 image is in both train.json and test.json (first: train.jpg)" in (
        capsys.readouterr().out
    )


def test_export_takes_the_sigmas_of_joints_that_are_none_of_the_21(own_folder, tmp_path, capsys):
    words = ["export", str(own_folder), "--to", "yolo", "--images", "none", "--out"]
    assert main([*words, str(tmp_path / "a")]) == 2
    assert "--sigmas FILE" in capsys.readouterr().err and not (tmp_path / "a").exists()
    sigmas = tmp_path / "sigmas.json"
    sigmas.write_text(json.dumps({"left_cup": 0.05, "right_cup": 0.06, "neck": 0.07}))
    assert main([*words, str(tmp_path / "a"), "--sigmas", str(sigmas)]) == 0
    data = (tmp_path / "a" / "data.yaml").read_text()
    assert "kpt_oks_sigmas: [0.05, 0.06, 0.07]" in data
    assert data.endswith("    - left_cup\n    - right_cup\n    - neck\n")  # as the labels spell it
    assert len(list((tmp_path / "a" / "labels").rglob("*.txt"))) == 2


@pytest.mark.parametrize("verb", ["check", "audit", "export"])
def test_another_folder_is_answered_with_where_labels_go_and_a_file_to_take(tmp_path, capsys, verb):
    (tmp_path / "mine.json").write_text("{}")
    more = ["--to", "yolo", "--out", str(tmp_path / "out")] if verb == "export" else []
    assert main([verb, str(tmp_path), *more]) == 2
    error = capsys.readouterr().err
    assert "no manifest.json and no annotations/train.json" in error
    assert str(tmp_path / "mine.json") in error and not (tmp_path / "out").exists()


def test_audit_ranks_the_labels_of_both(own_folder, capsys):
    assert main(["audit", str(own_folder), "--labels-only"]) == 0
    out = capsys.readouterr().out
    assert "train: " in out and "test: " in out
