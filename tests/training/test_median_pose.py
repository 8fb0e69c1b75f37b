"""The floor: the median pose of the training set in the true boxes, as a run of its own."""

import numpy as np
import pytest

from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.training.median_pose import (
    compute_median_pose,
    predict_median_pose,
    score_median_pose,
)


def make_people(shares, box=(10.0, 20.0, 40.0, 80.0)):
    """People in equal boxes, with all joints at the given shares of the box."""
    shares = np.asarray(shares, dtype=float)
    n = len(shares)
    boxes = np.tile(box, (n, 1))
    xy = boxes[:, None, :2] + shares[:, None, None] * boxes[:, None, 2:]
    keypoints = np.concatenate([np.repeat(xy, 17, axis=1), np.full((n, 17, 1), 2.0)], axis=2)
    images = make_images(range(1, n + 1), [f"{i}.jpg" for i in range(n)], [200] * n, [200] * n)
    return make_instances(COCO17, images, np.arange(n), boxes, keypoints)


def test_the_median_is_taken_in_the_box_and_of_labelled_joints_only():
    people = make_people([0.1, 0.2, 0.9])
    assert compute_median_pose(people) == pytest.approx(np.full((17, 2), 0.2))
    people.keypoints[0, 3, 2] = 0
    people.keypoints[:, 4, 2] = 0
    pose = compute_median_pose(people)
    assert pose[3] == pytest.approx([0.55, 0.55]) and pose[4].tolist() == [0.5, 0.5]


def test_it_is_pasted_into_the_true_boxes_and_perfect_for_people_like_it():
    train = make_people([0.25, 0.25])
    test = make_people([0.25] * 5, box=(50.0, 30.0, 60.0, 120.0))
    predictions = predict_median_pose(train, test)
    assert predictions.keypoints[0, 0].tolist() == [65, 60, 1]
    assert predictions.boxes_xywh.tolist() == test.boxes_xywh.tolist()
    scores = score_median_pose(train, test)["protocols"]["coco"]
    assert scores["AP"] == pytest.approx(1)
    other = score_median_pose(make_people([0.9, 0.9]), test)["protocols"]["coco"]
    assert other["AP"] == 0


def test_without_a_trainable_person_there_is_no_median():
    people = make_people([0.1, 0.2])
    people.num_keypoints[:] = 0
    people.keypoints[:, :, 2] = 0
    with pytest.raises(ValueError, match="no person"):
        compute_median_pose(people)
