import numpy as np
import pytest

from smallpose.core.boxes import (
    box_around_keypoints,
    box_iou,
    clip_boxes,
    enclose_boxes,
    scale_boxes,
)


def test_clipping_leaves_a_box_inside_its_image_unchanged():
    """x + w - x is not w in floating point; such a box keeps its last bit."""
    boxes = np.array([[0.1, 0.2, 0.7, 0.3], [-5.0, 2.0, 10.0, 4.0], [90.0, 90.0, 20.0, 20.0]])
    clipped = clip_boxes(boxes, np.full(3, 50.0), np.full(3, 50.0))
    assert np.array_equal(clipped[0], boxes[0])
    assert clipped[1].tolist() == [0.0, 2.0, 5.0, 4.0]
    assert clipped[2, 2:].tolist() == [0.0, 0.0]
    unknown = clip_boxes(boxes, np.zeros(3), np.zeros(3))
    assert np.array_equal(unknown, boxes)


def test_a_box_around_keypoints_counts_labelled_ones_only():
    points = np.array([[[1.0, 2, 2], [5, 9, 1], [100, 100, 0]], [[1, 1, 0]] * 3])
    box = box_around_keypoints(points)
    assert box[0].tolist() == [1, 2, 4, 7]
    assert np.isnan(box[1]).all()


def test_scaling_keeps_the_centre_and_the_enclosing_box_contains_both():
    box = np.array([[10.0, 20, 40, 60]])
    assert scale_boxes(box, 1.3)[0].tolist() == pytest.approx([4.0, 11.0, 52.0, 78.0])
    other = np.array([[0.0, 30, 5, 5]])
    assert enclose_boxes(box, other)[0].tolist() == [0, 20, 50, 60]
    assert enclose_boxes(box, np.full((1, 4), np.nan))[0].tolist() == box[0].tolist()


def test_iou_of_known_boxes():
    a = np.array([[0.0, 0, 10, 10]])
    b = np.array([[0.0, 0, 10, 10], [5, 0, 10, 10], [50, 50, 1, 1], [0, 0, 0, 0]])
    assert box_iou(a, b)[0].tolist() == pytest.approx([1, 1 / 3, 0, 0])
