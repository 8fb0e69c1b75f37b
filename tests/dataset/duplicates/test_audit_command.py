"""Tests of `smallpose audit`: leaks, suspect labels and missing images."""

import argparse
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from smallpose.cli import audit
from smallpose.core.errors import RefusedError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import SMALLPOSE
from smallpose.io.coco_annotations import write_coco


@pytest.fixture
def leaky(tmp_path: Path, draw_scene, crop) -> Path:
    """A built data set whose test split contains a mirrored crop of a training image."""
    folder = tmp_path / "set"
    rng = np.random.default_rng(2)
    contents = {
        "coco/0.png": draw_scene(0),
        "coco/1.png": draw_scene(1),
        "mpii/2.png": draw_scene(2),
    }
    contents |= {
        "mpii/3.png": crop(draw_scene(0), rng, 0.8)[:, ::-1].copy(),
        "aic/4.png": draw_scene(4),
    }
    names = {"train": list(contents)[:3], "test": [*list(contents)[3:], "aic/gone.png"]}
    for number, (split, split_names) in enumerate(names.items()):
        m = len(split_names)
        keypoints = np.zeros((m, 21, 3))
        keypoints[:, :9] = (50, 60, 2)  # all at one position
        images = make_images(
            [10 * number + n for n in range(1, len(split_names) + 1)],
            split_names,
            [300] * 3,
            [200] * 3,
            source=[1 + n % 3 for n in range(len(split_names))],
        )
        people = make_instances(
            SMALLPOSE,
            images,
            range(len(split_names)),
            [[20, 20, 60, 90]] * len(split_names),
            keypoints,
        )
        write_coco(people, folder / "annotations" / f"{split}.json")
    for name, image in contents.items():
        (folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / "images" / name), image)
    manifest = {"sources": {}, "files": {}, "pictures": {}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def run_audit(*words: str) -> None:
    parser = argparse.ArgumentParser()
    audit.add_arguments(parser)
    audit.run_command(parser.parse_args(list(words)))


def test_audit_prints_leaks_suspects_and_missing_images(leaky, tmp_path, capsys):
    out = tmp_path / "audit.json"
    run_audit(str(leaky), "--json", str(out), "--sheet", str(tmp_path / "sheets"))
    report = json.loads(out.read_text())
    assert [(p["first"], p["second"], p["kind"]) for p in report["leaks"]["pairs"]] == [
        ("coco/0.png", "mpii/3.png", "mirrored crop")
    ]
    assert report["leaks"]["move_to_test"] == ["coco/0.png"]
    assert report["leaks"]["missing"] == ["aic/gone.png"]
    assert [p["reason"] for p in report["labels"]["train"]] == ["collapsed"] * 3
    text = capsys.readouterr().out
    assert "1 of them leaks between train and test" in text
    assert "keypoints are at one position" in text
    sheet = cv2.imread(str(tmp_path / "sheets" / "suspects-train.png"))
    assert sheet is not None and sheet.std() > 10


def test_audit_of_labels_needs_no_images_and_writes_json_to_stdout(leaky, capsys):
    shutil.rmtree(leaky / "images")
    run_audit(str(leaky), "--labels-only", "--json", "-")
    report = json.loads(capsys.readouterr().out)
    assert report["leaks"] is None and len(report["labels"]["test"]) == 3


def test_audit_refuses_a_link_that_leaves_the_sources(leaky, tmp_path, draw_scene):
    outside = tmp_path / "outside.png"
    cv2.imwrite(str(outside), draw_scene(9))
    (leaky / "images" / "coco" / "0.png").unlink()
    (leaky / "images" / "coco" / "0.png").symlink_to(outside)
    with pytest.raises(RefusedError, match="leaves"):
        run_audit(str(leaky))
