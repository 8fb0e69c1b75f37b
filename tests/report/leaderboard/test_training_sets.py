"""A board knows which test images a training set contains, and scores rows on the others."""

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from smallpose.cli.main import main
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.evaluate import evaluate
from smallpose.io.coco_annotations import read_coco, write_coco
from smallpose.io.coco_results import read_results, write_results

NUM_IMAGES = 24
EXACT, NEAR, MISSING, DAMAGED = (1, 2, 3), (4, 5, 6), (7,), (8,)


def draw_scene(seed: int) -> np.ndarray:
    """Draw a scene of rectangles and circles that no other seed has."""
    rng = np.random.default_rng(seed)
    image = np.full((360, 480, 3), rng.integers(60, 200, 3), np.uint8)
    for _ in range(40):
        x, y, w, h = rng.integers(0, [440, 320, 120, 120]).tolist()
        colour = rng.integers(0, 256, 3).tolist()
        if rng.random() < 0.5:
            cv2.rectangle(image, (x, y), (x + w + 8, y + h + 8), colour, -1)
        else:
            cv2.circle(image, (x, y), w // 2 + 6, colour, -1)
    return image


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write test images, a training set that has some of them, another set, labels and results."""
    folder = tmp_path_factory.mktemp("training_sets")
    for name in ("images", "train/a", "clean"):
        (folder / name).mkdir(parents=True)
    for i in range(1, NUM_IMAGES + 1):
        cv2.imwrite(str(folder / "images" / f"{i}.png"), draw_scene(i))
        cv2.imwrite(str(folder / "train" / "a" / f"other{i}.jpg"), draw_scene(1000 + i))
        cv2.imwrite(str(folder / "clean" / f"{i}.jpg"), draw_scene(2000 + i))
    for i in EXACT:
        content = (folder / "images" / f"{i}.png").read_bytes()
        (folder / "train" / f"renamed{i}.png").write_bytes(content)
    scaled = cv2.resize(draw_scene(NEAR[0]), None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    changed = [scaled, draw_scene(NEAR[1])[:, ::-1], draw_scene(NEAR[2])[30:340, 40:450]]
    for i, image in zip(NEAR, changed, strict=True):
        jpeg = [cv2.IMWRITE_JPEG_QUALITY, 70]
        cv2.imwrite(str(folder / "train" / f"near{i}.jpg"), np.ascontiguousarray(image), jpeg)
    (folder / "images" / f"{MISSING[0]}.png").unlink()
    (folder / "images" / f"{DAMAGED[0]}.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    write_labels_and_results(folder)
    return folder


def write_labels_and_results(folder: Path) -> None:
    rng = np.random.default_rng(0)
    ids = np.arange(1, NUM_IMAGES + 1)
    images = make_images(ids, [f"{i}.png" for i in ids], [480] * NUM_IMAGES, [360] * NUM_IMAGES)
    boxes = np.tile([100.0, 60.0, 100.0, 200.0], (NUM_IMAGES, 1))
    xy = boxes[:, None, :2] + rng.uniform(0.1, 0.9, (NUM_IMAGES, 17, 2)) * boxes[:, None, 2:]
    keypoints = np.concatenate([xy, np.full((NUM_IMAGES, 17, 1), 2.0)], axis=2)
    write_coco(
        make_instances(COCO17, images, np.arange(NUM_IMAGES), boxes, keypoints),
        folder / "labels.json",
    )
    # Images of the training set are remembered, others are not.
    for name, noise in (("ours", 8.0), ("theirs", 9.0)):
        spread = np.where(np.isin(ids, (*EXACT, *NEAR)), 0.5, noise)[:, None, None]
        poses = keypoints.copy()
        poses[:, :, :2] += rng.normal(0, 1, xy.shape) * spread
        scores = rng.random(NUM_IMAGES)
        write_results(make_predictions(COCO17, ids, poses, scores, boxes), folder / f"{name}.json")


def call(board: Path, folder: Path, action: str, name: str, *options: str) -> int:
    words = [str(folder / "labels.json")]
    words += [str(folder / f"{name}.json")] if action == "add" else []
    return main(["leaderboard", action, str(board), *words, "--name", name, *options])


def declare(board: Path, folder: Path, name: str, training: str, *options: str) -> int:
    paths = ("--images", str(folder / "images"), "--training-images", str(folder / training))
    return call(board, folder, "training", name, *paths, *options)


@pytest.fixture(scope="module")
def board(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    board = tmp_path_factory.mktemp("boards") / "board"
    assert call(board, folder, "add", "theirs") == 0
    assert declare(board, folder, "crawl", "train", "--workers", "2") == 0
    assert declare(board, folder, "clean", "clean") == 0
    assert call(board, folder, "add", "ours", "--trained-on", "crawl") == 0
    return board


def read_board_rows(board: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    capsys.readouterr()
    assert main(["leaderboard", "show", str(board), "--json", "-"]) == 0
    return {row["name"]: row for row in json.loads(capsys.readouterr().out)}


def test_planted_duplicates_are_found_and_nothing_else(board: Path):
    sets = {
        one["name"]: one for one in json.loads((board / "board.json").read_text())["training_sets"]
    }
    assert sets["crawl"]["exact"] == list(EXACT)
    assert sets["crawl"]["near"] == list(NEAR)
    assert sets["crawl"]["num_images"] == NUM_IMAGES + len(EXACT) + len(NEAR)
    for one in sets.values():
        assert one["not_compared"] == [*MISSING, *DAMAGED]
    assert sets["clean"]["exact"] == sets["clean"]["near"] == []


def test_videos_among_the_training_images_are_left_out_and_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    training = tmp_path / "training"
    shutil.copytree(folder / "clean", training)
    for name in ("b.mp4", "a.mp4"):
        (training / name).write_bytes(b"\0\0\0\x20ftypisom" + bytes(64))
    board = tmp_path / "board"
    assert call(board, folder, "add", "theirs") == 0
    paths = ("--images", str(folder / "images"), "--training-images", str(training))
    assert call(board, folder, "training", "mixed", *paths) == 0
    assert "2 videos left out (first: a.mp4); their frames were not" in capsys.readouterr().err
    (one,) = json.loads((board / "board.json").read_text())["training_sets"]
    assert one["num_images"] == NUM_IMAGES


def test_the_rest_is_scored_as_evaluate_scores_these_images_alone(
    board: Path, folder: Path, capsys: pytest.CaptureFixture[str]
):
    row = read_board_rows(board, capsys)["ours"]
    assert row["seen"] == {"images": 6, "not_compared": 2, "unknown": []}
    truth = read_coco(folder / "labels.json")
    left = [i for i in range(NUM_IMAGES) if i + 1 not in (*EXACT, *NEAR, *MISSING, *DAMAGED)]
    rest = truth.take_images(np.array(left))
    predictions = read_results(folder / "ours.json", truth)
    predictions = predictions.take(np.flatnonzero(np.isin(predictions.image_ids, rest.images.ids)))
    expected = evaluate(rest, predictions)["coco"]
    assert row["rest"]["num_images"] == len(left)
    assert row["rest"]["scores"]["coco"]["AP"] == expected["AP"] < row["scores"]["coco"]["AP"]
    page = (board / "index.html").read_text()
    assert "at least 6 of 24 (25.0 %); 2 not compared" in page
    assert f"{100 * expected['AP']:.1f}" in page


def test_a_row_without_a_declaration_is_never_clean(
    board: Path, capsys: pytest.CaptureFixture[str]
):
    row = read_board_rows(board, capsys)["theirs"]
    assert row["seen"] is None
    assert row["rest"] is None
    rows = (board / "leaderboard.csv").read_text().splitlines()
    assert all("not declared,not declared,," in line for line in rows if line.startswith("theirs"))


def test_a_set_that_the_board_does_not_know_leaves_the_share_open(
    board: Path, folder: Path, capsys: pytest.CaptureFixture[str]
):
    options = ("--trained-on", "crawl", "--trained-on", "ImageNet", "--replace")
    assert call(board, folder, "add", "theirs", *options) == 0
    row = read_board_rows(board, capsys)["theirs"]
    assert row["seen"]["unknown"] == ["ImageNet"]
    assert row["rest"] is None
    assert "at least 6 of 24 (25.0 %); unknown for ImageNet" in (board / "index.html").read_text()
    assert call(board, folder, "add", "theirs", "--replace") == 0


def test_scores_of_the_rest_are_withdrawn_when_the_set_changes(
    board: Path, folder: Path, capsys: pytest.CaptureFixture[str]
):
    assert declare(board, folder, "crawl", "clean", "--replace") == 0
    row = read_board_rows(board, capsys)["ours"]
    assert row["seen"]["images"] == 0
    assert row["rest"] is None
    assert declare(board, folder, "crawl", "train", "--replace") == 0
    assert read_board_rows(board, capsys)["ours"]["rest"] is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--images", "{}/images"), "--training-images is missing"),
        (("--images", "{}/none", "--training-images", "{}/train"), "no such folder"),
        (("--images", "{}/train", "--training-images", "{}/clean"), "has none of the 24 images"),
        (("--images", "{}/images", "--training-images", "{}/train"), "board already"),
    ],
)
def test_calls_that_cannot_be_right_are_refused(
    board: Path,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    message: str,
):
    before = (board / "board.json").read_bytes()
    name = "crawl" if "already" in message else "new"
    words = [option.format(folder) for option in options]
    assert call(board, folder, "training", name, *words) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in error
    assert (board / "board.json").read_bytes() == before
