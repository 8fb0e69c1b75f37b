import numpy as np

from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17


def test_take_selects_the_same_rows_of_every_column():
    rng = np.random.default_rng(0)
    points, boxes = rng.random((4, 17, 3)), rng.random((4, 4))
    predictions = make_predictions(COCO17, [7, 8, 9, 7], points, [0.1, 0.2, 0.3, 0.4], boxes)
    for rows in (np.array([2, 0]), np.array([True, False, True, False]), slice(1, 3)):
        taken = predictions.take(rows)
        assert taken.skeleton is COCO17
        assert np.array_equal(taken.image_ids, predictions.image_ids[rows])
        assert np.array_equal(taken.keypoints, points[rows])
        assert np.array_equal(taken.scores, predictions.scores[rows])
        assert np.array_equal(taken.boxes_xywh, boxes[rows])


def test_area_is_that_of_the_box_if_the_first_has_one_else_the_extent_of_all_keypoints():
    points = np.zeros((1, 17, 3))
    points[0, 3] = (10, 20, 0.0)
    assert make_predictions(COCO17, [1], points, [1.0]).area.tolist() == [200.0]
    with_box = make_predictions(COCO17, [1], points, [1.0], [[0, 0, 3, 5]])
    assert with_box.area.tolist() == [15.0]
