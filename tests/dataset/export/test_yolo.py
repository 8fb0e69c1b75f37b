"""Tests of the export to YOLO-pose and of reading it back."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from smallpose.core.errors import InputError
from smallpose.core.skeleton import SMALLPOSE
from smallpose.dataset.built_set import open_set
from smallpose.dataset.export import export_set
from smallpose.dataset.export.yolo import flatten_names, read_yolo
from smallpose.io.coco_annotations import read_coco, write_coco

WIDTH = 333  # of all images of the fixture `built`


def test_yolo_is_read_back_except_for_the_reported_losses(built, tmp_path):
    result = export_set(built, "yolo", tmp_path / "out")
    assert any(line.startswith("2 crowd regions") for line in result.losses)
    assert any(line.startswith("2 keypoints outside") for line in result.losses)
    for yolo_split, split in (("train", "train"), ("val", "test")):
        people = open_set(built).parts[split]
        expected = people.take(np.flatnonzero(people.is_counted))
        back = read_yolo(tmp_path / "out", yolo_split, SMALLPOSE)
        order = [flatten_names(people.images.file_names).index(n) for n in back.images.file_names]
        expected = expected.take_images(np.array(order))
        assert np.array_equal(back.image_rows, expected.image_rows)
        assert np.abs(back.boxes_xywh - expected.boxes_xywh).max() < WIDTH * 1e-6
        inside = (expected.keypoints[:, :, 0] <= WIDTH)[:, :, None]
        keypoints = np.where(inside, expected.keypoints, 0)
        assert np.array_equal(back.keypoints[:, :, 2], keypoints[:, :, 2])
        assert np.abs(back.keypoints - keypoints).max() < WIDTH * 1e-6


def test_every_yolo_label_follows_the_rules_of_ultralytics_loader(built, tmp_path):
    """5 + 3 k columns, coordinates from 0 to 1, no repeated line, paths in pairs."""
    export_set(built, "yolo", tmp_path / "out")
    images = sorted((tmp_path / "out" / "images").rglob("*.*"))
    assert len(images) == 5
    for image in images:
        label = Path(str(image).replace("/images/", "/labels/")).with_suffix(".txt")
        lines = label.read_text().splitlines()
        assert len(set(lines)) == len(lines)
        values = np.array([[float(w) for w in line.split()] for line in lines]).reshape(-1, 68)
        assert (values[:, 1:5] <= 1).all() and (values >= 0).all()
        assert (values[:, 5:].reshape(-1, 3)[:, :2] <= 1).all()
        assert set(values[:, 7::3].ravel()) <= {0, 1, 2}
    text = (tmp_path / "out" / "data.yaml").read_text()
    assert "kpt_shape: [21, 3]" in text
    assert f"flip_idx: {SMALLPOSE.flip_indices.tolist()}" in text


def test_images_of_the_same_name_in_two_folders_get_different_names():
    names = ("coco/a/1.jpg", "coco/a__1.png", "coco__a/1.jpg", "x/y.jpg")
    stems = [Path(n).stem for n in flatten_names(names)]
    assert len(set(stems)) == 4
    assert all("/" not in n for n in flatten_names(names))


def test_yolo_requires_the_size_of_every_image(built, tmp_path):
    path = built / "annotations" / "train.json"
    people = read_coco(path)
    unknown = replace(people.images, width=np.zeros_like(people.images.width))
    write_coco(replace(people, images=unknown), path)
    with pytest.raises(InputError, match="width and height are unknown"):
        export_set(built, "yolo", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_commands_of_the_readme_make_the_layout_that_sleap_io_reads(built, tmp_path):
    out = tmp_path / "out"
    result = export_set(built, "yolo", out)
    (commands,) = re.findall(r"```sh\n(for .*?)```", (out / "README.md").read_text(), re.DOTALL)
    subprocess.run(["bash", "-euc", commands], cwd=out, check=True)
    for split in ("train", "val"):
        stems = [{p.stem for p in (out / split / kind).iterdir()} for kind in ("images", "labels")]
        assert stems[0] == stems[1] and stems[0]
    assert "train: train/images\nval: val/images\n" in (out / "data.yaml").read_text()
    assert not (out / "images").exists()
    sleap_io = pytest.importorskip("sleap_io", reason="pip install sleap-io to check")
    labels = [sleap_io.load_ultralytics(str(out), split=s) for s in ("train", "val")]
    assert sum(len(frame.instances) for part in labels for frame in part) == result.people
