"""Crops batched across images give what each image alone gives, in the order of the boxes."""

import copy
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from smallpose import create_method
from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.images import Pictures, read_picture
from smallpose.inference import Boxes, Options, find, read_boxes, true_boxes
from smallpose.inference.nms import oks_nms
from smallpose.inference.predict_files import predict_file, predict_pictures
from smallpose.inference.top_down import _batches, _Cut, find_people
from smallpose.io.coco_annotations import write_coco


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    method = create_method("simple_baseline_r18_tiny")
    # Peaks as strong as a trained network's, so that scores are above zero.
    torch.nn.init.normal_(method.head.final_layer.weight, std=0.3)
    return method


def world(folder: Path):
    rng = np.random.default_rng(3)
    for i in range(4):
        cv2.imwrite(str(folder / f"{i}.png"), rng.integers(0, 255, (60, 80, 3), dtype=np.uint8))
    rows = np.array([2, 0, 3, 0, 2, 2, 1])
    boxes = np.concatenate([rng.uniform(0, 30, (7, 2)), rng.uniform(10, 40, (7, 2))], axis=1)
    images = make_images([11, 12, 13, 14], [f"{i}.png" for i in range(4)], [80] * 4, [60] * 4)
    return make_instances(COCO17, images, rows, boxes, np.full((7, 17, 3), 2.0))


def test_batches_across_images_change_nothing(tmp_path, tiny):
    people = world(tmp_path)
    boxes = Boxes(people.image_rows, people.boxes_xywh, np.linspace(0.3, 0.9, 7))
    read = Pictures(tmp_path).read
    by_size = [find_people(tiny, people, boxes, read, Options(batch_size=b)) for b in (1, 3, 64)]
    for found in by_size:
        assert found.image_ids.tolist() == [13, 11, 14, 11, 13, 13, 12]
        assert (found.boxes_xywh == people.boxes_xywh).all()
        assert np.allclose(found.keypoints, by_size[0].keypoints, atol=1e-4)
    pictures = [read(f"{i}.png") for i in people.image_rows]
    alone = tiny.predict(
        pictures, list(people.boxes_xywh[:, None]), box_scores=list(boxes.scores[:, None])
    )
    assert np.allclose(alone.keypoints, by_size[2].keypoints, atol=1e-4)
    assert np.allclose(alone.scores, by_size[2].scores, atol=1e-5)


def test_one_image_alone_needs_no_lists(tmp_path, tiny):
    people = world(tmp_path)
    picture = Pictures(tmp_path).read("0.png")
    boxes = people.boxes_xywh[people.image_rows == 0]
    alone, listed = tiny.predict(picture, boxes), tiny.predict([picture], [boxes])
    assert (alone.keypoints == listed.keypoints).all() and len(alone) == 2


def test_half_precision_and_a_compiled_network_find_the_same_people(tmp_path, tiny, monkeypatch):
    people = world(tmp_path)
    read = Pictures(tmp_path).read
    exact = find(tiny, people, None, read)
    half = find(tiny, people, None, read, Options(half=True))
    assert tiny.precision is None
    moved = np.abs(half.keypoints - exact.keypoints)[:, :, :2].max(axis=2)
    assert moved.max() > 0 and np.median(moved) < 1.0
    # The graph is captured and differentiated from as ever; only the last step to machine code,
    # which takes minutes, is left out.
    compiled = copy.deepcopy(tiny)
    whole = torch.nn.Module.compile
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda self: whole(self, backend="aot_eager", fullgraph=True)
    )
    found = find(compiled, people, None, read, Options(compile=True))
    assert compiled._compiled_call_impl is not None
    np.testing.assert_allclose(found.keypoints, exact.keypoints, atol=1e-3)


def test_true_boxes_are_those_of_people_who_count(tmp_path):
    people = world(tmp_path)
    people.iscrowd[1] = True
    boxes = true_boxes(people)
    assert boxes.image_rows.tolist() == [0, 1, 2, 2, 2, 3]
    assert (boxes.scores == 1).all()


def test_people_found_twice_are_dropped_from_detected_boxes(tmp_path, tiny):
    people = world(tmp_path)
    found = [
        {"image_id": 13, "bbox": [5, 5, 30, 40], "score": 0.5, "category_id": 1},
        {"image_id": 11, "bbox": [5, 5, 30, 40], "score": 0.6, "category_id": 1},
        {"image_id": 13, "bbox": [5, 5, 30, 40], "score": 0.9, "category_id": 1},
        {"image_id": 13, "bbox": [0, 0, 9, 9], "score": 0.9, "category_id": 3},
        {"image_id": 99, "bbox": [0, 0, 9, 9], "score": 0.9, "category_id": 1},
        {"image_id": 13, "bbox": [0, 0, 0, 9], "score": 0.9, "category_id": 1},
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(found))
    boxes = read_boxes(tmp_path / "boxes.json", people.images)
    assert boxes.scores.tolist() == [0.6, 0.5, 0.9]
    kept = find_people(tiny, people, boxes, Pictures(tmp_path).read)
    assert kept.image_ids.tolist() == [11, 13]
    both = find_people(tiny, people, boxes, Pictures(tmp_path).read, Options(nms_above=1.0))
    assert kept.scores[1] == both.scores[1:].max()


def test_oks_nms_keeps_the_surest_of_each_bunch():
    points = np.zeros((4, 17, 3))
    points[1, :, :2] += 0.5
    points[2, :, :2] += 40
    points[3, :, :2] += 40.5
    kept = oks_nms(points, np.array([0.3, 0.9, 0.8, 0.1]), np.full(4, 2000.0), COCO17.sigmas)
    assert kept.tolist() == [1, 2]


def test_an_unreadable_image_is_noted_or_stops_the_run(tmp_path, tiny):
    people = world(tmp_path)
    (tmp_path / "2.png").write_bytes(b"<html>")
    read, boxes = Pictures(tmp_path).read, true_boxes(people)
    found = find_people(tiny, people, boxes, read, Options(most_bad=0.5))
    assert found.image_ids.tolist() == [11, 11, 12, 14]
    assert "not an image" in found.notes[0]
    with pytest.raises(InputError, match="1 of 4 pictures cannot be read"):
        find_people(tiny, people, boxes, read)


def test_a_file_and_bare_images_are_predicted(tmp_path, tiny, capsys):
    people = world(tmp_path)
    write_coco(people, tmp_path / "truth.json")
    found, looked_at = predict_file(tiny, tmp_path / "truth.json", tmp_path)
    assert looked_at.images.file_names == people.images.file_names
    assert sorted(found.image_ids.tolist()) == sorted(people.images.ids[people.image_rows].tolist())
    found, _ = predict_pictures(tiny, [tmp_path / "0.png", tmp_path / "3.png"])
    assert found.image_ids.tolist() == [1, 2]
    assert found.boxes_xywh.tolist() == [[0, 0, 80, 60]] * 2
    assert "one person's box" in capsys.readouterr().err
    assert read_picture(tmp_path / "0.png").shape == (60, 80, 3)


def test_nobody_to_find_is_no_error(tmp_path, tiny):
    people = world(tmp_path).take(np.zeros(0, dtype=np.intp))
    assert len(find_people(tiny, people, true_boxes(people), Pictures(tmp_path).read)) == 0


def test_no_batch_is_larger_than_was_asked_for():
    def cuts():
        for rows in (3, 5, 1, 8, 7, 2):
            parts = (np.arange(rows), np.zeros((rows, 1, 1, 3)), np.zeros((rows, 2)))
            yield _Cut(*parts, np.zeros((rows, 2)))

    sizes = [len(batch.rows) for batch in _batches(cuts(), Options(batch_size=8))]
    assert sizes == [8, 1, 8, 7, 2]
