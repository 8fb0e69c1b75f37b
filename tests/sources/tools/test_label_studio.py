"""Label Studio's JSON exports are read person by person, which its COCO export loses."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from smallpose.core.errors import InputError
from smallpose.sources.custom import read_mapped_coco

SIZE = {"original_width": 200, "original_height": 100, "image_rotation": 0}


def keypoint(region: str, label: str, x: float, y: float, parent: str = "", **more: Any) -> dict:
    value = {"x": x / 2, "y": y, "width": 0.5, "keypointlabels": [label]}
    record = {"id": region, "type": "keypointlabels", "value": value} | SIZE | more
    return record | ({"parentID": parent} if parent else {})


def rectangle(region: str, x: float, y: float, w: float, h: float, label="person", turn=0) -> dict:
    value = {"x": x / 2, "y": y, "width": w / 2, "height": h, "rotation": turn}
    value["rectanglelabels"] = [label]
    return {"id": region, "type": "rectanglelabels", "value": value} | SIZE


BOXES = [rectangle("b1", 20, 10, 60, 80), rectangle("b2", 120, 10, 60, 80)]


def write(folder: Path, results: list[dict], image="/data/upload/1/0a1b2c3d-a.jpg", **more) -> None:
    annotation = {"id": 1, "result": results, "was_cancelled": False, "completed_by": 1} | more
    task = {"id": 7, "data": {"image": image}, "annotations": [annotation], "predictions": []}
    (folder / "project-1.json").write_text(json.dumps([task]))


def read(folder: Path, category=()):
    return read_mapped_coco("shop", folder, {}, category).people


@pytest.fixture
def folder(tmp_path, save_image) -> Path:
    save_image(tmp_path / "images" / "a.jpg")
    return tmp_path


def test_points_belong_to_the_rectangle_they_are_nested_in_or_related_to(folder):
    """Both noses lie in both boxes, so that only the nesting and the relation tell."""
    wide = [rectangle("b1", 0, 0, 180, 90), rectangle("b2", 10, 0, 190, 90)]
    joints = [
        keypoint("k1", "nose", 40, 20, "b2"),
        keypoint("k2", "left_wrist", 30, 50, "b2"),
        keypoint("k3", "nose", 140, 20),
        {"type": "relation", "from_id": "b1", "to_id": "k3", "direction": "right"},
        {"id": "k2", "type": "choices", "value": {"choices": ["Hidden"]}},
    ]
    write(folder, [*wide, *joints])
    people = read(folder)
    assert people.boxes_xywh.tolist() == [[0, 0, 180, 90], [10, 0, 190, 90]]
    assert people.keypoints.tolist() == [
        [[140, 20, 2], [0, 0, 0]],
        [[40, 20, 2], [30, 50, 1]],
    ]
    assert people.images.file_names == ("shop/a.jpg",) and people.notes == ()


def test_points_inside_one_box_alone_belong_to_it_and_a_note_counts_them(folder):
    joints = [keypoint("k1", "nose", 40, 20), keypoint("k2", "nose", 140, 20)]
    write(folder, [*BOXES, *joints])
    people = read(folder)
    assert people.keypoints[:, 0, 0].tolist() == [40, 140]
    assert people.notes == ("2 points went to the only box that contains them",)


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ([*BOXES, keypoint("k", "nose", 100, 20)], "lies in none of the rectangles"),
        (
            [
                rectangle("b1", 0, 0, 99, 90),
                rectangle("b2", 5, 0, 99, 90),
                keypoint("k", "nose", 9, 9),
            ],
            "lies in 2 of the rectangles",
        ),
        (
            [keypoint("k1", "nose", 40, 20), keypoint("k2", "nose", 140, 20)],
            "two points 'nose' of one person",
        ),
        ([keypoint("k", "nose", 1, 2, image_rotation=90)], "turned by 90°"),
        ([keypoint("k", "nose", 1, 2, original_width=None)], "no original_width"),
        (BOXES, "no person has a joint"),
    ],
)
def test_what_does_not_tell_the_person_is_refused_in_a_line(folder, results, said):
    write(folder, results)
    with pytest.raises(InputError, match=said) as caught:
        read(folder)
    assert "\n" not in str(caught.value)


def test_other_rectangles_and_further_annotations_are_left_out_and_counted(folder):
    results = [*BOXES[:1], rectangle("c", 0, 0, 200, 100, "car"), keypoint("k", "nose", 40, 20)]
    write(folder, results)
    path = folder / "project-1.json"
    (task,) = json.loads(path.read_text())
    better = {"result": [BOXES[0], keypoint("k", "nose", 44, 20)], "ground_truth": True}
    skipped = {"result": [keypoint("k", "nose", 1, 1)], "was_cancelled": True}
    path.write_text(json.dumps([task | {"annotations": [skipped, *task["annotations"], better]}]))
    people = read(folder)
    assert people.keypoints[:, 0, 0].tolist() == [44]
    assert people.notes[0] == "left out: 1 further annotation of tasks"
    write(folder, results)
    assert read(folder).notes[0] == "left out: 1 rectangle 'car'"
    assert read(folder, ("car",)).boxes_xywh.tolist() == [[0, 0, 200, 100]]


def test_a_turned_rectangle_gets_the_box_around_it(folder):
    write(folder, [rectangle("b", 100, 50, 40, 20, turn=90), keypoint("k", "nose", 90, 60)])
    assert read(folder).boxes_xywh[0] == pytest.approx([80, 50, 20, 40])


def test_the_short_json_export_is_read_by_position(folder):
    size = {"original_width": 200, "original_height": 100}
    box = {
        "x": 10,
        "y": 10,
        "width": 30,
        "height": 80,
        "rotation": 0,
        "rectanglelabels": ["person"],
    }
    nose = {"x": 20, "y": 20, "width": 0.5, "keypointlabels": ["nose"]}
    record = {"image": "/data/upload/1/0a1b2c3d-a.jpg", "id": 7, "annotator": 1}
    record |= {"bbox": [box | size], "kp": [nose | size]}
    (folder / "result.json").write_text(json.dumps([record]))
    people = read(folder)
    assert people.boxes_xywh.tolist() == [[20, 10, 60, 80]]
    assert people.keypoints.tolist() == [[[40, 20, 2]]]


def test_its_yolo_export_is_read_by_notes_json(folder):
    shutil.rmtree(folder / "images")
    (folder / "labels").mkdir()
    joints = ["nose", "left_wrist"]
    notes = {"categories": [{"id": 0, "name": "person", "keypoints": joints}], "info": {}}
    (folder / "notes.json").write_text(json.dumps(notes))
    (folder / "labels" / "a.txt").write_text("0 0.25 0.5 0.3 0.8 0.5 0.25 2 0.0 0.0 0\n")
    from PIL import Image

    (folder / "images").mkdir()
    Image.new("RGB", (160, 120)).save(folder / "images" / "a.jpg")
    people = read(folder)
    assert people.skeleton.joints == ("nose", "left_wrist")
    assert people.keypoints.tolist() == [[[80, 30, 2], [0, 0, 0]]]


def test_its_coco_export_of_merged_people_is_refused(folder):
    images = [{"id": 0, "file_name": "images/a.jpg", "width": 200, "height": 100}]
    joints = ["nose", "left_wrist", "right_wrist"]
    categories = [{"id": 2, "name": "person"}, {"id": 3, "name": "default", "keypoints": joints}]
    boxes = [[20, 10, 60, 80], [120, 10, 60, 80]]
    people = [
        {"id": i, "image_id": 0, "category_id": 2, "bbox": box, "iscrowd": 0, "area": 4800}
        for i, box in enumerate(boxes)
    ]
    pose = {"id": 2, "image_id": 0, "category_id": 3, "iscrowd": 0, "num_keypoints": 3}
    pose |= {"keypoints": [140, 20, 2, 30, 50, 2, 170, 50, 2], "bbox": [30, 20, 140, 30]}
    file = {"images": images, "categories": categories, "annotations": [*people, pose]}
    file["info"] = {"contributor": "Label Studio"}
    (folder / "result.json").write_text(json.dumps(file))
    with pytest.raises(
        InputError, match="merged the people of an image into one pose; export JSON"
    ):
        read(folder)
