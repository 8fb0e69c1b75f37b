"""`smallpose predict` as a user calls it: every kind of method, of picture and of box."""

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

CROPS, WHOLE = "simple_baseline_r18_tiny", "cid_hrnet_w8_tiny"


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """Weights of both kinds, three pictures, one in a folder below, and a COCO file of two."""
    folder = tmp_path_factory.mktemp("predict")
    torch.manual_seed(0)
    for name in (CROPS, WHOLE, "rtmo_tiny", "dekr_hrnet_w8_tiny"):
        method = create_method(name)
        if name == CROPS:
            torch.nn.init.normal_(method.head.final_layer.weight, std=0.3)
        save_model(method, folder / name, method.recipes["quick"])
    (folder / "p" / "below").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.jpg", "below/c.png"):
        cv2.imwrite(str(folder / "p" / name), rng.integers(0, 255, (60, 80, 3), np.uint8))
    (folder / "p" / "notes.txt").write_text("no picture")
    images = make_images([7, 9], ["a.png", "below/c.png"], [80, 80], [60, 60])
    boxes = np.array([[5.0, 5, 30, 50], [20, 8, 40, 45]])
    people = make_instances(COCO17, images, [0, 1], boxes, np.full((2, 17, 3), 9.0) // 4)
    write_coco(people, folder / "truth.json")
    return folder


def call(*words) -> int:
    return main(["predict", *map(str, words)])


@pytest.mark.parametrize("name", [WHOLE, "rtmo_tiny", "dekr_hrnet_w8_tiny"])
def test_full_image_methods_look_at_folders_and_say_which_image_is_which(there, name, tmp_path):
    out = tmp_path / "found.json"
    score = ("--score-above", -1, "--max-people", 3)
    assert call(name, there / "p", "--weights", there / name, "--out", out, *score) == 0
    images = read_coco(tmp_path / "found.images.json").images
    assert [n.rsplit("/", 1)[1] for n in images.file_names] == ["a.png", "b.jpg", "c.png"]
    found = json.loads(out.read_text())
    assert 0 < len(found) <= 9 and {f["image_id"] for f in found} <= {1, 2, 3}
    assert all(len(f["keypoints"]) == 51 and len(f["bbox"]) == 4 for f in found)


def test_a_top_down_method_gets_its_boxes_from_a_full_image_one(there, tmp_path, capsys):
    base = (CROPS, "--weights", there / CROPS, "--out", tmp_path / "f.json")
    where = ("--data", there / "truth.json", "--images", there / "p")
    finder = ("--boxes-from", WHOLE, "--box-weights", there / WHOLE, "--max-people", 4)
    assert call(*base, *where, *finder, "--score-above", 0, "--nms", 1) == 0
    assert "found 8 boxes in 2 images" in capsys.readouterr().err
    by_finder = read_results(tmp_path / "f.json", read_coco(there / "truth.json"))
    assert len(by_finder) == 8
    # The same in two steps: the finder's results are a box file, but for the margin around them.
    whole = (WHOLE, "--weights", there / WHOLE, "--out", tmp_path / "boxes.json", *where)
    assert call(*whole, "--max-people", 4, "--score-above", 0, "--nms", 1) == 0
    assert call(*base, *where, "--boxes", tmp_path / "boxes.json", "--nms", 1) == 0
    by_file = read_results(tmp_path / "f.json", read_coco(there / "truth.json"))
    grown = by_file.boxes_xywh[:, 2:] * 1.24
    np.testing.assert_allclose(
        np.sort(by_finder.boxes_xywh[:, 2:], 0), np.sort(grown, 0), rtol=1e-3
    )
    # And for pictures that no file names.
    assert call(*base, there / "p" / "a.png", *finder, "--score-above", 0, "--nms", 1) == 0
    assert len(json.loads((tmp_path / "f.json").read_text())) == 4


def test_finding_nobody_is_an_empty_list(there, tmp_path):
    out = tmp_path / "found.json"
    words = (WHOLE, there / "p", "--weights", there / WHOLE, "--out", out, "--score-above", 1)
    assert call(*words) == 0
    assert json.loads(out.read_text()) == []


def test_true_boxes_flip_rule_precision_and_drawings(there, tmp_path):
    base = (CROPS, "--weights", there / CROPS, "--out", tmp_path / "f.json")
    where = ("--data", there / "truth.json", "--images", there / "p")
    assert call(*base, *where, "--score-rule", "box", "--draw", tmp_path / "drawn") == 0
    truth = read_coco(there / "truth.json")
    plain = read_results(tmp_path / "f.json", truth)
    assert plain.image_ids.tolist() == [7, 9] and (plain.scores == 1).all()
    drawn = sorted(p.name for p in (tmp_path / "drawn").iterdir())
    assert drawn == ["7-a.jpg", "9-below-c.jpg"]
    assert cv2.imread(str(tmp_path / "drawn" / "7-a.jpg")).shape == (720, 960, 3)
    assert call(*base, *where, "--no-flip-test", "--half") == 0
    half = read_results(tmp_path / "f.json", truth)
    assert not np.array_equal(half.keypoints, plain.keypoints)


def test_what_does_not_go_together_is_said_in_one_line(there, tmp_path, capsys):
    out = ("--out", tmp_path / "f.json")
    crops, whole = (CROPS, "--weights", there / CROPS), (WHOLE, "--weights", there / WHOLE)
    data = ("--data", there / "truth.json", "--images", there / "p")
    (tmp_path / "empty").mkdir()
    (tmp_path / "boxes.json").write_text(
        '[{"image_id": 99, "category_id": 1, "bbox": [1, 1, 9, 9], "score": 1}]'
    )
    for words, said in (
        ((*crops, *out), "nothing or two things to look at"),
        ((*crops, *out, there / "p", *data), "nothing or two things"),
        ((*crops, *out, there / "p", "--boxes", tmp_path / "boxes.json"), "names images by their"),
        ((*crops, *out, *data, "--boxes", tmp_path / "boxes.json"), "none of its 1 boxes"),
        ((*whole, *out, *data, "--boxes", tmp_path / "boxes.json"), "finds people by itself"),
        ((*crops, *out, *data, "--max-people", 3), "is told where people are"),
        ((*crops, *out, *data, "--tile", 64), "is told where people are"),
        ((*whole, *out, *data, "--tile", 64, "--tile-overlap", 40), "tiles cannot share 40 px"),
        ((*crops, *out, *data, "--boxes-from", WHOLE), "go together"),
        (
            (*crops, *out, *data, "--boxes-from", CROPS, "--box-weights", there / CROPS),
            "needs boxes itself",
        ),
        ((*crops, *out, tmp_path / "empty"), "no pictures in it"),
        ((*crops, *out, tmp_path / "nowhere.jpg"), "no such picture or folder"),
        ((*crops, *out, there / "truth.json"), "name a COCO file with --data"),
        ((*crops, *out, *data[:3], tmp_path / "nowhere"), "no such folder"),
        ((*crops, *out, *data, "--skeleton", "coco71"), "no such skeleton"),
        ((*crops, *out, *data, "--actors", 2), "are Ray's"),
        ((*crops, *out, *data, "--shard-images", 2), "name their folder with --shards"),
        ((*crops, *out, *data, "--device", "gpu"), "--device gpu: cannot be used"),
    ):
        assert call(*words) == 2
        err = capsys.readouterr().err.strip().splitlines()
        assert said in err[-1], err
    assert not (tmp_path / "f.json").exists()


def test_a_list_of_images_without_people_serves_whoever_needs_no_true_boxes(
    there, tmp_path, capsys
):
    listed = json.loads((there / "truth.json").read_text())
    del listed["annotations"]
    # As in COCO's image_info files: eighty categories, and no joints in any.
    listed["categories"] = [{"id": 1, "name": "person"}, {"id": 2, "name": "bicycle"}]
    (tmp_path / "info.json").write_text(json.dumps(listed))
    out = tmp_path / "f.json"
    where = ("--data", tmp_path / "info.json", "--images", there / "p", "--out", out)
    score = ("--score-above", -1, "--max-people", 2, "--nms", 1)
    assert call(WHOLE, "--weights", there / WHOLE, *where, *score) == 0
    assert {f["image_id"] for f in json.loads(out.read_text())} == {7, 9}
    crops = (CROPS, "--weights", there / CROPS, *where)
    (tmp_path / "boxes.json").write_text(
        '[{"image_id": 9, "category_id": 1, "bbox": [1, 1, 30, 40], "score": 0.5}]'
    )
    assert call(*crops, "--boxes", tmp_path / "boxes.json") == 0
    (found,) = json.loads(out.read_text())
    assert found["image_id"] == 9 and found["bbox"] == [1, 1, 30, 40]
    capsys.readouterr()
    assert call(*crops) == 2
    assert "lists images without people" in capsys.readouterr().err


@pytest.mark.parametrize("name", [CROPS, WHOLE])
def test_images_that_cannot_be_read_are_named_and_the_others_looked_at(
    there, tmp_path, capsys, name
):
    shutil.copytree(there / "p", tmp_path / "p")
    (tmp_path / "p" / "aa.png").write_text("<!DOCTYPE html>")
    out = tmp_path / "f.json"
    words = (name, tmp_path / "p", "--weights", there / name, "--out", out)
    if name == WHOLE:
        words += ("--score-above", -1, "--max-people", 1)
    assert call(*words) == 2
    assert "1 of 4 pictures cannot be read, more than 0.1%" in capsys.readouterr().err
    assert not out.exists()
    assert call(*words, "--max-unreadable", 0.25) == 0
    assert "not predicted: " in (said := capsys.readouterr().err) and "aa.png" in said
    names = read_coco(tmp_path / "f.images.json").images
    (bad,) = [i for i, n in zip(names.ids, names.file_names, strict=True) if "aa.png" in n]
    assert {f["image_id"] for f in json.loads(out.read_text())} == {1, 2, 3, 4} - {int(bad)}


def test_a_name_that_no_result_can_hold_is_refused_before_any_work(there, tmp_path, capsys):
    shutil.copytree(there / "p", tmp_path / "p")
    (tmp_path / "p" / "a.png").rename(tmp_path / "p" / os.fsdecode(b"caf\xe9.png"))
    words = (CROPS, tmp_path / "p", "--weights", there / CROPS, "--out", tmp_path / "f.json")
    for more in ((), ("--shards", tmp_path / "s")):
        assert call(*words, *more) == 2
        assert "the name is not UTF-8" in capsys.readouterr().err
    assert not (tmp_path / "f.json").exists()


def test_a_file_of_boxes_alone_has_nobody_for_a_top_down_method(there, tmp_path, capsys):
    truth = json.loads((there / "truth.json").read_text())
    for person in truth["annotations"]:
        person |= {"keypoints": [0] * 51, "num_keypoints": 0}
    (tmp_path / "boxes.json").write_text(json.dumps(truth))
    where = ("--data", tmp_path / "boxes.json", "--images", there / "p")
    for more in ((), ("--shards", tmp_path / "s")):
        words = (*where, "--weights", there / CROPS, "--out", tmp_path / "f.json", *more)
        assert call(CROPS, *words) == 2
        assert "has no people with keypoints" in capsys.readouterr().err


def test_a_packed_list_of_images_is_one_too(there, tmp_path):
    listed = json.loads((there / "truth.json").read_text())
    del listed["annotations"]
    (tmp_path / "info.json.gz").write_bytes(gzip.compress(json.dumps(listed).encode()))
    where = ("--data", tmp_path / "info.json.gz", "--images", there / "p")
    words = ("--weights", there / WHOLE, "--out", tmp_path / "f.json", "--score-above", -1)
    assert call(WHOLE, *where, *words, "--max-people", 2) == 0
    assert {f["image_id"] for f in json.loads((tmp_path / "f.json").read_text())} == {7, 9}
