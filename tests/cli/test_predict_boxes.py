"""`smallpose predict --boxes det.json photos/`: a detector's file serves a plain folder."""

import json

import cv2
import numpy as np
import pytest
import torch

from smallpose import create_method
from smallpose.cli.main import main
from smallpose.io.result_environment import read_environment
from smallpose.training.checkpoint import save_model

METHOD = "simple_baseline_r18_tiny"
BOX = {"category_id": 1, "bbox": [1, 1, 30, 40], "score": 0.5}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("boxes")
    torch.manual_seed(0)
    method = create_method(METHOD)
    torch.nn.init.normal_(method.head.final_layer.weight, std=0.3)
    save_model(method, folder / "run", method.recipes["quick"])
    (folder / "photos" / "below").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("a.png", "below/a.png", "000007.jpg", "c.jpg"):
        cv2.imwrite(str(folder / "photos" / name), rng.integers(0, 255, (60, 80, 3), np.uint8))
    return folder


def predict(files, folder, records, *more):
    (folder / "det.json").write_text(json.dumps(records))
    out = folder / "o.json"
    words = (files / "run", files / "photos", "--boxes", folder / "det.json", "--out", out, *more)
    if main(["predict", *map(str, words)]) != 0:
        return None
    return json.loads(out.read_text())


def list_names(results):
    return [record["file_name"].rsplit("photos/", 1)[1] for record in results]


def box(**fields):
    return BOX | fields


@pytest.mark.parametrize("shards", [False, True])
def test_images_are_found_by_file_name_else_by_stem(files, tmp_path, shards, capsys):
    more = ("--shards", tmp_path / "s") if shards else ()
    records = [
        box(image_id=4, file_name="c.jpg", bbox=[20, 8, 40, 45]),
        box(image_id=7),
        box(image_id=9, file_name="below/a.png"),
        box(image_id=9, bbox=[40, 10, 35, 45]),
        box(image_id=1, file_name="elsewhere.jpg"),
        box(image_id="c", category_id=3),
    ]
    results = predict(files, tmp_path, records, *more)
    message = capsys.readouterr().err
    assert "2 of 6 boxes left out: 1 of other images, 1 of other categories" in message
    assert "1 of 4 images has no box" in message
    if shards:
        assert len(results) == 4
        return
    assert list_names(results) == ["000007.jpg", "below/a.png", "below/a.png", "c.jpg"]
    assert results[3]["bbox"] == [20, 8, 40, 45]


@pytest.mark.parametrize("shards", [False, True])
def test_people_in_overlapping_boxes_are_merged_and_counted(files, tmp_path, shards, capsys):
    more = ("--shards", tmp_path / "s", "--shard-images", 1) if shards else ()
    # Boxes of a detector without NMS: one twice, in each of two images.
    records = [box(image_id=name, bbox=[5, 5, 30, 40]) for name in ("c", "c", 7, 7)]
    assert len(predict(files, tmp_path, records, *more)) == 2
    printed = " ".join(capsys.readouterr().out.split())
    merged = "--nms 0.9 left out 2 of 4 people as found twice (--nms 1 keeps all)"
    assert f"2 people in 4 images; {merged}: " in printed
    recorded = read_environment(tmp_path / "o.json")["score_limits"]
    assert recorded == {"--nms": {"oks": 0.9, "left_out": 2, "detections": 4}}
    if not shards:
        assert len(predict(files, tmp_path, records, "--nms", 1)) == 4
        assert "--nms" not in capsys.readouterr().out


def test_the_poses_are_those_of_the_same_boxes_with_a_coco_file(files, tmp_path):
    names = ("000007.jpg", "c.jpg")
    records = [box(image_id=50 + i, file_name=name) for i, name in enumerate(names)]
    plain = predict(files, tmp_path, records)
    images = [
        {"id": 50 + i, "file_name": name, "width": 80, "height": 60} for i, name in enumerate(names)
    ]
    (tmp_path / "data.json").write_text(json.dumps({"images": images}))
    words = (files / "run", "--data", tmp_path / "data.json", "--images", files / "photos")
    words += ("--boxes", tmp_path / "det.json", "--out", tmp_path / "coco.json")
    assert main(["predict", *map(str, words)]) == 0
    expected = json.loads((tmp_path / "coco.json").read_text())
    assert [r["keypoints"] for r in plain] == [r["keypoints"] for r in expected]


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (
            [box(image_id=1, file_name="c.jpg"), box(image_id=1, file_name="below/a.png")],
            "image_id 1 is of 'below/a.png' here and of 'c.jpg' before",
        ),
        (
            [box(image_id=1, file_name="c.jpg"), box(image_id=2, file_name="c.jpg")],
            "'c.jpg' has image_id 2 here and 1 before",
        ),
        (
            [box(image_id=7, file_name="c.jpg"), box(image_id=7)],
            "image_id 7 is the name of ",
        ),
        ([box(file_name="a.png")], "several images are called 'a.png'"),
        ([box(image_id=3)], "file_name, else image_id, is to be the name of the file"),
    ],
)
def test_contradictions_are_errors(files, tmp_path, records, message, capsys):
    assert predict(files, tmp_path, records) is None
    text = capsys.readouterr().err
    assert message in " ".join(text.split()) and "Traceback" not in text
    assert not (tmp_path / "o.json").exists()


def test_boxes_whose_id_and_name_differ_are_answered_with_what_predict_has(files, tmp_path, capsys):
    names = ("000007.jpg", "c.jpg")
    images = [
        {"id": i, "file_name": name, "width": 80, "height": 60} for i, name in enumerate(names)
    ]
    (tmp_path / "data.json").write_text(json.dumps({"images": images}))
    (tmp_path / "det.json").write_text(json.dumps([box(image_id=1, file_name=names[0])]))
    words = (files / "run", "--data", tmp_path / "data.json", "--images", files / "photos")
    words += ("--boxes", tmp_path / "det.json", "--out", tmp_path / "o.json")
    assert main(["predict", *map(str, words)]) == 2
    error = capsys.readouterr().err
    assert "correct one of the two; ids that predict numbered itself become" in error
    assert "--unknown-images" not in error  # which is an option of evaluate
