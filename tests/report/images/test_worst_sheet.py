"""Tests of `images/worst_sheet.py`: the people with the lowest OKS, with their names."""

import cv2
import numpy as np
import pytest

import smallpose
from smallpose.cli.main import main
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.analysis.person_matches import match_people
from smallpose.report.images.encode import match_image_names
from smallpose.report.images.worst_sheet import build_worst_sheet, find_worst_people
from smallpose.report.inputs.person_matching import RunPredictions


@pytest.fixture
def scene():
    """Six people whose poses are the farther off the higher their row; row 5 has none."""
    rng = np.random.default_rng(0)
    images = smallpose.make_images([1, 2], ["a/left.png", "right.png"], [400] * 2, [300] * 2)
    rows = [0, 0, 0, 1, 1, 1]
    boxes = [[10 + 120 * (i % 3), 20, 100, 200] for i in range(6)]
    xy = np.array(boxes)[:, None, :2] + rng.random((6, 17, 2)) * (100, 200)
    keypoints = np.concatenate([xy, np.full((6, 17, 1), 2.0)], axis=2)
    truth = smallpose.make_instances(COCO17, images, rows, boxes, keypoints, ids=range(11, 17))
    poses = keypoints[:5].copy()
    poses[:, :, 0] += 4.0 * np.arange(5)[:, None]
    predictions = smallpose.make_predictions(
        COCO17, [1, 1, 1, 2, 2], poses, np.ones(5), np.array(boxes[:5], float)
    )
    return truth, predictions


def read_grey(name):
    return np.full((300, 400, 3), 128, np.uint8)


def test_the_lowest_oks_comes_first_and_people_without_a_detection_before_all(scene):
    truth, predictions = scene
    result = RunPredictions("net", predictions, match_people(truth, predictions, None))
    assert find_worst_people(truth, result, 4).tolist() == [5, 4, 3, 2]
    sheet = build_worst_sheet(truth, result, read_grey, 3)
    captions = [tile.caption for tile in sheet.rows[0].tiles]
    assert captions[0] == ("no match", "200 px", "id 16", "right.png")
    assert captions[1][0].startswith("OKS 0.")
    assert [caption[2] for caption in captions] == ["id 16", "id 15", "id 14"]
    assert sheet.title == "The worst people of net"


def test_the_command_writes_the_sheet_and_asks_for_images(scene, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    truth, predictions = scene
    smallpose.write_coco(truth, "truth.json")
    smallpose.write_results(predictions, "net.json")
    (tmp_path / "photos/a").mkdir(parents=True)
    for name in truth.images.file_names:
        cv2.imwrite(f"photos/{name}", read_grey(name))
    words = ["evaluate", "truth.json", "net.json", "--worst", "worst"]
    assert main(words) == 2
    assert "add --images DIR" in capsys.readouterr().err
    assert main([*words, "--images", "photos"]) == 0
    assert cv2.imread("worst/worst.png").shape[1] == 2000
    (tmp_path / "empty").mkdir()
    assert main([*words, "--images", "empty"]) == 2


@pytest.mark.parametrize("moved", ["left.png", "more/left.png"])
def test_images_are_found_without_the_folder_of_their_names(scene, moved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    truth, predictions = scene
    smallpose.write_coco(truth, "truth.json")
    smallpose.write_results(predictions, "net.json")
    (tmp_path / "photos" / moved).parent.mkdir(parents=True)
    cv2.imwrite(f"photos/{moved}", read_grey(""))
    names = truth.images.file_names
    folder = tmp_path / "photos"
    assert match_image_names(folder, names, names) == {"a/left.png": moved}
    assert match_image_names(folder, names, [*names, "b/left.png"]) == {}  # which one is meant?
    words = ["evaluate", "truth.json", "net.json", "--worst", "worst", "--images", "photos"]
    assert main(words) == 0
    (folder / "again").mkdir()
    cv2.imwrite("photos/again/left.png", read_grey(""))
    assert match_image_names(folder, names, names) == {}
    assert main(words) == 2
