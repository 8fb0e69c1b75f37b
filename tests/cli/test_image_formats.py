"""Every verb that reads images reads the same formats, and none is skipped in silence."""

import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from smallpose import create_method, read_coco
from smallpose.cli.main import main
from smallpose.training.checkpoint import save_model

METHOD = "simple_baseline_r18_tiny"
FORMATS = {
    "a.tif": "TIFF",
    "b.gif": "GIF",
    "c.jfif": "JPEG",
    "d.jpe": "JPEG",
    "e.mpo": "MPO",
    "f.png": "PNG",
    "g.TIFF": "TIFF",
    "h.webp": "WEBP",
    "i.bmp": "BMP",
}


@pytest.fixture
def labels(tmp_path):
    """A COCO file of one image of each format, in the folder own, with the images in own/images."""
    folder = tmp_path / "own" / "images"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, kind in FORMATS.items():
        small = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)
        image = Image.fromarray(small.repeat(12, axis=0).repeat(12, axis=1))
        image.save(folder / name, kind, **({"save_all": True} if kind == "MPO" else {}))
    joints = [[20 + 5 * j, 20 + 4 * j, 2] for j in range(17)]
    keypoints = [value for joint in joints for value in joint]
    truth = {
        "images": [
            {"id": i, "file_name": name, "width": 144, "height": 108}
            for i, name in enumerate(FORMATS)
        ],
        "annotations": [
            {"id": i + 1, "image_id": i, "category_id": 1, "bbox": [15, 15, 95, 80], "area": 7600}
            | {"iscrowd": 0, "num_keypoints": 17, "keypoints": keypoints}
            for i in range(len(FORMATS))
        ],
        "categories": [
            {"id": 1, "name": "person", "keypoints": list(create_method(METHOD).skeleton.joints)}
        ],
    }
    (tmp_path / "own" / "labels.json").write_text(json.dumps(truth))
    return tmp_path / "own" / "labels.json"


def test_check_build_and_predict_read_every_format(labels, tmp_path, capsys):
    images = labels.parent / "images"
    assert main(["check", str(labels), "--images", str(images)]) == 0
    assert "no faults" in capsys.readouterr().out
    assert main(["build", str(tmp_path / "set"), "--source", f"own={labels.parent}"]) == 0
    assert {p.name for p in (tmp_path / "set" / "images" / "own").iterdir()} == set(FORMATS)
    capsys.readouterr()
    torch.manual_seed(0)
    method = create_method(METHOD)
    save_model(method, tmp_path / "w", method.recipes["quick"])
    (images / "k.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(300))
    out = tmp_path / "f.json"
    words = ["predict", METHOD, "--weights", str(tmp_path / "w"), str(images), "--out", str(out)]
    assert main(words) == 0
    captured = capsys.readouterr()
    assert f"{len(FORMATS)} people in {len(FORMATS)} images" in captured.out
    assert "by the name no image or video: .heic (1): k.heic" in captured.err
    listed = read_coco(tmp_path / "f.images.json").images
    assert [name.rpartition("/")[2] for name in listed.file_names] == sorted(FORMATS)
    assert set(listed.width.tolist()) == {144} and set(listed.height.tolist()) == {108}
    words[4] = str(images / "k.heic")
    assert main(words) in (2, 3)
    assert "images of format AVIF or HEIC are not opened" in capsys.readouterr().err


def test_without_pyav_a_video_names_what_to_install(labels, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(300))
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "model.safetensors").write_bytes(b"\x02" + bytes(7) + b"{}")
    words = ["predict", METHOD, "--weights", str(tmp_path / "w"), str(tmp_path / "a.mp4")]
    assert main([*words, "--out", str(tmp_path / "f.json")]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line == "smallpose predict: PyAV is not installed; pip install '.[video]' in your clone"
