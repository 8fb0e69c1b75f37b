"""Non-maximum suppression by boxes and by nearby joints."""

import numpy as np

from smallpose.models.codecs.nms import box_nms, nearby_joints_nms


def test_of_overlapping_boxes_the_one_with_the_highest_score_is_kept():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 20, 30, 30], [0, 0, 5, 10]], float)
    kept = box_nms(boxes, np.array([0.5, 0.9, 0.1, 0.8]), 0.65)
    assert kept.tolist() == [1, 3, 2]
    assert len(box_nms(boxes[:0], np.zeros(0))) == 0


def test_of_close_people_the_best_is_kept_even_if_all_their_joints_coincide():
    rng = np.random.default_rng(0)
    person = rng.uniform(0, 100, (17, 2))
    people = np.stack([person, person + 0.5, person + 60, np.full((17, 2), 7.0)])
    scores = np.array([0.3, 0.6, 0.2, 0.1])
    assert nearby_joints_nms(people, scores).tolist() == [1, 2, 3]
    assert nearby_joints_nms(people, scores, max_people=1).tolist() == [1]
    assert len(nearby_joints_nms(people[:0], np.zeros(0))) == 0
