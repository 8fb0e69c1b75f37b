import numpy as np

from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.io.validation import check_predictions, check_truth


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
    assert "fault   1 labelled people have a box without area" in format_findings(
        make_people((5, 5, 0, 9))
    )
    assert "boxes extend beyond their image" in format_findings(make_people((90, 10, 20, 30)))
    assert "entirely outside" in format_findings(make_people((200, 10, 20, 30)))
    assert "unusable file_name (first: image 1)" in format_findings(make_people(name="../x.jpg"))
    assert "not the count of v > 0" in format_findings(make_people(num_keypoints=[3]))
    assert "they are ignored" in format_findings(make_people(num_keypoints=[0]))
    assert "area field" in format_findings(make_people(file_area=[np.nan]))
    assert "a mask's area?" in format_findings(make_people(file_area=[30.0]))
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
