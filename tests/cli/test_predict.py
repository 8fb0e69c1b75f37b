"""`smallpose predict` as a user calls it: every kind of method, of image and of box."""

import gzip
import json
import os
import shutil

import cv2
import numpy as np
import pytest
import torch

from smallpose import create_method, read_coco, read_results
from smallpose.cli.main import main
from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.io.coco_annotations import write_coco
from smallpose.training.checkpoint import save_model

TOP_DOWN = "simple_baseline_r18_tiny"
FULL_IMAGE = "cid_hrnet_w8_tiny"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Weights of both kinds, three images, one in a subfolder, and a COCO file of two of them."""
    folder = tmp_path_factory.mktemp("predict")
    torch.manual_seed(0)
    for name in (TOP_DOWN, FULL_IMAGE, "rtmo_tiny", "dekr_hrnet_w8_tiny"):
        method = create_method(name)
        if name == TOP_DOWN:
            torch.nn.init.normal_(method.head.final_layer.weight, std=0.3)
        save_model(method, folder / name, method.recipes["quick"])
    (folder / "p" / "below").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.jpg", "below/c.png"):
        cv2.imwrite(str(folder / "p" / name), rng.integers(0, 255, (60, 80, 3), np.uint8))
    (folder / "p" / "notes.txt").write_text("not an image")
    images = make_images([7, 9], ["a.png", "below/c.png"], [80, 80], [60, 60])
    boxes = np.array([[5.0, 5, 30, 50], [20, 8, 40, 45]])
    people = make_instances(COCO17, images, [0, 1], boxes, np.full((2, 17, 3), 9.0) // 4)
    write_coco(people, folder / "truth.json")
    return folder


def run_predict(*words) -> int:
    return main(["predict", *map(str, words)])


@pytest.mark.parametrize("name", [FULL_IMAGE, "rtmo_tiny", "dekr_hrnet_w8_tiny"])
def test_full_image_methods_look_at_folders_and_say_which_image_is_which(files, name, tmp_path):
    out = tmp_path / "results.json"
    score = ("--score-above", -1, "--max-people", 3)
    assert run_predict(name, files / "p", "--weights", files / name, "--out", out, *score) == 0
    images = read_coco(tmp_path / "results.images.json").images
    assert [n.rsplit("/", 1)[1] for n in images.file_names] == ["a.png", "b.jpg", "c.png"]
    results = json.loads(out.read_text())
    assert 0 < len(results) <= 9 and {f["image_id"] for f in results} <= {1, 2, 3}
    assert all(len(f["keypoints"]) == 51 and len(f["bbox"]) == 4 for f in results)


def test_a_top_down_method_gets_its_boxes_from_a_full_image_one(files, tmp_path, capsys):
    base = (TOP_DOWN, "--weights", files / TOP_DOWN, "--out", tmp_path / "f.json")
    where = ("--data", files / "truth.json", "--images", files / "p")
    detector = ("--boxes-from", FULL_IMAGE, "--box-weights", files / FULL_IMAGE, "--max-people", 4)
    assert run_predict(*base, *where, *detector, "--score-above", 0, "--nms", 1) == 0
    assert "8 boxes in 2 images" in capsys.readouterr().err
    by_detector = read_results(tmp_path / "f.json", read_coco(files / "truth.json"))
    assert len(by_detector) == 8
    # The same in two steps: the detector's results as a box file, but for the margin around boxes.
    full_image = (
        FULL_IMAGE,
        "--weights",
        files / FULL_IMAGE,
        "--out",
        tmp_path / "boxes.json",
        *where,
    )
    assert run_predict(*full_image, "--max-people", 4, "--score-above", 0, "--nms", 1) == 0
    assert run_predict(*base, *where, "--boxes", tmp_path / "boxes.json", "--nms", 1) == 0
    by_file = read_results(tmp_path / "f.json", read_coco(files / "truth.json"))
    enlarged = by_file.boxes_xywh[:, 2:] * 1.24
    np.testing.assert_allclose(
        np.sort(by_detector.boxes_xywh[:, 2:], 0), np.sort(enlarged, 0), rtol=1e-3
    )
    # And for images that no file lists.
    assert run_predict(*base, files / "p" / "a.png", *detector, "--score-above", 0, "--nms", 1) == 0
    assert len(json.loads((tmp_path / "f.json").read_text())) == 4


def test_no_detections_are_an_empty_list(files, tmp_path):
    out = tmp_path / "results.json"
    words = (
        FULL_IMAGE,
        files / "p",
        "--weights",
        files / FULL_IMAGE,
        "--out",
        out,
        "--score-above",
        1,
    )
    assert run_predict(*words) == 0
    assert json.loads(out.read_text()) == []


def test_labelled_boxes_flip_test_score_rule_precision_and_drawings(files, tmp_path):
    base = (TOP_DOWN, "--weights", files / TOP_DOWN, "--out", tmp_path / "f.json")
    where = ("--data", files / "truth.json", "--images", files / "p")
    assert run_predict(*base, *where, "--score-rule", "box", "--draw", tmp_path / "drawn") == 0
    truth = read_coco(files / "truth.json")
    plain = read_results(tmp_path / "f.json", truth)
    assert plain.image_ids.tolist() == [7, 9] and (plain.scores == 1).all()
    drawn = sorted(p.name for p in (tmp_path / "drawn").iterdir())
    assert drawn == ["7-a.jpg", "9-below-c.jpg"]
    assert cv2.imread(str(tmp_path / "drawn" / "7-a.jpg")).shape == (720, 960, 3)
    assert run_predict(*base, *where, "--no-flip-test", "--half") == 0
    half = read_results(tmp_path / "f.json", truth)
    assert not np.array_equal(half.keypoints, plain.keypoints)


def test_arguments_that_do_not_go_together_are_a_one_line_error(files, tmp_path, capsys):
    out = ("--out", tmp_path / "f.json")
    top_down, full_image = (
        (TOP_DOWN, "--weights", files / TOP_DOWN),
        (FULL_IMAGE, "--weights", files / FULL_IMAGE),
    )
    data = ("--data", files / "truth.json", "--images", files / "p")
    (tmp_path / "empty").mkdir()
    (tmp_path / "boxes.json").write_text(
        '[{"image_id": 99, "category_id": 1, "bbox": [1, 1, 9, 9], "score": 1}]'
    )
    for words, message in (
        ((*top_down, *out), "takes either images or --data"),
        ((*top_down, *out, files / "p", *data), "takes either images or --data"),
        (
            (*top_down, *out, files / "p", "--boxes", tmp_path / "boxes.json"),
            "refers to images by their ids",
        ),
        ((*top_down, *out, *data, "--boxes", tmp_path / "boxes.json"), "none of its 1 boxes"),
        ((*full_image, *out, *data, "--boxes", tmp_path / "boxes.json"), "detects people itself"),
        ((*top_down, *out, *data, "--max-people", 3), "is a top-down method"),
        ((*top_down, *out, *data, "--tile", 64), "is a top-down method"),
        (
            (*full_image, *out, *data, "--tile", 64, "--tile-overlap", 40),
            "tiles cannot overlap by 40 px",
        ),
        ((*top_down, *out, *data, "--boxes-from", FULL_IMAGE), "needs --box-weights"),
        (
            (*top_down, *out, *data, "--boxes-from", TOP_DOWN, "--box-weights", files / TOP_DOWN),
            "needs boxes itself",
        ),
        ((*top_down, *out, tmp_path / "empty"), "no pictures in it"),
        ((*top_down, *out, tmp_path / "nowhere.jpg"), "no such image or folder"),
        ((*top_down, *out, files / "truth.json"), "pass it with --data"),
        ((*top_down, *out, *data[:3], tmp_path / "nowhere"), "no such folder"),
        ((*top_down, *out, *data, "--skeleton", "coco71"), "no such skeleton"),
        ((*top_down, *out, *data, "--actors", 2), "add --engine ray"),
        ((*top_down, *out, *data, "--shard-images", 2), "add --shards DIR"),
        ((*top_down, *out, *data, "--device", "gpu"), "--device gpu: cannot be used"),
    ):
        assert run_predict(*words) == 2
        err = capsys.readouterr().err.strip().splitlines()
        assert message in err[-1], err
    assert not (tmp_path / "f.json").exists()


def test_a_list_of_images_without_people_is_enough_where_no_labelled_boxes_are_needed(
    files, tmp_path, capsys
):
    listed = json.loads((files / "truth.json").read_text())
    del listed["annotations"]
    # As in COCO's image_info files: eighty categories, and no joints in any.
    listed["categories"] = [{"id": 1, "name": "person"}, {"id": 2, "name": "bicycle"}]
    (tmp_path / "info.json").write_text(json.dumps(listed))
    out = tmp_path / "f.json"
    where = ("--data", tmp_path / "info.json", "--images", files / "p", "--out", out)
    score = ("--score-above", -1, "--max-people", 2, "--nms", 1)
    assert run_predict(FULL_IMAGE, "--weights", files / FULL_IMAGE, *where, *score) == 0
    assert {f["image_id"] for f in json.loads(out.read_text())} == {7, 9}
    top_down = (TOP_DOWN, "--weights", files / TOP_DOWN, *where)
    (tmp_path / "boxes.json").write_text(
        '[{"image_id": 9, "category_id": 1, "bbox": [1, 1, 30, 40], "score": 0.5}]'
    )
    assert run_predict(*top_down, "--boxes", tmp_path / "boxes.json") == 0
    (result,) = json.loads(out.read_text())
    assert result["image_id"] == 9 and result["bbox"] == [1, 1, 30, 40]
    capsys.readouterr()
    assert run_predict(*top_down) == 2
    assert "lists images without people" in capsys.readouterr().err


@pytest.mark.parametrize("name", [TOP_DOWN, FULL_IMAGE])
def test_images_that_cannot_be_read_are_named_and_the_others_are_predicted(
    files, tmp_path, capsys, name
):
    shutil.copytree(files / "p", tmp_path / "p")
    (tmp_path / "p" / "aa.png").write_text("<!DOCTYPE html>")
    out = tmp_path / "f.json"
    words = (name, tmp_path / "p", "--weights", files / name, "--out", out)
    if name == FULL_IMAGE:
        words += ("--score-above", -1, "--max-people", 1)
    assert run_predict(*words) == 2
    assert "1 of 4 images cannot be read, more than 0.1%" in capsys.readouterr().err
    assert not out.exists()
    assert run_predict(*words, "--max-unreadable", 0.25) == 0
    assert "not predicted: " in (output := capsys.readouterr().err) and "aa.png" in output
    names = read_coco(tmp_path / "f.images.json").images
    (bad,) = [i for i, n in zip(names.ids, names.file_names, strict=True) if "aa.png" in n]
    assert {f["image_id"] for f in json.loads(out.read_text())} == {1, 2, 3, 4} - {int(bad)}


def test_a_name_that_no_result_can_hold_is_refused_before_any_work(files, tmp_path, capsys):
    shutil.copytree(files / "p", tmp_path / "p")
    (tmp_path / "p" / "a.png").rename(tmp_path / "p" / os.fsdecode(b"caf\xe9.png"))
    words = (TOP_DOWN, tmp_path / "p", "--weights", files / TOP_DOWN, "--out", tmp_path / "f.json")
    for more in ((), ("--shards", tmp_path / "s")):
        assert run_predict(*words, *more) == 2
        assert "the name is not UTF-8" in capsys.readouterr().err
    assert not (tmp_path / "f.json").exists()


def test_a_file_of_boxes_alone_has_no_people_for_a_top_down_method(files, tmp_path, capsys):
    truth = json.loads((files / "truth.json").read_text())
    for person in truth["annotations"]:
        person |= {"keypoints": [0] * 51, "num_keypoints": 0}
    (tmp_path / "boxes.json").write_text(json.dumps(truth))
    where = ("--data", tmp_path / "boxes.json", "--images", files / "p")
    for more in ((), ("--shards", tmp_path / "s")):
        words = (*where, "--weights", files / TOP_DOWN, "--out", tmp_path / "f.json", *more)
        assert run_predict(TOP_DOWN, *words) == 2
        assert "has no people with keypoints" in capsys.readouterr().err


def test_a_list_of_images_may_be_gzipped(files, tmp_path):
    listed = json.loads((files / "truth.json").read_text())
    del listed["annotations"]
    (tmp_path / "info.json.gz").write_bytes(gzip.compress(json.dumps(listed).encode()))
    where = ("--data", tmp_path / "info.json.gz", "--images", files / "p")
    words = ("--weights", files / FULL_IMAGE, "--out", tmp_path / "f.json", "--score-above", -1)
    assert run_predict(FULL_IMAGE, *where, *words, "--max-people", 2) == 0
    assert {f["image_id"] for f in json.loads((tmp_path / "f.json").read_text())} == {7, 9}
