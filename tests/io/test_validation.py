import numpy as np
import pytest

from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.io.merged_poses import check_merged_poses
from smallpose.io.result_validation import check_predictions
from smallpose.io.validation import check_truth


def make_people(box=(10, 10, 20, 30), name="a.jpg", **columns):
    keypoints = np.zeros((1, 17, 3))
    keypoints[0, :, 0] = np.arange(17) + 10
    keypoints[0, :, 1] = np.arange(17) + 12
    keypoints[0, :, 2] = 2
    images = make_images([1], [name], [100], [80])
    columns = {"file_area": [box[2] * box[3]]} | columns
    return make_instances(COCO17, images, [0], [box], keypoints, **columns)


def format_findings(people):
    return " | ".join(str(f) for f in check_truth(people))


def test_a_correct_table_has_no_findings():
    assert check_truth(make_people()) == []


def test_each_fault_is_reported_with_its_record():
    assert "fault   1 labelled person has a box without area" in format_findings(
        make_people((5, 5, 0, 9))
    )
    assert "1 box extends beyond its image" in format_findings(make_people((90, 10, 20, 30)))
    assert "1 box is entirely outside its" in format_findings(make_people((200, 10, 20, 30)))
    assert "unusable file_name (first: image 1)" in format_findings(make_people(name="../x.jpg"))
    assert "not the count of v > 0" in format_findings(make_people(num_keypoints=[3]))
    assert "they are ignored" in format_findings(make_people(num_keypoints=[0]))
    assert "area field" in format_findings(make_people(file_area=[np.nan]))
    assert "1 area is not width × height of the box (a mask's area?)" in format_findings(
        make_people(file_area=[30.0])
    )
    assert "id 0" in format_findings(make_people(ids=[0]))


def test_collapsed_keypoints_are_a_fault():
    table = make_people()
    table.keypoints[:, :, :2] = 15
    assert "all keypoints at one point" in format_findings(table)


def test_finite_results_get_remarks_but_no_faults():
    points = np.zeros((22, 17, 3))
    predictions = make_predictions(COCO17, [1] * 22, points, [500.0] * 22)
    text = " | ".join(f.message for f in check_predictions(predictions))
    assert "21 detections are identical" in text
    assert "scores run from 500 to 500" in text
    assert "up to 22 detections in an image" in text
    assert not any(f.is_fault for f in check_predictions(predictions))


def make_labelled_at(points):
    """Return one person whose first keypoints are at `points`."""
    table = make_people()
    table.keypoints[0, : len(points), :2] = points
    return table


@pytest.mark.parametrize("value", [0, -1, -0.5, -999])
def test_labelled_points_at_a_placeholder_are_a_fault_with_its_remedy(value):
    findings = check_truth(make_labelled_at([(value, value), (20, 20), (value, value)]))
    texts = [f.message for f in findings if f.is_fault]
    assert texts == [
        f"1 person has 2 labelled keypoints (v > 0) at {value:g}, {value:g} (first: id 1, nose); "
        "give joints without a label v = 0"
    ]


def test_unlabelled_points_at_0_0_are_no_fault():
    table = make_people(num_keypoints=[16])
    table.keypoints[0, 3] = 0
    assert check_truth(table) == []


def test_keypoints_outside_the_image_are_named_and_most_of_a_person_is_a_fault():
    few = check_truth(make_labelled_at([(120, 5)]))
    assert [f.message for f in few] == [
        "1 person has 1 labelled keypoint outside the image (first: id 1, nose)"
    ]
    assert not few[0].is_fault
    most = check_truth(make_labelled_at([(120, 5)] * 9))
    assert [f.is_fault for f in most] == [True, False]
    assert "most of their labelled keypoints outside the image" in most[0].message


def make_results(boxes=None, xy=None, keypoint_scores=0.5):
    points = np.full((2, 17, 3), keypoint_scores)
    points[:, :, :2] = np.random.default_rng(0).random((2, 17, 2)) * 40 if xy is None else xy
    return make_predictions(COCO17, [4, 7], points, [0.5, 0.4], boxes)


def test_ordinary_results_have_no_findings():
    assert check_predictions(make_results([[1, 2, 3, 4], [5, 6, 7, 8]])) == []


@pytest.mark.parametrize("box", [[5, 6, -7, 8], [5, 6, 7, -8], [5, 6, -7, -8]])
def test_result_boxes_of_negative_size_are_a_fault(box):
    (finding,) = check_predictions(make_results([[1, 2, 3, 4], box]))
    assert finding.is_fault
    assert "1 of 2 boxes has a negative width or height (first: detection 2, image 7)" in (
        finding.message
    )


def test_keypoint_scores_of_0_and_whole_coordinates_get_remarks():
    for results, text in (
        (
            make_results(keypoint_scores=0.0),
            "2 of 2 detections have keypoint scores that are all 0",
        ),
        (make_results(xy=np.arange(68).reshape(2, 17, 2)), "all coordinates are whole numbers"),
        (make_results(xy=np.arange(68).reshape(2, 17, 2) / 68), "between 0 and 1; write pixels"),
        (make_results(xy=[[[0, 0]], [[3.5, 4]]]), "1 of 2 detections has all keypoints at 0, 0"),
    ):
        (finding,) = check_predictions(results)
        assert text in finding.message
        assert not finding.is_fault


def check_merged(points, boxes):
    table = make_people(box=(0, 0, 90, 70))
    table.keypoints[0] = 0
    table.keypoints[0, : len(points)] = [(*point, 2) for point in points]
    rows = np.zeros(len(boxes), dtype=np.intp)
    return check_merged_poses(table, rows, np.array(boxes, dtype=float).reshape(-1, 4))


def test_a_pose_over_two_boxes_without_a_pose_gets_a_remark():
    (finding,) = check_merged([(12, 12), (15, 18), (62, 14)], [(10, 10, 20, 30), (60, 10, 20, 30)])
    assert "1 pose lies in several boxes that have no pose" in finding.message
    assert "(first: id 1 over 2 boxes in a.jpg)" in finding.message
    assert not finding.is_fault


def test_a_pose_of_one_person_gets_no_remark_whatever_boxes_are_beside_it():
    one = (10, 10, 20, 30)
    points = [(12, 12), (15, 18), (28, 14)]
    for boxes in (
        [],
        [one],
        [one, (60, 10, 20, 30)],
        [(10, 10, 10, 30), (20, 10, 5, 30)],  # a point is in no box
        [(10, 10, 15, 30), (9, 9, 22, 32)],  # the second has all points
        [(10, 10, 17, 30), (13, 10, 17, 30)],  # two boxes of nearly the same person
    ):
        assert check_merged(points, boxes) == [], boxes
