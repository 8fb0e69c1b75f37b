"""Batches of crops across images give the same as single images, in the order of the boxes."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from smallpose import create_method
from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.images import ImageReader, read_image
from smallpose.inference import (
    Boxes,
    InferenceOptions,
    predict_people,
    read_boxes,
    select_true_boxes,
)
from smallpose.inference.predict_files import predict_coco_file, predict_image_files
from smallpose.inference.top_down import _collect_batches, _Crops, predict_top_down
from smallpose.io.coco_annotations import write_coco
from smallpose.models.codecs.nms import oks_nms


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    method = create_method("simple_baseline_r18_tiny")
    # Peaks as high as those of a trained network, so that scores are above zero.
    torch.nn.init.normal_(method.head.final_layer.weight, std=0.3)
    return method


def make_people(folder: Path):
    rng = np.random.default_rng(3)
    for i in range(4):
        cv2.imwrite(str(folder / f"{i}.png"), rng.integers(0, 255, (60, 80, 3), dtype=np.uint8))
    rows = np.array([2, 0, 3, 0, 2, 2, 1])
    boxes = np.concatenate([rng.uniform(0, 30, (7, 2)), rng.uniform(10, 40, (7, 2))], axis=1)
    images = make_images([11, 12, 13, 14], [f"{i}.png" for i in range(4)], [80] * 4, [60] * 4)
    return make_instances(COCO17, images, rows, boxes, np.full((7, 17, 3), 2.0))


def test_batches_across_images_give_the_predictions_of_single_crops(tmp_path, tiny):
    people = make_people(tmp_path)
    boxes = Boxes(people.image_rows, people.boxes_xywh, np.linspace(0.3, 0.9, 7))
    read = ImageReader(tmp_path).read
    by_size = [
        predict_top_down(tiny, people, boxes, read, InferenceOptions(batch_size=b))
        for b in (1, 3, 64)
    ]
    for predictions in by_size:
        assert predictions.image_ids.tolist() == [13, 11, 14, 11, 13, 13, 12]
        assert (predictions.boxes_xywh == people.boxes_xywh).all()
        assert np.allclose(predictions.keypoints, by_size[0].keypoints, atol=1e-4)
    images = [read(f"{i}.png") for i in people.image_rows]
    single = tiny.predict(
        images, list(people.boxes_xywh[:, None]), box_scores=list(boxes.scores[:, None])
    )
    assert np.allclose(single.keypoints, by_size[2].keypoints, atol=1e-4)
    assert np.allclose(single.scores, by_size[2].scores, atol=1e-5)


def test_a_single_image_needs_no_lists(tmp_path, tiny):
    people = make_people(tmp_path)
    image = ImageReader(tmp_path).read("0.png")
    boxes = people.boxes_xywh[people.image_rows == 0]
    single = tiny.predict(image, boxes)
    listed = tiny.predict([image], [boxes])
    assert (single.keypoints == listed.keypoints).all() and len(single) == 2


def test_half_precision_and_a_compiled_network_give_the_same_keypoints(tmp_path, tiny, monkeypatch):
    people = make_people(tmp_path)
    read = ImageReader(tmp_path).read
    exact = predict_people(tiny, people, None, read)
    half = predict_people(tiny, people, None, read, InferenceOptions(precision="half"))
    assert tiny.precision is None
    distance = np.abs(half.keypoints - exact.keypoints)[:, :, :2].max(axis=2)
    assert distance.max() > 0 and np.median(distance) < 1.0
    # The graph is captured as usual; only code generation, which takes minutes, is left out.
    compiled = copy.deepcopy(tiny)
    compile_module = torch.nn.Module.compile
    monkeypatch.setattr(
        torch.nn.Module,
        "compile",
        lambda self: compile_module(self, backend="aot_eager", fullgraph=True),
    )
    predictions = predict_people(compiled, people, None, read, InferenceOptions(compile=True))
    assert compiled._compiled_call_impl is not None
    np.testing.assert_allclose(predictions.keypoints, exact.keypoints, atol=1e-3)


def test_true_boxes_are_those_of_trainable_people(tmp_path):
    people = make_people(tmp_path)
    people.iscrowd[1] = True
    boxes = select_true_boxes(people)
    assert boxes.image_rows.tolist() == [0, 1, 2, 2, 2, 3]
    assert (boxes.scores == 1).all()


def test_duplicates_of_detected_boxes_are_dropped(tmp_path, tiny):
    people = make_people(tmp_path)
    records = [
        {"image_id": 13, "bbox": [5, 5, 30, 40], "score": 0.5, "category_id": 1},
        {"image_id": 11, "bbox": [5, 5, 30, 40], "score": 0.6, "category_id": 1},
        {"image_id": 13, "bbox": [5, 5, 30, 40], "score": 0.9, "category_id": 1},
        {"image_id": 13, "bbox": [0, 0, 9, 9], "score": 0.9, "category_id": 3},
        {"image_id": 99, "bbox": [0, 0, 9, 9], "score": 0.9, "category_id": 1},
        {"image_id": 13, "bbox": [0, 0, 0, 9], "score": 0.9, "category_id": 1},
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(records))
    boxes = read_boxes(tmp_path / "boxes.json", people.images)
    assert boxes.scores.tolist() == [0.6, 0.5, 0.9]
    kept = predict_top_down(tiny, people, boxes, ImageReader(tmp_path).read)
    assert kept.image_ids.tolist() == [11, 13]
    all_people = predict_top_down(
        tiny, people, boxes, ImageReader(tmp_path).read, InferenceOptions(oks_threshold=1.0)
    )
    assert kept.scores[1] == all_people.scores[1:].max()


def test_oks_nms_keeps_the_highest_score_of_each_group():
    points = np.zeros((4, 17, 3))
    points[1, :, :2] += 0.5
    points[2, :, :2] += 40
    points[3, :, :2] += 40.5
    kept = oks_nms(points, np.array([0.3, 0.9, 0.8, 0.1]), np.full(4, 2000.0), COCO17.sigmas)
    assert kept.tolist() == [1, 2]


def test_an_unreadable_image_is_noted_or_stops_the_prediction(tmp_path, tiny):
    people = make_people(tmp_path)
    (tmp_path / "2.png").write_bytes(b"<html>")
    read = ImageReader(tmp_path).read
    boxes = select_true_boxes(people)
    predictions = predict_top_down(tiny, people, boxes, read, InferenceOptions(max_unreadable=0.5))
    assert predictions.image_ids.tolist() == [11, 11, 12, 14]
    assert "not an image" in predictions.notes[0]
    with pytest.raises(InputError, match="1 of 4 images cannot be read"):
        predict_top_down(tiny, people, boxes, read)


def test_a_coco_file_and_image_files_are_predicted(tmp_path, tiny, capsys):
    people = make_people(tmp_path)
    write_coco(people, tmp_path / "truth.json")
    predictions, table = predict_coco_file(tiny, tmp_path / "truth.json", tmp_path)
    assert table.images.file_names == people.images.file_names
    assert sorted(predictions.image_ids.tolist()) == sorted(
        people.images.ids[people.image_rows].tolist()
    )
    predictions, _ = predict_image_files(tiny, [tmp_path / "0.png", tmp_path / "3.png"])
    assert predictions.image_ids.tolist() == [1, 2]
    assert predictions.boxes_xywh.tolist() == [[0, 0, 80, 60]] * 2
    assert "the box of one person" in capsys.readouterr().err
    assert read_image(tmp_path / "0.png").shape == (60, 80, 3)


def rotate_image(path: Path, orientation: int) -> None:
    """Add an EXIF orientation to the image; its stored pixels stay."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    with Image.open(path) as image:
        image.save(path, exif=exif)


def test_images_that_exif_turns_are_named_or_refused_by_predict(tmp_path, tiny, capsys):
    people = make_people(tmp_path)
    truth = tmp_path / "truth.json"
    write_coco(people, truth)
    before = predict_coco_file(tiny, truth, tmp_path).predictions
    rotate_image(tmp_path / "2.png", 6)
    after = predict_coco_file(tiny, truth, tmp_path).predictions
    assert (after.keypoints == before.keypoints).all()  # on the stored pixels, as declared
    assert "1 image has an EXIF orientation (first: 2.png)" in capsys.readouterr().err
    images = replace(people.images, width=people.images.height, height=people.images.width)
    write_coco(replace(people, images=images), truth)
    with pytest.raises(InputError, match="--exif apply"):
        predict_coco_file(tiny, truth, tmp_path)
    unknown = np.zeros(4, dtype=np.int64)
    images = replace(people.images, width=unknown, height=unknown)
    people.keypoints[people.image_rows == 2, 0] = (10, 75, 2)  # stored 80 × 60, shown 60 × 80
    write_coco(replace(people, images=images), truth)
    with pytest.raises(InputError, match=r"refer to the image as EXIF turns it.*--exif apply"):
        predict_coco_file(tiny, truth, tmp_path)


def test_a_table_without_people_is_no_error(tmp_path, tiny):
    people = make_people(tmp_path).take(np.zeros(0, dtype=np.intp))
    boxes = select_true_boxes(people)
    assert len(predict_top_down(tiny, people, boxes, ImageReader(tmp_path).read)) == 0


def test_no_batch_is_larger_than_requested():
    def make_crops():
        for rows in (3, 5, 1, 8, 7, 2):
            parts = (np.arange(rows), np.zeros((rows, 1, 1, 3)), np.zeros((rows, 2)))
            yield _Crops(*parts, np.zeros((rows, 2)))

    sizes = [
        len(batch.rows) for batch in _collect_batches(make_crops(), InferenceOptions(batch_size=8))
    ]
    assert sizes == [8, 1, 8, 7, 2]
