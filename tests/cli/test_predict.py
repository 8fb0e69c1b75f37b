"""`smallpose predict` as a user calls it: every kind of method, of image and of box."""

import argparse
import gzip
import json
import os
import re
import shutil
import signal

import cv2
import numpy as np
import pytest
import torch

from smallpose import create_method, read_coco, read_results
from smallpose.cli import predict
from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17, POSETRACK17, SMALLPOSE, Skeleton
from smallpose.inference import computation
from smallpose.io.coco_annotations import write_coco
from smallpose.io.image_files import list_image_files
from smallpose.io.result_environment import read_environment
from smallpose.system.files import write_atomically_with
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
        if name == FULL_IMAGE:  # else its random scores may all be below the threshold
            torch.nn.init.normal_(method.head.iia_module.keypoint_root_conv.weight, std=0.1)
            torch.nn.init.normal_(method.head.gfd_module.heatmap_conv.weight)
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
    # Another file may number its images otherwise; by the name no result lands on another image.
    assert all(r["file_name"] == images.file_names[r["image_id"] - 1] for r in results)
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


@pytest.mark.parametrize("flag", ["--draw", "--shards"])
def test_no_detections_are_an_empty_list_and_all_images_are_counted(files, tmp_path, capsys, flag):
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
    assert run_predict(*words, flag, tmp_path / "more") == 0
    assert json.loads(out.read_text()) == []
    printed = capsys.readouterr().out
    assert re.search(r"0 people in 3 images; --score-above 1 left out (\d+) of \1 det", printed)
    if flag == "--draw":
        assert len(list((tmp_path / "more").iterdir())) == 3


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
            "its box cannot be taken: 1 of other images; an image is called '99' there",
        ),
        (
            (*top_down, *out, *data, "--boxes", tmp_path / "boxes.json"),
            "its box cannot be taken",
        ),
        ((*full_image, *out, *data, "--boxes", tmp_path / "boxes.json"), "detects people itself"),
        ((*top_down, *out, *data, "--max-people", 3), "is a top-down method"),
        ((*top_down, *out, *data, "--tile", 64), "is a top-down method"),
        (
            (*full_image, *out, *data, "--tile", 64, "--tile-overlap", 40),
            "tiles cannot overlap by 40 px",
        ),
        ((*top_down, *out, *data, "--boxes-from", FULL_IMAGE), "has no weights of its own"),
        ((*top_down, *out, *data, "--box-weights", files / FULL_IMAGE), "add --boxes-from"),
        (
            (*top_down, *out, *data, "--boxes-from", TOP_DOWN, "--box-weights", files / TOP_DOWN),
            "needs boxes itself",
        ),
        ((*top_down, *out, tmp_path / "empty"), "has no images"),
        ((*top_down, *out, tmp_path / "nowhere.jpg"), "no such image or folder"),
        ((*top_down, *out, files / "truth.json"), "pass it with --data"),
        ((*top_down, *out, *data[:3], tmp_path / "nowhere"), "no such folder"),
        ((*top_down, *out, *data, "--skeleton", "coco71"), "no such skeleton"),
        ((*top_down, *out, *data, "--actors", 2), "add --backend ray"),
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


def write_truth_of(files, path, skeleton):
    """Write the COCO file of `files` with the joints of another skeleton."""
    truth = read_coco(files / "truth.json")
    keypoints = np.full((2, len(skeleton), 3), 9.0) // 4
    boxes = truth.boxes_xywh
    write_coco(make_instances(skeleton, truth.images, [0, 1], boxes, keypoints), path)
    return ("--data", path, "--images", files / "p")


@pytest.mark.parametrize("shards", [(), ("--shards", "s", "--shard-images", 1)])
def test_results_are_written_in_the_joint_order_of_the_data(
    files, tmp_path, capsys, monkeypatch, shards
):
    monkeypatch.chdir(tmp_path)
    words = (TOP_DOWN, "--weights", files / TOP_DOWN, *shards, "--out", tmp_path / "f.json")
    keypoints = []
    for number, skeleton in enumerate(
        (COCO17, Skeleton("reversed", COCO17.joints[::-1]), Skeleton("some", COCO17.joints[3:9]))
    ):
        data = write_truth_of(files, tmp_path / "truth.json", skeleton)
        shards_of_run = [word if word != "s" else f"s{number}" for word in shards]
        words = (TOP_DOWN, "--weights", files / TOP_DOWN, *shards_of_run)
        assert run_predict(*words, *data, "--out", "f.json") == 0
        assert isinstance(json.loads((tmp_path / "f.json").read_text()), list)
        predictions = read_results(tmp_path / "f.json", read_coco(tmp_path / "truth.json"))
        assert predictions.skeleton.joints == skeleton.joints
        keypoints.append(predictions.keypoints)
        left_out = "joints of the method that the file lacks are left out: nose, left_eye"
        assert (left_out in capsys.readouterr().err) == (number == 2)
    assert np.array_equal(keypoints[1], keypoints[0][:, ::-1])
    assert np.array_equal(keypoints[2], keypoints[0][:, 3:9])


@pytest.mark.parametrize("shards", [(), ("--shards", "s")])
def test_data_with_joints_that_the_method_lacks_is_refused_before_any_work(
    files, tmp_path, capsys, monkeypatch, shards
):
    monkeypatch.chdir(tmp_path)
    data = write_truth_of(files, tmp_path / "truth.json", POSETRACK17)
    words = (TOP_DOWN, "--weights", files / TOP_DOWN, *data, *shards, "--out", "f.json")
    assert run_predict(*words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "the method (coco17) lacks joints of the file: head_bottom, head_top; add" in line
    assert not (tmp_path / "f.json").exists()
    assert run_predict(*words, "--own-joints") == 0
    assert "joints of the results, in their order: nose, left_eye" in capsys.readouterr().err
    content = json.loads((tmp_path / "f.json").read_text())
    assert content["keypoint_names"] == list(COCO17.joints)
    assert len(content["predictions"]) == 2
    truth = read_coco(tmp_path / "truth.json")
    assert len(read_results(tmp_path / "f.json", truth).skeleton) == 15


@pytest.mark.parametrize("own_joints", [(), ("--own-joints",)])
def test_joints_that_results_do_not_name_are_said_to_need_names(
    files, tmp_path, capsys, own_joints
):
    """Results of photographs with 16 joints could not be scored, and had to be predicted again."""
    method = create_method(TOP_DOWN, "smallpose21")
    save_model(method, tmp_path / "run", method.recipes["quick"])
    words = (tmp_path / "run", files / "p" / "a.png", "--out", tmp_path / "f.json")
    assert run_predict(*words, *own_joints) == 0
    message = " ".join(capsys.readouterr().err.split())
    assert ("reads their names from f.images.json" in message) == (not own_joints)
    words = (TOP_DOWN, "--weights", files / TOP_DOWN, *words[1:])
    assert run_predict(*words) == 0
    assert "--own-joints" not in capsys.readouterr().err  # COCO's 17 are taken for granted


def test_cocos_17_are_written_for_data_that_has_them_among_others(files, tmp_path):
    data = write_truth_of(files, tmp_path / "truth.json", SMALLPOSE)
    words = (TOP_DOWN, "--weights", files / TOP_DOWN, *data, "--out", tmp_path / "f.json")
    assert run_predict(*words) == 0
    truth = read_coco(tmp_path / "truth.json")
    assert read_results(tmp_path / "f.json", truth).skeleton == COCO17


def test_the_joint_order_is_named_where_no_file_gives_one(files, tmp_path, capsys):
    words = (TOP_DOWN, files / "p", "--weights", files / TOP_DOWN, "--out", tmp_path / "f.json")
    assert run_predict(*words) == 0
    joints = ", ".join(COCO17.joints)
    assert f"joints of the results, in their order: {joints}" in capsys.readouterr().err


def test_data_without_joint_names_takes_those_of_the_method(files, tmp_path, capsys):
    content = json.loads((files / "truth.json").read_text())
    del content["annotations"]
    content["categories"] = [{"id": 1, "name": "person"}]
    (tmp_path / "info.json").write_text(json.dumps(content))
    data = ("--data", tmp_path / "info.json", "--images", files / "p", "--score-above", -1)
    words = (FULL_IMAGE, "--weights", files / FULL_IMAGE, *data, "--out", tmp_path / "f.json")
    assert run_predict(*words) == 0
    assert "joints of the results, in their order: nose," in capsys.readouterr().err
    content["categories"][0]["keypoints"] = list(COCO17.joints[::-1])
    own = [one["keypoints"] for one in json.loads((tmp_path / "f.json").read_text())]
    (tmp_path / "info.json").write_text(json.dumps(content))
    assert run_predict(*words) == 0
    named = [one["keypoints"] for one in json.loads((tmp_path / "f.json").read_text())]
    assert np.array_equal(np.reshape(own, (-1, 17, 3))[:, ::-1], np.reshape(named, (-1, 17, 3)))


def make_box_file(files, path, **changes):
    """Write the truth as an instances file, without any keypoints."""
    truth = json.loads((files / "truth.json").read_text())
    for person in truth["annotations"]:
        del person["keypoints"], person["num_keypoints"]
    truth["categories"] = [{"id": 1, "name": "person"}, {"id": 3, "name": "car"}]
    truth["annotations"].append(
        {"id": 90, "image_id": 7, "category_id": 3, "bbox": [0, 0, 50, 50], "area": 2500}
    )
    path.write_text(json.dumps(truth | changes))
    return path


@pytest.mark.parametrize("shards", [False, True])
def test_the_boxes_of_a_file_without_keypoints_are_those_of_its_people(
    files, tmp_path, shards, capsys
):
    base = (TOP_DOWN, "--images", files / "p", "--weights", files / TOP_DOWN)
    more = ("--shards", tmp_path / "s") if shards else ()
    boxes = make_box_file(files, tmp_path / "instances.json")
    for data, out in ((files / "truth.json", "a.json"), (boxes, "b.json")):
        assert run_predict(*base, "--data", data, "--out", tmp_path / out) == 0
    assert "left out: car (id 3) with 1 annotation" in capsys.readouterr().err
    assert run_predict(*base, "--data", boxes, "--out", tmp_path / "c.json", *more) == 0
    expected = json.loads((tmp_path / "a.json").read_text())
    assert json.loads((tmp_path / "b.json").read_text()) == expected
    assert json.loads((tmp_path / "c.json").read_text()) == expected


def test_boxes_find_their_images_as_results_do(files, tmp_path):
    base = (TOP_DOWN, "--data", files / "truth.json", "--images", files / "p")
    base += ("--weights", files / TOP_DOWN, "--out", tmp_path / "f.json", "--boxes")
    box = {"category_id": 1, "bbox": [1, 1, 30, 40], "score": 0.5}
    for names in (
        [{"image_id": 7}, {"image_id": 9}],
        [{"image_id": 7.0}, {"image_id": "9"}],
        [{"image_id": "a"}, {"image_id": "c"}],
        [{"image_id": "a", "file_name": "a.png"}, {"file_name": "below/c.png"}],
    ):
        records = [box | name for name in names]
        for content in (records, {"predictions": records}):
            (tmp_path / "boxes.json").write_text(json.dumps(content))
            assert run_predict(*base, tmp_path / "boxes.json") == 0
            results = json.loads((tmp_path / "f.json").read_text())
            assert [r["image_id"] for r in results] == [7, 9], names


def test_boxes_whose_id_and_name_differ_are_refused(files, tmp_path, capsys):
    box = {"image_id": 7, "file_name": "below/c.png", "bbox": [1, 1, 30, 40], "score": 0.5}
    (tmp_path / "boxes.json").write_text(json.dumps([box]))
    where = ("--data", files / "truth.json", "--images", files / "p", "--out", tmp_path / "f.json")
    words = ("--weights", files / TOP_DOWN, "--boxes", tmp_path / "boxes.json")
    assert run_predict(TOP_DOWN, *where, *words) == 2
    assert "image_id 7 is the image 'a.png', but file_name is 'below/c.png'" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("more", [(), ("--shards", "s")])
def test_ids_that_are_text_are_written_back_as_text(files, tmp_path, more, monkeypatch):
    monkeypatch.chdir(tmp_path)
    truth = json.loads((files / "truth.json").read_text())
    names = {7: "seq/b", 9: "seq/a, left"}
    for image in truth["images"]:
        image["id"] = names[image["id"]]
    for person in truth["annotations"]:
        person["image_id"] = names[person["image_id"]]
    (tmp_path / "words.json").write_text(json.dumps(truth))
    base = (TOP_DOWN, "--images", files / "p", "--weights", files / TOP_DOWN)
    out = tmp_path / "words_found.json"
    assert run_predict(*base, "--data", "words.json", "--out", out, *more) == 0
    assert run_predict(*base, "--data", files / "truth.json", "--out", "numbers_found.json") == 0
    expected = json.loads((tmp_path / "numbers_found.json").read_text())
    for record in expected:
        record["image_id"] = names[record["image_id"]]
    assert json.loads(out.read_text()) == expected
    read = read_results(out, read_coco(tmp_path / "words.json"))
    assert len(read) == 2


@pytest.mark.parametrize(
    ("flags", "has_bfloat16", "precision"),
    [
        ((), True, "float32"),
        (("--half",), True, "bfloat16"),
        (("--precision", "bfloat16"), True, "bfloat16"),
        (("--precision", "auto"), True, "bfloat16 (last layers float32)"),
        (("--precision", "auto"), False, "float32"),
    ],
)
def test_results_have_their_versions_and_precision_beside_them(
    files, tmp_path, monkeypatch, capsys, flags, has_bfloat16, precision
):
    monkeypatch.setattr(computation, "has_fast_bfloat16", lambda device: has_bfloat16)
    out = tmp_path / "results.json"
    command = (TOP_DOWN, files / "p/a.png", "--weights", files / TOP_DOWN, "--out", out)
    assert run_predict(*command, *flags) == 0
    environment = read_environment(out)
    assert environment["opencv"] == cv2.__version__
    assert environment["torch"] == torch.__version__
    assert (environment["engine"], environment["precision"]) == ("torch", precision)
    taken = f"--precision auto: {TOP_DOWN} in {precision.partition(' ')[0]}; "
    assert (taken in capsys.readouterr().err) == ("auto" in flags)
    assert environment["cpu_features"]


def test_a_video_where_images_are_due_is_answered_with_how_to_extract_its_frames(tmp_path):
    video = tmp_path / "flight.MP4"
    video.write_bytes(b"0")
    with pytest.raises(InputError, match=r"is a video, .* -i flight.MP4 .*flight/%06d.jpg"):
        list_image_files([video])


def test_predict_keeps_the_memory_that_it_frees(monkeypatch):
    """CID of 374 images spent 82 of 222 CPU seconds on pages that glibc had returned."""
    calls = []
    monkeypatch.setattr(predict, "keep_freed_memory", lambda: calls.append("keep"))
    monkeypatch.setattr(predict, "_predict", lambda _: calls.append("predict"))
    predict.run_command(argparse.Namespace())
    assert calls == ["keep", "predict"]


def test_a_terminated_predict_leaves_no_partial_files(tmp_path, monkeypatch):
    """Only Ctrl-C removed them; systems and batch queues send SIGTERM."""

    def write_and_die(file) -> None:
        file.write(b"[")
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(
        predict, "_predict", lambda _: write_atomically_with(tmp_path / "found.json", write_and_die)
    )
    with pytest.raises(SystemExit) as ended:
        predict.run_command(argparse.Namespace())
    assert ended.value.code == 128 + signal.SIGTERM
    assert not list(tmp_path.iterdir())
