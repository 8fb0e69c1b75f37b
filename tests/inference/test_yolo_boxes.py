"""`predict --boxes` takes the folders that Ultralytics writes, as it takes a detector's JSON."""

import json

import numpy as np
import pytest

from smallpose.core.errors import InputError
from smallpose.inference.boxes import read_boxes
from smallpose.io.coco_annotations import read_coco

PEOPLE = {
    "a": [(0.5, 0.25, 0.1, 0.5, 0.75), (0.2, 0.5, 0.2, 0.25, 0.5)],
    "7": [(0.5, 0.5, 1, 1, 1)],
}


@pytest.fixture
def images(tmp_path):
    """List two images of 200 × 100 px; the id of the first is the name of the second."""
    names = {7: "a.jpg", 8: "7.jpg"}
    records = [{"id": i, "file_name": n, "width": 200, "height": 100} for i, n in names.items()]
    (tmp_path / "images.json").write_text(json.dumps({"images": records, "annotations": []}))
    return read_coco(tmp_path / "images.json").images


def write_labels(folder, tail=()):
    """Write label files with further values between box and score."""
    folder.mkdir(parents=True)
    for name, people in PEOPLE.items():
        lines = [" ".join(map(str, (0, *person[:4], *tail, person[4]))) for person in people]
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("tail", [(), (0.5, 0.5, 0.9) * 17], ids=["detections", "poses"])
def test_label_files_give_the_boxes_of_the_same_json(images, tmp_path, tail):
    write_labels(tmp_path / "run" / "labels", tail)
    records = [
        {"file_name": f"{name}.jpg", "category_id": 1, "score": score}
        | {"bbox": [200 * (x - w / 2), 100 * (y - h / 2), 200 * w, 100 * h]}
        for name, people in PEOPLE.items()
        for x, y, w, h, score in people
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(records))
    expected = read_boxes(tmp_path / "boxes.json", images, has_ids=False)
    for folder in (tmp_path / "run", tmp_path / "run" / "labels"):
        boxes = read_boxes(folder, images, has_ids=False)
        np.testing.assert_array_equal(boxes.image_rows, expected.image_rows)
        np.testing.assert_allclose(boxes.boxes_xywh, expected.boxes_xywh, atol=1e-9)
        np.testing.assert_array_equal(boxes.scores, expected.scores)


def test_boxes_of_other_images_and_classes_are_left_out_and_counted(images, tmp_path, capsys):
    write_labels(tmp_path / "labels")
    (tmp_path / "labels" / "other.txt").write_text("0 0.5 0.5 0.1 0.1 0.9\n")
    with (tmp_path / "labels" / "a.txt").open("a") as file:
        file.write("16 0.5 0.5 0.1 0.1 0.9\n")  # a dog
    assert len(read_boxes(tmp_path / "labels", images).boxes_xywh) == 3
    assert "2 of 5 boxes left out" in capsys.readouterr().err


def test_a_line_without_a_box_is_named(images, tmp_path):
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.1\n")
    with pytest.raises(InputError, match=r"a\.txt, line 1: has no box"):
        read_boxes(tmp_path, images)
