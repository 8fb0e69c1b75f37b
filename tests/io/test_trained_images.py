"""Results on images that their model was trained on are told, and no others are."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smallpose.core.instances import SOURCES, Instances, make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.io import coco_annotations, trained_images
from smallpose.io.coco_annotations import read_coco, write_coco
from smallpose.io.result_environment import get_environment_path, write_environment
from smallpose.io.trained_images import describe_run, describe_trained_images
from smallpose.system.files import hash_file

Content = dict[str, Any]
NUM_IMAGES = 6


def make_people(names: list[str], seed: int = 0, side: int = 200) -> Instances:
    """Make two people in each image, of whom the second has two labelled keypoints."""
    rng = np.random.default_rng(seed)
    m = len(names)
    images = make_images(range(1, m + 1), names, [side] * m, [side] * m)
    rows = np.repeat(np.arange(m), 2)
    keypoints = np.concatenate(
        [rng.uniform(10, side - 10, (2 * m, 17, 2)), np.full((2 * m, 17, 1), 2.0)], axis=2
    )
    keypoints[1::2, 2:] = 0
    boxes = np.tile([0.0, 0.0, side, side], (2 * m, 1))
    return make_instances(COCO17, images, rows, boxes, keypoints)


def edit(path: Path, change: Callable[[Content], Content]) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results beside which a run is recorded that was trained on six images."""
    monkeypatch.chdir(tmp_path)
    train = tmp_path / "own" / "annotations" / "train.json"
    train.parent.mkdir(parents=True)
    write_coco(make_people([f"video/{i:06d}.jpg" for i in range(NUM_IMAGES)]), train)
    run = tmp_path / "runs" / "own"
    run.mkdir(parents=True)
    sets = [{"name": "synthetic"}, {"name": "own", "labels_sha256": hash_file(train)}]
    (run / "model.json").write_text(json.dumps({"sha256": "abc", "trained_on": sets}))
    options = {"data": str(tmp_path / "own"), "setting": "B", "subset": None}
    (run / "options.json").write_text(json.dumps(options))
    path = tmp_path / "results.json"
    path.write_text("[]")
    write_environment(path, describe_run(run, path))
    return path


def take_training_people() -> Instances:
    return read_coco("own/annotations/train.json")


def test_the_record_names_the_run_from_the_folder_of_the_results(results):
    record = json.loads(get_environment_path(results).read_text())
    assert record["run"] == {"folder": "runs/own", "weights_sha256": "abc"}
    run = Path("runs/own")
    assert describe_run(run / "model.safetensors", results) == {"run": record["run"]}
    assert describe_run(None, results) == describe_run(Path("own"), results) == {}
    assert describe_run(run / "downloaded.pth", results) == {}  # whatever it was trained on


def test_images_of_the_training_are_counted(results):
    (note,) = describe_trained_images(results, take_training_people())
    assert note == (
        "6 of 6 images with people are among those that runs/own was trained on (with the same "
        "name, size and keypoints in own/annotations/train.json), so AP is too high for new "
        "images; score images that it was not trained on"
    )
    names = [f"copies/{i:06d}.jpg" for i in (0, 7, 8)]
    mixed = make_people(names, seed=0)  # the first image has the same people
    (note,) = describe_trained_images(results, mixed)
    assert note.startswith("1 of 3 images with people is among those")


def test_the_command_can_run_in_another_folder(results, monkeypatch):
    monkeypatch.chdir("/")
    truth = read_coco(results.parent / "own" / "annotations" / "train.json")
    (note,) = describe_trained_images(results, truth)
    assert "runs/own was trained on" in note


def test_other_images_of_the_same_names_and_other_names_of_the_same_labels_are_not_meant(results):
    names = [f"video/{i:06d}.jpg" for i in range(NUM_IMAGES)]
    assert describe_trained_images(results, make_people(names, seed=1)) == ()
    renamed = make_people([f"video/{i + 100:06d}.jpg" for i in range(NUM_IMAGES)])
    assert describe_trained_images(results, renamed) == ()


def retrain(record: Content) -> Content:
    return record | {"sha256": "other"}


def forget_training(record: Content) -> Content:
    return record | {"trained_on": record["trained_on"][:1]}


def choose_subset(record: Content) -> Content:
    return record | {"subset": "/lists/half.json"}


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("runs/own/model.json", retrain),
        ("runs/own/model.json", forget_training),
        ("runs/own/model.json", lambda _: {}),
        ("runs/own/options.json", choose_subset),
        ("runs/own/options.json", lambda _: {}),
        ("own/annotations/train.json", lambda labels: labels | {"info": {"edited": 1}}),
        ("results.json", lambda _: [{}]),
        ("results.environment.json", lambda _: {"run": 3}),
        ("results.environment.json", lambda record: record | {"run": {}}),
    ],
)
def test_what_is_not_certain_is_not_said(file, change, results):
    truth = take_training_people()
    text = Path(file).read_text()
    edit(Path(file), change)
    assert describe_trained_images(results, truth) == ()
    Path(file).write_text(text[:20] + "[")
    assert describe_trained_images(results, truth) == ()
    Path(file).unlink()
    assert describe_trained_images(results, truth) == ()


def test_the_labels_of_several_runs_are_read_once(results, monkeypatch):
    """Results that are compared are often of one set, of which each read the labels again."""
    truth = take_training_people()
    first = describe_trained_images(results, truth)
    assert first
    monkeypatch.setattr(coco_annotations, "read_coco", lambda path: 1 / 0)
    assert describe_trained_images(results, truth) == first


def test_large_labels_are_not_read(results, monkeypatch):
    monkeypatch.setattr(trained_images, "_MAX_BYTES", 100)
    assert describe_trained_images(results, take_training_people()) == ()


def test_setting_a_was_trained_on_the_part_of_coco_alone(results):
    edit(Path("runs/own/options.json"), lambda options: options | {"setting": "A"})
    truth = take_training_people()
    assert SOURCES[truth.source[0]] != "coco"
    assert describe_trained_images(results, truth) == ()
