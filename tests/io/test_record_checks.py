"""Records that are wrong together: images and people twice, boxes in other forms, units."""

import json

import numpy as np
import pytest

from smallpose.cli.main import main
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.io.record_checks import (
    find_collapsed,
    find_people_labelled_twice,
    find_shared_names,
    recognize_box_form,
)
from smallpose.io.result_validation import check_predictions
from smallpose.io.validation import check_truth
from smallpose.sources import READERS

WH = (640.0, 480.0)


def make_crowd(num_people=40, num_images=4, seed=0):
    """Make people of many sizes whose joints are in their boxes, px."""
    rng = np.random.default_rng(seed)
    sides = rng.uniform(20, 160, (num_people, 2))
    corners = rng.random((num_people, 2)) * (np.array(WH) - sides)
    keypoints = np.full((num_people, 17, 3), 2.0)
    shares = rng.uniform(0.05, 0.95, (num_people, 17, 2))
    keypoints[:, :, :2] = corners[:, None] + shares * sides[:, None]
    names = [f"{k}.jpg" for k in range(num_images)]
    images = make_images(
        range(1, num_images + 1), names, [int(WH[0])] * num_images, [int(WH[1])] * num_images
    )
    boxes = np.concatenate([corners, sides], axis=1)
    rows = np.sort(rng.integers(0, num_images, num_people))
    return make_instances(COCO17, images, rows, boxes, keypoints, file_area=sides.prod(axis=1))


def format_findings(people):
    return " | ".join(f"{f.is_fault} {f.message}" for f in check_truth(people))


def write_forms(boxes):
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    centres = np.concatenate([boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2:]], axis=1)
    shares = np.tile(WH, 2)
    return {
        "x1, y1, x2, y2": corners,
        "centre x, centre y, width, height": centres,
        "x, y, width, height as shares of the image's sides": boxes / shares,
        "centre x, centre y, width, height as shares of the image's sides": centres / shares,
    }


@pytest.mark.parametrize("form", [0, 1, 2, 3])
def test_boxes_in_another_form_are_recognised_in_labels_and_results(form):
    people = make_crowd()
    name, boxes = list(write_forms(people.boxes_xywh).items())[form]
    people.boxes_xywh[:] = boxes
    assert f"bbox seems to be {name}: 40 of 40 boxes" in format_findings(people)
    predictions = make_predictions(
        COCO17, people.images.ids[people.image_rows], people.keypoints, np.ones(40), boxes
    )
    messages = [f.message for f in check_predictions(predictions, people.images)]
    assert any(m.startswith(f"bbox seems to be {name}") for m in messages)


def test_boxes_as_they_must_be_and_few_boxes_give_no_remark():
    for seed in range(50):
        people = make_crowd(num_people=12, seed=seed)
        sizes = np.tile(WH, (12, 1))
        assert recognize_box_form(people.boxes_xywh, people.keypoints, sizes) is None
        corners = write_forms(people.boxes_xywh)["x1, y1, x2, y2"]
        assert recognize_box_form(corners, people.keypoints, sizes) is not None
        assert recognize_box_form(corners[:4], people.keypoints[:4], sizes[:4]) is None


def test_labels_as_shares_of_the_image_are_a_fault():
    people = make_crowd()
    people.keypoints[:, :, :2] /= WH
    assert "True all labelled keypoints are between 0 and 1" in format_findings(people)


def test_images_of_one_name_are_named_with_their_ids():
    images = make_images([3, 9, 4, 5], ["a.jpg", "a.jpg", "", ""])
    assert find_shared_names(images) == [("a.jpg", [3, 9])]
    people = make_crowd(num_images=2)
    again = make_images([1, 2], ["0.jpg", "0.jpg"], [640, 640], [480, 480])
    people = make_instances(
        COCO17, again, people.image_rows, people.boxes_xywh, people.keypoints, file_area=people.area
    )
    assert "True 1 file name is of several images (first: 0.jpg, ids 1, 2)" in format_findings(
        people
    )


def repeat_person(people, row, shift_px, num_labelled=17):
    """Add the person of a row once more, with other joints left out and the rest moved."""
    rng = np.random.default_rng(row)
    rows = [*range(len(people)), row]
    keypoints = people.keypoints[rows]
    keypoints[-1, :, :2] += rng.normal(0, shift_px, (17, 2))
    keypoints[-1, num_labelled:] = 0
    return make_instances(
        COCO17,
        people.images,
        people.image_rows[rows],
        people.boxes_xywh[rows],
        keypoints,
        file_area=people.area[rows],
    )


@pytest.mark.parametrize("row", [0, 13, 39])
def test_a_person_who_is_labelled_twice_is_found(row):
    people = make_crowd()
    assert len(find_people_labelled_twice(people)[0]) == 0
    equal = repeat_person(people, row, 0)
    pairs, is_equal = find_people_labelled_twice(equal)
    assert pairs.tolist() == [[row, 40]] and is_equal.all()
    assert f"True people labelled twice with equal keypoints: 1 (first: ids {row + 1} and 41" in (
        format_findings(equal)
    )
    moved = repeat_person(people, row, 0.02 * np.sqrt(people.area[row]), num_labelled=12)
    pairs, is_equal = find_people_labelled_twice(moved)
    assert pairs.tolist() == [[row, 40]] and not is_equal.any()
    assert "False people who may be labelled twice: 1" in format_findings(moved)
    far = repeat_person(people, row, 0.2 * np.sqrt(people.area[row]))
    assert len(find_people_labelled_twice(far)[0]) == 0


def test_pairs_equal_those_of_a_plain_loop():
    people = make_crowd(60)
    for row in (3, 20, 41):
        people = repeat_person(people, row, 0.02 * np.sqrt(people.area[row]))
    expected = []
    for a in range(len(people)):
        for b in range(a + 1, len(people)):
            distance = np.linalg.norm((people.keypoints[a] - people.keypoints[b])[:, :2], axis=1)
            scale = np.sqrt(min(people.area[a], people.area[b]))
            if people.image_rows[a] == people.image_rows[b] and distance.mean() <= 0.04 * scale:
                expected.append([a, b])
    assert len(expected) == 3
    assert find_people_labelled_twice(people)[0].tolist() == expected


def test_joints_spread_over_a_tiny_box_are_not_at_one_point():
    people = make_crowd(3, 1)
    rng = np.random.default_rng(0)
    people.keypoints[0, :, :2] = 30 + 0.4 * rng.random((17, 2))
    people.boxes_xywh[0] = (30, 30, 0.4, 0.4)
    people.keypoints[1, :, :2] = 30 + 0.4 * rng.random((17, 2))
    people.boxes_xywh[1] = (20, 20, 40, 60)
    people.keypoints[2, :, :2] = 30
    people.boxes_xywh[2] = (30, 30, 0, 0)
    assert find_collapsed(people).tolist() == [False, True, True]


@pytest.mark.parametrize(("value", "is_told"), [(1, True), (True, True), (0, False), (None, False)])
def test_people_marked_by_a_field_that_no_rule_reads_are_named(tmp_path, capsys, value, is_told):
    keypoints = [v for k in range(17) for v in (10 + k, 12 + 2 * k, 2)]
    person = {"id": 7, "image_id": 1, "category_id": 1, "bbox": [9, 9, 20, 40], "area": 800}
    person |= {"keypoints": keypoints, "num_keypoints": 17, "iscrowd": 0, "ignore": value}
    image = {"id": 1, "file_name": "a.jpg", "width": 90, "height": 90}
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"images": [image], "annotations": [person]}))
    assert main(["check", str(path)]) == 0
    told = 'remark  1 person has "ignore": 1 (first: id 7)' in capsys.readouterr().out
    assert told == is_told


def test_real_labels_have_hardly_any_of_these(real):
    crowd = READERS["aic"](real / "aic").people
    assert len(find_people_labelled_twice(crowd)[0]) == 0
    assert not find_collapsed(crowd).any()
    boxes, keypoints = crowd.boxes_xywh[crowd.is_counted], crowd.keypoints[crowd.is_counted]
    assert recognize_box_form(boxes, keypoints, np.zeros((len(boxes), 2))) is None
