"""Notes are sentences with the right number, also when those of parts are added up."""

import numpy as np
import pytest

from smallpose import evaluate
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.evaluate import merge_evaluations
from smallpose.evaluation.notes import format_count, merge_notes


def test_one_is_singular_and_all_else_plural():
    counts = [format_count(count, "image", "images") for count in (0, 1, 2, 12_000)]
    assert counts == ["0 images", "1 image", "2 images", "12,000 images"]


def test_counts_of_parts_are_added_up_whether_singular_or_plural():
    rest = "a box without area: in no size class"
    assert merge_notes(
        [
            f"1 labelled person has {rest}",
            "the file names no source",
            f"1,200 labelled people have {rest}",
            "the file names no source",
            "1 person is ignored: no labelled joint",
        ]
    ) == [
        f"1,201 labelled people have {rest}",
        "the file names no source",
        "1 person is ignored: no labelled joint",
    ]


def test_what_the_limit_costs_is_left_to_the_merged_counts():
    assert merge_notes(["coco's limit of 20 detections binds in 1 of 1 image"]) == []


def evaluate_with(**changes):
    """Evaluate two people, the second of whom has other values; return the notes."""
    rng = np.random.default_rng(0)
    keypoints = np.full((2, 17, 3), 2.0)
    keypoints[:, :, :2] = 20 + 60 * rng.random((2, 17, 2))
    images = make_images([1, 2], ["a.jpg", "b.jpg"], [200, 200], [100, 100])
    boxes = np.array([[20.0, 20, 60, 60], changes.get("box", [20, 20, 60, 60])])
    area = [3600.0, changes.get("area", 3600.0)]
    truth = make_instances(COCO17, images, [0, 1], boxes, keypoints, file_area=area)
    found = np.array([boxes[0], changes.get("detection_box", boxes[0])])
    predictions = make_predictions(COCO17, [1, 2], keypoints, [0.9, 0.8], found)
    return evaluate(truth, predictions, sigmas=changes.get("sigmas")).notes


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        ({"area": -5.0}, "1 labelled person has a negative area, so they are ignored"),
        ({"area": 30_000.0}, "1 labelled person has an area larger than their image"),
        ({"box": [80, 80, -60, -60]}, "1 labelled person has a box of negative width or height"),
        ({"detection_box": [80, 20, -60, 60]}, "1 detection has a box of negative width or height"),
    ],
)
def test_odd_areas_and_boxes_are_told(changes, expected):
    notes = evaluate_with(**changes)
    assert len(notes) == bool(expected)
    assert all(note.startswith(expected) for note in notes)


def evaluate_two(ids=(1, 2), num_keypoints=(17, 17), visibility=2, detections=1):
    """Evaluate two people, the second of whom has other labels; return the notes."""
    keypoints = np.full((2, 17, 3), 2.0)
    keypoints[:, :, :2] = 20 + 60 * np.random.default_rng(0).random((2, 17, 2))
    keypoints[1, :, 2] = visibility
    truth = make_instances(
        COCO17,
        make_images([1, 2], ["a.jpg", "b.jpg"], [200, 200], [100, 100]),
        [0, 1],
        np.tile([20.0, 20, 60, 60], (2, 1)),
        keypoints,
        ids=ids,
        num_keypoints=num_keypoints,
        file_area=[3600.0, 3600.0],
    )
    images, scores = [1] * detections, [0.9] * detections
    predictions = make_predictions(COCO17, images, keypoints[:detections], scores)
    return truth, predictions, evaluate(truth, predictions).notes


def test_people_without_a_labelled_joint_but_with_a_count_are_told():
    *_, notes = evaluate_two(visibility=0)
    assert any(n.startswith("1 counted person has no labelled joint, but num") for n in notes)
    *_, notes = evaluate_two(visibility=0, num_keypoints=(17, 0))
    assert not any("num_keypoints" in note for note in notes)


def test_negative_ids_are_told():
    *_, notes = evaluate_two(ids=(-1, -2))
    assert any(note.startswith("2 counted people have a negative id") for note in notes)


def test_an_empty_result_list_is_told_and_parts_without_detections_are_not():
    truth, nothing, notes = evaluate_two(detections=0)
    assert notes == ("there is no detection in any image: nobody was found",)
    parts = [truth.take_images(np.array([row])) for row in (0, 1)]
    _, one, _ = evaluate_two()
    results = [evaluate(part, some) for part, some in zip(parts, (one, nothing), strict=True)]
    assert not any("nobody" in note for note in merge_evaluations(results).notes)


def test_sigmas_that_were_not_divided_by_ten_are_noted():
    usual = list(COCO17.sigmas)
    assert not any("sigmas are above" in note for note in evaluate_with(sigmas=usual))
    notes = evaluate_with(sigmas=[10 * sigma for sigma in usual])
    assert any("17 of 17 sigmas are above 0.2 (largest: 1.07, left_hip)" in one for one in notes)
    notes = evaluate_with(sigmas=[*usual[:-1], 0.5])
    assert any("1 of 17 sigmas is above 0.2 (largest: 0.5, right_ankle)" in one for one in notes)
