"""Damaged annotation files of every source: `build` ends in one line and leaves nothing."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import check_mutants, fuzz_counts, run_checked
from mutations import iterate_json_mutants, mutate_bytes

from smallpose.core.skeleton import COCO17

SMALL, LARGE = 30, 2000
COMMON = ["--images", "none", "--missing-images", "keep", "--leaks", "off"]


def coco(root: Path) -> tuple[Path, object]:
    """Return the path of a file of this source, and a sound value for it."""
    images = [{"id": i, "file_name": f"{i:012d}.jpg", "width": 90, "height": 80} for i in (1, 2)]
    person = {"category_id": 1, "iscrowd": 0, "num_keypoints": 17, "bbox": [1, 2, 30, 40.5]}
    person |= {"keypoints": [5, 6.5, 2] * 17, "area": 900.0, "segmentation": [[1, 2, 3, 4, 5, 6]]}
    people = [person | {"id": i, "image_id": 1 + i // 3} for i in range(1, 4)]
    joints = list(COCO17.joints)
    category = {"id": 1, "name": "person", "keypoints": joints, "skeleton": [[1, 2]]}
    value = {"images": images, "annotations": people, "categories": [category]}
    return root / "annotations/person_keypoints_val2017.json", value


def aic(root: Path) -> tuple[Path, object]:
    entry = {
        "image_id": "a1",
        "url": "http://x",
        "keypoint_annotations": {"human1": [1, 1, 1] * 14, "human2": [2, 3, 2] * 14},
        "human_annotations": {"human1": [1, 2, 30, 40], "human2": [3, 4, 50, 60]},
    }
    name = "keypoint_validation_20170911/keypoint_validation_annotations_20170911.json"
    return root / name, [entry, entry | {"image_id": "b2"}]


def hieve(root: Path) -> tuple[Path, object]:
    point = [{"id": [i], "x": [5.5 + i], "y": [6.0], "score": [1]} for i in range(3)]
    person = {"x1": [1], "y1": [1], "x2": [9], "y2": [9], "score": [1], "track_id": [3]}
    person["annopoints"] = [{"point": point}]
    frames = [
        {"image": [{"name": f"{20 * i:06d}.jpg"}], "annorect": [person], "ignore_regions": []}
        for i in range(2)
    ]
    frames[1]["ignore_regions"] = [{"point": [{"x": [1], "y": [2]}, {"x": [3], "y": [4]}]}]
    return root / "HIE20/labels/train/track2&3/1.json", {"annolist": frames}


def posetrack(root: Path) -> tuple[Path, object]:
    folder = "images/val/000001_mpii_test"
    images = [
        {"id": 10 + i, "file_name": f"{folder}/{i:06d}.jpg", "is_labeled": True, "frame_id": i}
        | {"vid_id": "000001", "nframes": 2, "width": 90, "height": 80}
        for i in range(2)
    ]
    images[0] |= {"ignore_regions_x": [[1, 5, 5]], "ignore_regions_y": [[1, 1, 5]]}
    person = {"image_id": 10, "bbox": [1, 2, 30, 40], "bbox_head": [1, 2, 3, 4], "track_id": 0}
    person |= {"keypoints": [7, 8, 1] * 17, "category_id": 1, "scores": []}
    people = [person | {"id": i, "image_id": 10 + i % 2} for i in range(3)]
    value = {"images": images, "annotations": people, "categories": [{"id": 1, "name": "person"}]}
    return root / "annotations/val/000001_mpii_test.json", value


def custom(root: Path) -> tuple[Path, object]:
    _, value = coco(root)
    return root / "annotations/val.json", value


SOURCES = {
    "coco": (coco, "--coco"),
    "aic": (aic, "--aic"),
    "hieve": (hieve, "--hieve"),
    "posetrack": (posetrack, "--posetrack"),
    "custom": (custom, "--source"),
}


@fuzz_counts(SMALL, LARGE)
@pytest.mark.parametrize("name", SOURCES)
def test_a_damaged_source_is_refused_in_one_line(name, count, tmp_path, capsys):
    write, flag = SOURCES[name]
    root, out = tmp_path / "source", tmp_path / "out"
    path, sound = write(root)
    path.parent.mkdir(parents=True)
    value = f"shop={root}" if name == "custom" else root

    def build(text: bytes) -> int:
        path.write_bytes(text)
        code = run_checked(["build", out, flag, value, *COMMON], out, capsys)
        assert not list(tmp_path.glob(".*")), "unfinished files"
        shutil.rmtree(out, ignore_errors=True)
        return code

    assert build(json.dumps(sound).encode()) == 0
    codes = check_mutants(iterate_json_mutants(sound, 11, count), build)
    assert codes[2] > count / 4


SHEET = """<?xml version="1.0"?>
<annotation><folder>hm</folder><filename>0.jpg</filename>
<size><width>1920</width><height>1080</height><depth>3</depth></size>
<object><name>P-1</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>51</xmax><ymax>102</ymax>
<Nose>10,20,0</Nose><Right-shoulder>30,40,1</Right-shoulder><Left-shoulder>5,6,-1</Left-shoulder>
</bndbox></object>
<object><name>P-2</name><bndbox><xmin>9</xmin><ymin>2</ymin><xmax>61</xmax><ymax>102</ymax>
<Nose>12,20,0</Nose></bndbox></object></annotation>
"""
ODD_TEXTS = ("", "nan", "inf", "-1", "1e400", "9" * 40, "a,b,c", "1,2", "1,2,3,4", "<x/>", "&amp;")


def change_xml(text: str, rng: np.random.Generator) -> bytes:
    """Replace the text of an element, drop or double an element, or change bytes."""
    kind = rng.integers(4)
    if kind == 0:
        return mutate_bytes(text.encode(), rng)
    elements = list(re.finditer(r"<([\w-]+)>([^<]*)</\1>", text))
    match = elements[int(rng.integers(len(elements)))]
    tag, odd = match[1], ODD_TEXTS[int(rng.integers(len(ODD_TEXTS)))]
    new = {1: f"<{tag}>{odd}</{tag}>", 2: "", 3: match[0] * 2}[int(kind)]
    return (text[: match.start()] + new + text[match.end() :]).encode()


@fuzz_counts(SMALL, LARGE)
def test_a_damaged_xml_file_is_refused_in_one_line(count, tmp_path, capsys):
    root, out = tmp_path / "hieve", tmp_path / "out"
    path = root / "HIE20/labels/train/all-track/1/000000.xml"
    path.parent.mkdir(parents=True)

    def build(text: bytes) -> int:
        path.write_bytes(text)
        code = run_checked(["build", out, "--hieve", root, *COMMON], out, capsys)
        shutil.rmtree(out, ignore_errors=True)
        return code

    assert build(SHEET.encode()) == 0
    mutants = (change_xml(SHEET, np.random.default_rng([12, i])) for i in range(count))
    assert check_mutants(mutants, build)[2] > count / 5


@fuzz_counts(SMALL, LARGE)
def test_a_damaged_map_of_joints_is_refused_in_one_line(count, tmp_path, capsys):
    root, out, joint_map = tmp_path / "shop", tmp_path / "out", tmp_path / "map.json"
    path, source = custom(root)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(source))
    sound = {"nose": "nose", "left_eye": "left_eye", "left_ankle": "left_ankle"}

    def build(text: bytes) -> int:
        joint_map.write_bytes(text)
        command = ["build", out, "--source", f"shop={root}", "--map", joint_map, *COMMON]
        code = run_checked(command, out, capsys)
        shutil.rmtree(out, ignore_errors=True)
        return code

    assert build(json.dumps(sound).encode()) == 0
    check_mutants(iterate_json_mutants(sound, 13, count), build)
