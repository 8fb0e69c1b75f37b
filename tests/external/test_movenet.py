"""MoveNet finds the people of real photographs and serves wherever a method does."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

import smallpose
from smallpose.cli.main import main
from smallpose.core.errors import InputError, SmallposeError
from smallpose.core.skeleton import COCO17
from smallpose.external import create_model
from smallpose.external.movenet import WEIGHTS, MoveNet, _decode_rows, _merge_passes
from smallpose.external.package_weights import find_weights
from smallpose.inference.predict_files import predict_image_files
from smallpose.methods import create_method
from smallpose.methods.full_image import Detections

pytest.importorskip("ai_edge_litert")


@pytest.fixture(scope="session")
def movenet() -> MoveNet:
    """Return the model, if its package can be had."""
    try:
        find_weights(WEIGHTS)
    except SmallposeError as error:
        pytest.skip(f"no weights of MoveNet: {error}")
    return MoveNet()


@pytest.fixture(scope="session")
def photos(real):
    """Return the folder of four images of COCO and their labels."""
    return real / "coco" / "example4"


def test_rows_of_the_network_are_decoded_to_px_of_the_image():
    row = np.zeros((1, 56))
    row[0, :6] = (0.5, 0.25, 0.9, 0, 0, 0.8)  # nose and left eye: y, x, score
    row[0, 51:] = (0.1, 0.2, 0.5, 0.6, 0.7)  # ymin, xmin, ymax, xmax, score
    detections = _decode_rows(row, np.array([256, 128]), np.array([2.5, 2.5]))
    x, y = detections.keypoints[0, 0].tolist()
    assert (x, y) == ((0.25 * 256 + 0.5) * 2.5 - 0.5, (0.5 * 128 + 0.5) * 2.5 - 0.5)
    assert detections.keypoint_scores[0, :2].tolist() == [0.9, 0.8]
    assert detections.scores.tolist() == [0.7]
    corners = detections.boxes_xyxy[0].numpy()
    expected = (np.array([0.2 * 256, 0.1 * 128, 0.6 * 256, 0.5 * 128]) + 0.5) * 2.5 - 0.5
    np.testing.assert_allclose(corners, expected)


def test_large_people_of_real_photographs_are_found(movenet, photos):
    truth = smallpose.read_coco(photos / "example_coco_val.json")
    paths = [photos / name for name in truth.images.file_names]
    predictions = predict_image_files(movenet, paths).predictions
    ids = truth.images.ids[predictions.image_ids - 1]
    scores = smallpose.evaluate(truth, replace(predictions, image_ids=ids), protocols=("coco",))
    assert scores["coco"]["AP_L"] > 0.8


def test_predict_reads_photographs_and_names_its_engine(movenet, photos, tmp_path, capsys):
    out = tmp_path / "predictions.json"
    image = str(photos / "000000197388.jpg")
    assert main(["predict", "movenet", image, "--out", str(out)]) == 0
    people = json.loads(out.read_text())
    assert len(people) >= 4
    assert all(len(person["keypoints"]) == 51 for person in people)
    environment = json.loads((tmp_path / "predictions.environment.json").read_text())
    assert environment["engine"] == "LiteRT"
    assert "INFO" not in capsys.readouterr().err


def test_it_gives_boxes_to_a_top_down_method(movenet, photos, tmp_path):
    method = create_method("simple_baseline_r18_tiny")
    torch.save(method.state_dict(), tmp_path / "m.pth")
    out = tmp_path / "predictions.json"
    command = ["predict", method.name, str(photos / "000000000785.jpg"), "--out", str(out)]
    command += ["--weights", str(tmp_path / "m.pth"), "--boxes-from", "movenet", "--no-flip-test"]
    assert main(command) == 0
    assert len(json.loads(out.read_text())) == 1


def test_options_of_pytorch_networks_and_other_joints_are_refused(movenet, photos, tmp_path):
    image = str(photos / "000000000785.jpg")
    out = ["--out", str(tmp_path / "p.json")]
    assert main(["predict", "movenet", image, "--half", *out]) == 2
    with pytest.raises(InputError, match="has its own 17 joints"):
        create_model("movenet", "smallpose21")


def test_a_method_without_weights_names_the_choices():
    with pytest.raises(InputError, match=r"add --weights .* movenet needs none"):
        create_model("rtmo_s")


@pytest.fixture
def crowd(movenet, monkeypatch):
    """Let the network see as many people as are asked for, side by side; return how."""

    def show(num_people):
        rows = np.zeros((6, 56), dtype=np.float32)
        rows[:, :51:3] = np.linspace(0.2, 0.8, 17)
        rows[:, 1:51:3] = np.linspace(0.05, 0.9, 6)[:, None] + np.linspace(0, 0.04, 17)
        rows[:num_people, 55] = 0.5
        monkeypatch.setattr(MoveNet, "_run_network", lambda self, image: rows)

    return show


@pytest.mark.parametrize("flags", [[], ["--shards"], ["--tile", "64"], ["--boxes-from"], ["video"]])
@pytest.mark.parametrize("num_people", [5, 6])
def test_views_with_as_many_people_as_it_finds_are_counted(
    flags, num_people, crowd, tmp_path, capsys
):
    crowd(num_people)
    image = tmp_path / "a.png"
    cv2.imwrite(str(image), np.zeros((96, 96, 3), np.uint8))
    command = ["predict", "movenet", str(image), "--out", str(tmp_path / "found.json")]
    if flags == ["--boxes-from"]:
        method = create_method("simple_baseline_r18_tiny")
        torch.save(method.state_dict(), tmp_path / "m.pth")
        command[1] = method.name
        flags = ["--weights", str(tmp_path / "m.pth"), "--boxes-from", "movenet"]
    if flags == ["--shards"]:
        flags = ["--shards", str(tmp_path / "shards")]
    if flags == ["video"]:
        pytest.importorskip("av")
        from tests.cli.test_predict_video import write_video

        write_video(tmp_path / "a.mp4", [0, 0.1, 0.2])
        command[2], flags = str(tmp_path / "a.mp4"), []
    assert main([*command, *flags]) == 0
    error = capsys.readouterr().err
    assert ("movenet: at most 6 people are found in a view, and as many in " in error) == (
        num_people == 6
    )
    assert "smallpose predict --tile PX" in error or num_people == 5


def detect_in_passes(rng, poses, pass_px):
    """Return what passes of a network detect whose joints are off by 1.5 px of its input."""
    passes = []
    for px in pass_px:
        points = poses + rng.normal(0, 1.5 * px, poses.shape)
        corners = np.concatenate([poses.min(axis=1), poses.max(axis=1)], axis=1)
        passes.append(
            Detections(
                keypoints=torch.from_numpy(points),
                keypoint_scores=torch.ones(points.shape[:2], dtype=torch.float64),
                scores=torch.from_numpy(rng.uniform(0.1, 0.9, len(poses))),
                boxes_xyxy=torch.from_numpy(corners + rng.normal(0, px, corners.shape)),
            )
        )
    return passes


@pytest.mark.parametrize("height", [30, 60, 120])
def test_small_people_of_two_passes_remain_once_and_neighbours_remain(height):
    rng = np.random.default_rng(height)
    pass_px = np.array([640 / 256, 640 / 512])
    num_kept = 0
    for _ in range(100):
        places = rng.uniform(0, 400, 2) + np.arange(3)[:, None] * [0.5 * height, 0]
        shape = np.stack([rng.uniform(0, 0.4, 17), np.linspace(0, 1, 17)], axis=1) * height
        poses = places[:, None] + shape
        merged = _merge_passes(detect_in_passes(rng, poses, pass_px), pass_px, COCO17.sigmas)
        distance = np.abs(merged.keypoints.numpy()[:, None] - poses).mean(axis=(2, 3))
        assert set(distance.argmin(axis=1)) == {0, 1, 2}
        num_kept += len(merged.scores)
    assert num_kept <= 1.03 * 300


def test_nobody_on_a_photograph_with_small_people_is_found_twice_in_the_same_box(movenet, real):
    photo = real / "coco" / "mini-coco" / "train2017" / "000000000531.jpg"
    boxes = predict_image_files(movenet, [photo]).predictions.boxes_xywh
    low, high = boxes[:, None, :2], boxes[:, None, :2] + boxes[:, None, 2:]
    shared = np.minimum(high, high[:, 0]) - np.maximum(low, low[:, 0])
    area = boxes[:, 2:].prod(axis=1)
    intersection = np.maximum(shared, 0).prod(axis=2)
    iou = intersection / (area + area[:, None] - intersection)
    assert len(boxes) > 3 and (iou[~np.eye(len(boxes), dtype=bool)] < 0.7).all()
