"""The JSON files of a built set, damaged: each command that reads them ends in one line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import check_mutants, fuzz_counts, run_checked
from mutations import iterate_json_mutants
from PIL import Image

SMALL, LARGE = 40, 3000


def write_source(root: Path) -> Path:
    """Write a COCO source of three images with two people each."""
    images, people = [], []
    for i in range(1, 4):
        name = f"{i:012d}.jpg"
        folder = root / ("val2017" if i == 3 else "train2017")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 255, (40, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
        images.append({"id": i, "file_name": name, "width": 60, "height": 40})
        for j in range(2):
            keypoints = [v for k in range(17) for v in (5 + k + 20 * j, 10 + k, 2)]
            people.append({"id": 2 * i + j, "image_id": i, "category_id": 1, "iscrowd": 0})
            people[-1] |= {"bbox": [4 + 20 * j, 8, 20, 24], "area": 480.0}
            people[-1] |= {"keypoints": keypoints, "num_keypoints": 17}
    for split, chosen in (("train", images[:2]), ("val", images[2:])):
        ids = {image["id"] for image in chosen}
        content = {"images": chosen, "annotations": [p for p in people if p["image_id"] in ids]}
        path = root / "annotations" / f"person_keypoints_{split}2017.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    return root


@pytest.fixture
def built(tmp_path, capsys):
    """Build a set of that source; return its folder and the source's."""
    source = write_source(tmp_path / "coco")
    assert run_checked(["build", tmp_path / "set", "--coco", source], None, capsys) == 0
    return tmp_path / "set", source


@fuzz_counts(SMALL, LARGE)
def test_a_damaged_index_is_refused_in_one_line(count, built, tmp_path, capsys):
    folder, source = built
    index, out = tmp_path / "index.json", tmp_path / "again"
    sound = json.loads((folder / "index.json").read_text())

    def build(text: bytes) -> int:
        index.write_bytes(text)
        command = ["build", out, "--coco", source, "--from-index", index]
        code = run_checked(command, out, capsys)
        shutil.rmtree(out, ignore_errors=True)
        return code

    assert build(json.dumps(sound).encode()) == 0
    codes = check_mutants(iterate_json_mutants(sound, 1, count), build)
    assert codes[2] > count / 4


@fuzz_counts(SMALL, LARGE)
@pytest.mark.parametrize("verb", ["check", "audit", "release", "export"])
def test_a_damaged_manifest_is_refused_in_one_line(verb, count, built, tmp_path, capsys):
    folder, _ = built
    path, out = folder / "manifest.json", tmp_path / "out"
    sound = json.loads(path.read_text())
    command = {
        "check": ["check", folder],
        "audit": ["audit", folder],
        "release": ["release", folder, "--out", out],
        "export": ["export", folder, "--to", "yolo", "--out", out],
    }[verb]

    def run(text: bytes) -> int:
        path.write_bytes(text)
        code = run_checked(command, out, capsys)
        shutil.rmtree(out, ignore_errors=True)
        return code

    assert run(path.read_bytes()) == 0
    check_mutants(iterate_json_mutants(sound, 2, count), run)


@fuzz_counts(SMALL, LARGE)
def test_a_damaged_list_of_leaks_is_refused_in_one_line(count, built, tmp_path, capsys):
    folder, _ = built
    path, out = folder / "leaks.json", tmp_path / "out"
    sound = json.loads(path.read_text())

    def run(text: bytes) -> int:
        path.write_bytes(text)
        code = run_checked(["release", folder, "--out", out], out, capsys)
        shutil.rmtree(out, ignore_errors=True)
        return code

    assert run(path.read_bytes()) == 0
    check_mutants(iterate_json_mutants(sound, 3, count), run)
