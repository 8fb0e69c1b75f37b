"""Everyone who is lost between a box and a result is counted, and doubtful boxes are named."""

import json
import re

import numpy as np
import pytest

from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import COCO17, Skeleton
from smallpose.inference.box_notes import describe_doubtful_boxes, describe_unused_labels
from smallpose.inference.boxes import convert_to_boxes, read_boxes, select_true_boxes

IMAGES = make_images([1, 2], ["a.png", "b.png"], [80, 80], [60, 60])


def box(image_id, *xywh, category=1):
    return {"image_id": image_id, "bbox": list(xywh), "score": 0.5, "category_id": category}


def test_boxes_that_are_left_out_are_counted_by_reason(tmp_path, capsys):
    records = [
        box(1, 5, 5, 20, 30),
        box(7, 5, 5, 20, 30),
        box(2, 5, 5, 20, 30, category=3),
        box(2, 5, 5, 20, 30, category=4),
        box(2, 5, 5, 0, 30),
    ]
    (tmp_path / "det.json").write_text(json.dumps(records))
    assert len(read_boxes(tmp_path / "det.json", IMAGES)) == 1
    message = " ".join(capsys.readouterr().err.split())
    reasons = "1 of other images, 2 of other categories, 1 without a size"
    assert f"det.json: 4 of 5 boxes left out: {reasons}" in message


@pytest.mark.parametrize(
    ("names", "records", "message"),
    [
        (
            ["few/a.png", "few/b.png"],
            [{**box(1, 5, 5, 20, 30), "file_name": "photos/b.png"}],
            "1 of other images; an image is called 'photos/b.png' there and 'few/b.png' here; "
            "pass the images of photos, or, if these are the same images, pass them without a "
            "folder (cd few, then . as the images)",
        ),
        (
            ["few/a.png"],
            [box("c", 5, 5, 20, 30)],
            "an image is called 'c' there and 'few/a.png' here; pass boxes of the same images; "
            "file_name, else image_id, is to be the name of the file",
        ),
        (["a.png"], [box("a", 5, 5, 20, 30, category=3)], "1 of other categories than 1; pass a"),
        (
            ["a.png"],
            [box("a", 5, 5, 0, 30)],
            "its box cannot be taken: 1 without a size; pass a file",
        ),
    ],
)
def test_a_file_without_a_box_of_these_images_names_one_image_of_each(
    names, records, message, tmp_path
):
    (tmp_path / "det.json").write_text(json.dumps(records))
    ids = list(range(1, len(names) + 1))
    images = make_images(ids, names, [80] * len(names), [60] * len(names))
    with pytest.raises(InputError, match=re.escape(message)):
        read_boxes(tmp_path / "det.json", images, has_ids=False)


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([[5, 5, 20, 30], [0, 0, 80, 60], [-5, -5, 90, 70]], ""),
        ([[5, 5, 20, 30], [80, 5, 20, 30]], "1 of 2 boxes lies outside of the image"),
        ([[5, 5, 20, 30], [5, -30, 20, 30]], "1 of 2 boxes lies outside of the image"),
        ([[5, 5, 20, 30], [5, 5, 0.5, 30]], "1 of 2 boxes has a side below 1 px"),
        ([[0.1, 0.2, 0.3, 0.4], [0.5, 0, 0.5, 1]], "all boxes look like shares of the image"),
        ([[40, 30, 70, 50], [20, 25, 60, 55], [2, 5, 20, 30]], "2 of 3 boxes reach beyond"),
    ],
)
def test_boxes_of_another_form_and_without_anybody_are_named(boxes, message):
    rows = np.zeros(len(boxes), dtype=np.intp)
    notes = list(describe_doubtful_boxes(np.array(boxes, dtype=float), rows, IMAGES))
    assert len(notes) == bool(message)
    assert all(note.startswith(message) for note in notes)
    unknown = make_images([1], ["a.png"], [0], [0])  # outside cannot be told without a size
    notes = list(describe_doubtful_boxes(np.array(boxes, dtype=float), rows, unknown))
    assert not any("outside" in note or "beyond" in note for note in notes)


def test_labelled_people_without_a_box_are_counted_by_reason():
    keypoints = np.full((4, 17, 3), 2.0)
    keypoints[1] = 0
    boxes = np.array([[5.0, 5, 20, 30]] * 3 + [[5.0, 5, 0, 0]])
    people = make_instances(
        COCO17, IMAGES, [0, 0, 1, 1], boxes, keypoints, iscrowd=[False, False, True, False]
    )
    assert len(select_true_boxes(people)) == 1
    assert describe_unused_labels(people) == (
        "3 of 4 labelled people get no pose: 1 marked as crowds, 1 without labelled keypoints, "
        "1 without a box"
    )
    assert describe_unused_labels(people.take([0])) == ""
    bare = Skeleton((), (), np.zeros(0))
    without_joints = make_instances(bare, IMAGES, [0], boxes[:1], np.zeros((1, 0, 3)))
    assert describe_unused_labels(without_joints) == ""
    assert len(select_true_boxes(without_joints)) == 1


def test_detected_people_without_a_box_are_counted(capsys):
    boxes = np.array([[5.0, 5, 20, 30], [5.0, 5, 0, 0]])
    detected = Predictions(COCO17, np.array([1, 1]), np.zeros((2, 17, 3)), np.ones(2), boxes)
    assert len(convert_to_boxes(detected, IMAGES)) == 1
    assert "1 of 2 people has no box" in capsys.readouterr().err
