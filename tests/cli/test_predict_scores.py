"""`smallpose predict`: calibration, scores that are written, and scores that are drawn."""

import json

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from smallpose import create_method, read_coco, read_results
from smallpose.cli.main import main
from smallpose.training.checkpoint import save_model

METHOD = "simple_baseline_r18_tiny"
NUM_IMAGES = 24


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A network with random weights, and labels near what it predicts."""
    folder = tmp_path_factory.mktemp("scores")
    torch.manual_seed(0)
    method = create_method(METHOD)
    torch.nn.init.normal_(method.head.final_layer.weight, std=0.3)
    save_model(method, folder / "run", method.recipes["quick"])
    (folder / "photos").mkdir()
    rng = np.random.default_rng(0)
    images = []
    people = []
    for i in range(NUM_IMAGES):
        name = f"{i}.png"
        pixels = rng.integers(0, 255, (60, 300, 3), np.uint8)
        cv2.imwrite(str(folder / "photos" / name), pixels)
        images.append({"id": i + 1, "file_name": name, "width": 300, "height": 60})
        for j in range(5):
            box = [60.0 * j, 2.0, 50.0, 50.0]
            joints = [2.0] * 51
            person = {"id": 5 * i + j + 1, "image_id": i + 1, "category_id": 1, "iscrowd": 0}
            people.append(person | {"bbox": box, "area": 2500, "keypoints": joints})
            people[-1]["num_keypoints"] = 17
    joints = list(method.skeleton.joints)
    category = [{"id": 1, "name": "person", "keypoints": joints, "skeleton": []}]
    truth = {"images": images, "annotations": people, "categories": category}
    (folder / "boxes.json").write_text(json.dumps(truth))
    words = (folder / "run", "--data", folder / "boxes.json", "--images", folder / "photos")
    assert run_predict(*words, "--out", folder / "raw.json") == 0
    for person, result in zip(people, json.loads((folder / "raw.json").read_text()), strict=True):
        assert person["image_id"] == result["image_id"]
        points = np.array(result["keypoints"]).reshape(-1, 3)
        points[:, :2] += rng.normal(0, 1, (len(points), 2))
        points[:, 2] = 2
        person["keypoints"] = points.ravel().tolist()
    (folder / "truth.json").write_text(json.dumps(truth))
    words = ("--calibrate", folder / "truth.json", "--images", folder / "photos")
    assert run_predict(folder / "run", *words, "--out", folder / "fitted.json") == 0
    return folder


def run_predict(*words) -> int:
    return main(["predict", *map(str, words)])


def test_what_was_fitted_calibrates_later_results(files, tmp_path, capsys):
    data = ("--data", files / "truth.json", "--images", files / "photos")
    calibration = ("--calibration", files / "fitted.calibration.json")
    out = tmp_path / "o.json"
    assert run_predict(files / "run", *data, "--out", out, *calibration) == 0
    raw = json.loads((files / "raw.json").read_text())
    # The run that fits writes the method's own scores.
    assert json.loads((files / "fitted.json").read_text()) == raw
    results = json.loads(out.read_text())
    assert [r["keypoints"] for r in results] == [r["keypoints"] for r in raw]
    assert [r["score"] for r in results] != [r["score"] for r in raw]
    errors = np.array([r["keypoint_errors"] for r in results])
    assert errors.shape[1] * 3 == len(raw[0]["keypoints"])
    truth = read_coco(files / "truth.json")
    distance = np.linalg.norm(
        truth.keypoints[:, :, :2] - read_results(out, truth).keypoints[:, :, :2], axis=2
    )
    assert (distance <= errors).mean() == pytest.approx(0.68, abs=0.02)
    shards = ("--shards", tmp_path / "s", "--shard-images", 9)
    assert (
        run_predict(files / "run", *data, "--out", tmp_path / "p.json", *calibration, *shards) == 0
    )
    assert json.loads((tmp_path / "p.json").read_text()) == results


def test_a_calibration_belongs_to_its_weights_and_not_to_their_file(files, tmp_path, capsys):
    fitted = files / "fitted.calibration.json"
    words = (files / "photos" / "0.png", "--out", tmp_path / "o.json")
    torch.manual_seed(1)
    other = create_method(METHOD)
    save_model(other, tmp_path / "other", other.recipes["quick"])
    assert run_predict(tmp_path / "other", *words, "--calibration", fitted) == 2
    printed = " ".join(capsys.readouterr().err.split())
    assert f"was fitted for other weights of {METHOD}" in printed and "--calibrate" in printed
    assert not (tmp_path / "o.json").exists()
    # The same weights in another file, of which one value is then changed.
    state = load_file(files / "run" / "model.safetensors")
    torch.save(state, tmp_path / "same.pth")
    weights = ("--weights", tmp_path / "same.pth", "--calibration", fitted)
    assert run_predict(METHOD, *words, *weights) == 0
    state["head.final_layer.bias"][0] += 1e-6
    torch.save(state, tmp_path / "same.pth")
    assert run_predict(METHOD, *words, *weights) == 2
    content = json.loads(fitted.read_text())
    del content["weights_sha256"]
    (tmp_path / "old.json").write_text(json.dumps(content))
    capsys.readouterr()
    assert run_predict(files / "run", *words, "--calibration", tmp_path / "old.json") == 2
    assert "does not record for which weights" in " ".join(capsys.readouterr().err.split())


def test_labels_whose_joints_have_no_sigmas_are_matched_by_those_of_the_method(files, tmp_path):
    labels = json.loads((files / "truth.json").read_text())
    category = labels["categories"][0]
    category["keypoints"] = [str(i) for i in range(len(category["keypoints"]))]
    (tmp_path / "numbered.json").write_text(json.dumps(labels))
    words = ("--calibrate", tmp_path / "numbered.json", "--images", files / "photos")
    assert run_predict(files / "run", *words, "--out", tmp_path / "fitted.json") == 0
    fitted, expected = (
        json.loads((folder / "fitted.calibration.json").read_text()) for folder in (tmp_path, files)
    )
    assert fitted["correct"] == expected["correct"]
    assert list(fitted["joint_factors"].values()) == list(expected["joint_factors"].values())


def test_many_low_scores_are_counted_and_left_out_by_what_is_printed(files, tmp_path, capsys):
    out = tmp_path / "o.json"
    raw = json.loads((files / "raw.json").read_text())
    boxes = [
        {key: one[key] for key in ("image_id", "category_id", "bbox")} | {"score": score}
        for one, score in zip(raw, [0.9, *[0.01] * 4] * NUM_IMAGES, strict=True)
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    words = (files / "run", "--data", files / "truth.json", "--images", files / "photos")
    words += ("--boxes", tmp_path / "boxes.json", "--nms", 1.0, "--score-rule", "box", "--out", out)
    assert run_predict(*words) == 0
    *_, line = capsys.readouterr().err.strip().splitlines()
    num_low, num_people = int(line.split()[0]), int(line.split()[2])
    assert num_people == len(json.loads(out.read_text())) == len(raw)
    limit = float(line.split("--min-score ")[1].split()[0])
    assert run_predict(*words, "--shards", tmp_path / "s", "--shard-images", 7) == 0
    assert line in capsys.readouterr().err
    assert run_predict(*words, "--min-score", limit) == 0
    assert len(json.loads(out.read_text())) == num_people - num_low
    assert "--min-score" not in capsys.readouterr().err


def test_pycocotools_reads_results_with_expected_errors(files, tmp_path):
    coco = pytest.importorskip("pycocotools.coco")
    out = tmp_path / "o.json"
    words = ("--data", files / "truth.json", "--images", files / "photos", "--out", out)
    calibration = ("--calibration", files / "fitted.calibration.json")
    assert run_predict(files / "run", *words, *calibration) == 0
    loaded = coco.COCO(str(files / "truth.json")).loadRes(str(out))
    assert len(loaded.anns) == len(json.loads(out.read_text()))


def test_low_scores_are_left_out_of_results_or_of_drawings(files, tmp_path):
    words = (files / "run", "--data", files / "truth.json", "--images", files / "photos")
    raw = json.loads((files / "raw.json").read_text())
    middle = float(np.median([r["score"] for r in raw]))
    out = tmp_path / "o.json"
    assert run_predict(*words, "--out", out, "--min-score", middle) == 0
    assert json.loads(out.read_text()) == [r for r in raw if r["score"] >= middle]
    drawings = []
    for name, least in (("all", -1), ("none", 2)):
        draw = ("--draw", tmp_path / name, "--draw-min-score", least)
        assert run_predict(files / "run", files / "photos" / "0.png", "--out", out, *draw) == 0
        assert len(json.loads(out.read_text())) == 1
        drawings.append(cv2.imread(str(next((tmp_path / name).iterdir()))))
    image = cv2.imread(str(files / "photos" / "0.png"))
    large = cv2.resize(image, drawings[1].shape[1::-1], interpolation=cv2.INTER_CUBIC)
    assert np.abs(drawings[1].astype(float) - large).mean() < 12  # JPEG of noise alone
    assert np.abs(drawings[0].astype(float) - drawings[1]).mean() > 1


def test_options_that_do_not_fit_are_one_line_errors(files, tmp_path, capsys):
    out = ("--out", tmp_path / "o.json")
    truth = ("--calibrate", files / "truth.json", "--images", files / "photos")
    for words, message in (
        ((*truth, "--data", files / "truth.json"), "--data cannot be added"),
        ((*truth, "--min-score", 0.5), "--min-score cannot be added"),
        (("--calibrate", tmp_path / "none.json"), "no such file"),
        ((files / "photos", "--draw-min-score", 0.5), "add --draw DIR"),
        ((files / "photos", "--calibration", files / "truth.json"), "is no calibration"),
    ):
        assert run_predict(files / "run", *words, *out) == 2
        assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "o.json").exists()
