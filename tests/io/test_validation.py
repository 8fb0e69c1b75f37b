"""`check` finds what is planted and is silent about a sound file."""

import numpy as np

from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.io.validation import check_predictions, check_truth


def people(box=(10, 10, 20, 30), name="a.jpg", **changes):
    keypoints = np.zeros((1, 17, 3))
    keypoints[0, :, 0] = np.arange(17) + 10
    keypoints[0, :, 1] = np.arange(17) + 12
    keypoints[0, :, 2] = 2
    images = make_images([1], [name], [100], [80])
    fields = {"file_area": [box[2] * box[3]]} | changes
    return make_instances(COCO17, images, [0], [box], keypoints, **fields)


def faults(table):
    return " | ".join(str(f) for f in check_truth(table))


def test_a_sound_file_has_no_findings():
    assert check_truth(people()) == []


def test_each_planted_fault_is_named_with_its_record():
    assert "fault   1 labelled people have a box without area" in faults(people((5, 5, 0, 9)))
    assert "boxes extend beyond their image" in faults(people((90, 10, 20, 30)))
    assert "entirely outside" in faults(people((200, 10, 20, 30)))
    assert "unusable file_name (first: image 1)" in faults(people(name="../x.jpg"))
    assert "not the count of v > 0" in faults(people(num_keypoints=[3]))
    assert "they are ignored" in faults(people(num_keypoints=[0]))
    assert "area field" in faults(people(file_area=None))
    assert "a mask's area?" in faults(people(file_area=[30.0]))
    assert "id 0" in faults(people(ids=[0]))


def test_collapsed_keypoints_are_a_fault():
    table = people()
    table.keypoints[:, :, :2] = 15
    assert "all keypoints at one point" in faults(table)


def test_results_are_remarked_on_but_never_at_fault_for_being_finite():
    points = np.zeros((22, 17, 3))
    found = make_predictions(COCO17, [1] * 22, points, [500.0] * 22)
    text = " | ".join(f.message for f in check_predictions(found))
    assert "21 detections are identical" in text
    assert "scores run from 500 to 500" in text
    assert "up to 22 detections in an image" in text
    assert not any(f.is_fault for f in check_predictions(found))
