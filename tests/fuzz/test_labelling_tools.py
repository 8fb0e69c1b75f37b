"""Damaged exports of labelling tools: `build` ends in one line and leaves nothing."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commands import check_mutants, fuzz_counts, run_checked
from mutations import iterate_json_mutants, mutate_bytes
from PIL import Image

SMALL, LARGE = 15, 2000
COMMON = ["--images", "none", "--missing-images", "keep", "--leaks", "off"]
SIZE = {"original_width": 90, "original_height": 80, "image_rotation": 0}


def labelme(root: Path) -> tuple[Path, object]:
    """Return the path of a file of this tool, and a sound value for it."""
    box = {"label": "person", "points": [[1, 2], [30, 40]], "shape_type": "rectangle"}
    shapes = [box | {"group_id": 1, "flags": {}}]
    for index, joint in enumerate(("nose", "left_wrist", "right_wrist")):
        point = {"label": joint, "points": [[5.5 + index, 6]], "shape_type": "point"}
        shapes.append(point | {"group_id": 1, "flags": {"hidden": True}, "difficult": False})
    size = {"imageHeight": 80, "imageWidth": 90, "imageData": None}
    return root / "a.json", {"version": "6", "shapes": shapes, "imagePath": "a.jpg"} | size


def label_studio(root: Path) -> tuple[Path, object]:
    box = {"x": 5, "y": 5, "width": 50, "height": 90, "rotation": 9, "rectanglelabels": ["person"]}
    results = [{"id": "b", "type": "rectanglelabels", "value": box} | SIZE]
    for joint in ("nose", "left_wrist"):
        value = {"x": 10, "y": 20.5, "width": 0.5, "keypointlabels": [joint]}
        results.append({"id": joint, "parentID": "b", "value": value} | SIZE)
    results.append({"type": "relation", "from_id": "nose", "to_id": "b"})
    annotation = {"result": results, "was_cancelled": False, "ground_truth": True}
    task = {"id": 1, "data": {"image": "/data/upload/1/0a1b2c3d-a.jpg"}}
    return root / "val.json", [task | {"annotations": [annotation]}]


def datumaro(root: Path) -> tuple[Path, object]:
    points = {"type": "points", "group": 8, "label_id": 0, "points": [5, 6.5, 7, 8]}
    box = {"type": "bbox", "group": 8, "label_id": 0, "bbox": [1, 2, 30, 40.5]}
    joints = {"items": [{"label_id": 0, "labels": ["nose", "left_wrist"]}]}
    labels = {"labels": [{"name": "person", "parent": ""}, {"name": "car"}]}
    item = {"id": "a", "annotations": [points | {"visibility": [2, 1]}, box]}
    item["image"] = {"path": "a.jpg", "size": [80, 90]}
    head = {"dm_format_version": "1.0", "categories": {"label": labels, "points": joints}}
    return root / "annotations" / "val.json", head | {"items": [item]}


TOOLS = {"labelme": labelme, "label studio": label_studio, "datumaro": datumaro}


@pytest.fixture
def build(tmp_path, capsys) -> Callable[[Path, bytes], int]:
    """`build(path, text)`: writes a file of the source and returns the exit code of `build`."""

    def run(path: Path, text: bytes) -> int:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
        out = tmp_path / "out"
        command = ["build", out, "--source", f"shop={tmp_path / 'source'}", *COMMON]
        code = run_checked(command, out, capsys)
        shutil.rmtree(out, ignore_errors=True)
        return code

    return run


@fuzz_counts(SMALL, LARGE)
@pytest.mark.parametrize("name", TOOLS)
def test_a_damaged_json_export_is_refused_in_one_line(name, count, tmp_path, build):
    path, sound = TOOLS[name](tmp_path / "source")
    assert build(path, json.dumps(sound).encode()) == 0
    mutants = iterate_json_mutants(sound, 21, count)
    assert check_mutants(mutants, lambda text: build(path, text))[2] > count / 5


CVAT = """<?xml version="1.0"?>
<annotations><version>1.1</version><image id="0" name="a.jpg" width="90" height="80">
<skeleton label="person" group_id="0"><points label="nose" outside="0" occluded="1" points="5,6"/>
<points label="left_wrist" outside="0" occluded="0" points="7.5,8"/></skeleton>
<box label="person" xtl="1" ytl="2" xbr="31" ybr="42" group_id="0"/><tag label="x"/></image>
</annotations>
"""
YAML = b"train: images\nkpt_shape: [2, 3]\nnames: {0: person}\nkpt_names: {0: [nose, left_eye]}\n"
LINES = b"0 .5 .5 .25 .5 .1 .2 2 .3 .4 1\n0 .5 .5 .25 .5 .1 .2 0 .3 .4 1\n"
ODD_TEXTS = ("", "nan", "inf", "-1", "1e400", "9" * 40, "a,b", "1,2,3", "../x.jpg", "&amp;", "C:")


def change_attribute(text: str, rng: np.random.Generator) -> bytes:
    """Replace the value of an attribute, drop it, or change bytes."""
    kind = rng.integers(3)
    if kind == 0:
        return mutate_bytes(text.encode(), rng)
    attributes = list(re.finditer(r' (\w+)="([^"]*)"', text))
    match = attributes[int(rng.integers(len(attributes)))]
    odd = ODD_TEXTS[int(rng.integers(len(ODD_TEXTS)))]
    new = f' {match[1]}="{odd}"' if kind == 1 else ""
    return (text[: match.start()] + new + text[match.end() :]).encode()


@fuzz_counts(SMALL, LARGE)
def test_a_damaged_cvat_file_is_refused_in_one_line(count, tmp_path, build):
    path = tmp_path / "source" / "annotations.xml"
    assert build(path, CVAT.encode()) == 0
    mutants = (change_attribute(CVAT, np.random.default_rng([22, i])) for i in range(count))
    assert check_mutants(mutants, lambda text: build(path, text))[2] > count / 5


@fuzz_counts(SMALL, LARGE)
@pytest.mark.parametrize("name", ["data.yaml", "labels/a.txt"])
def test_a_damaged_yolo_file_is_refused_in_one_line(name, count, tmp_path, build):
    root = tmp_path / "source"
    (root / "images").mkdir(parents=True)
    Image.new("RGB", (90, 80)).save(root / "images" / "a.jpg")
    sound = {"data.yaml": YAML, "labels/a.txt": LINES}
    for other, content in sound.items():
        assert build(root / other, content) in (0, 2)  # the first alone has no person
    assert build(root / name, sound[name]) == 0
    mutants = (mutate_bytes(sound[name], np.random.default_rng([23, i])) for i in range(count))
    assert check_mutants(mutants, lambda text: build(root / name, text))[2] > count / 5
