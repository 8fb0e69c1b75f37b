"""People keep their number from frame to frame, as far as poses and boxes tell."""

import numpy as np
import pytest

from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.inference.tracking import MAX_GAP_S, Tracker

SHAPE = np.random.default_rng(0).uniform(0, 1, (17, 2))


def make_frame(boxes_xywh):
    boxes = np.asarray(boxes_xywh, dtype=float).reshape(-1, 4)
    points = boxes[:, None, :2] + SHAPE * boxes[:, None, 2:]
    keypoints = np.concatenate([points, np.ones((len(boxes), 17, 1))], axis=2)
    return make_predictions(COCO17, np.ones(len(boxes)), keypoints, np.ones(len(boxes)), boxes)


def track(frames, times):
    tracker = Tracker(COCO17.sigmas)
    return [tracker.assign(make_frame(f), t) for f, t in zip(frames, times, strict=True)]


@pytest.mark.parametrize("num_people", [1, 5, 40])
def test_people_who_walk_keep_their_numbers_in_whatever_order_they_are_found(num_people):
    rng = np.random.default_rng(num_people)
    start = rng.uniform(0, 300, (num_people, 2)) + 70 * np.arange(num_people)[:, None]
    speed = rng.uniform(-30, 30, (num_people, 2))  # px/s, and people are 60 px tall
    frames, expected = [], []
    for time in np.arange(0, 3, 0.1):
        order = rng.permutation(num_people)
        boxes = np.concatenate([start + speed * time, np.full((num_people, 2), (25, 60))], axis=1)
        frames.append(boxes[order] + rng.normal(0, 0.7, (num_people, 4)))
        expected.append(order)
    ids = track(frames, np.arange(0, 3, 0.1))
    name_of = dict(zip(expected[0].tolist(), ids[0], strict=True))
    assert len(set(ids[0])) == num_people
    for order, found in zip(expected, ids, strict=True):
        assert found == [name_of[person] for person in order.tolist()]


def test_people_who_cross_are_told_apart_by_their_speed():
    times = np.arange(0, 2, 0.1)
    frames = [[[40 * t, 0, 25, 60], [80 - 40 * t, 20, 25, 60]] for t in times]
    assert track(frames, times) == [[1, 2]] * len(times)


def test_a_short_gap_is_bridged_and_after_a_long_one_there_is_a_new_number():
    box = [10, 10, 25, 60]
    assert track([[box], [], [box]], [0, MAX_GAP_S / 2, MAX_GAP_S]) == [[1], [], [1]]
    times = [0, 0.4, 0.8, MAX_GAP_S + 0.1]
    assert track([[box], [], [], [box]], times) == [[1], [], [], [2]]


def test_frames_far_apart_in_time_are_joined_and_a_frame_may_miss_a_person():
    box = [10, 10, 25, 60]
    assert track([[box], [box], [], [box]], [0, 5, 10, 15]) == [[1], [1], [], [1]]


def test_a_person_far_away_is_another_one_and_one_number_is_given_once_in_a_frame():
    assert track([[[0, 0, 25, 60]], [[200, 0, 25, 60]]], [0, 0.1]) == [[1], [2]]
    near = [[0, 0, 25, 60], [3, 0, 25, 60]]
    assert track([near[:1], near], [0, 0.1]) == [[1], [1, 2]]


def test_numbers_are_not_used_again_in_another_video():
    tracker = Tracker(COCO17.sigmas)
    frame = make_frame([[0, 0, 25, 60]])
    assert tracker.assign(frame, 0.0) == [1]
    tracker.start_video()
    assert tracker.assign(frame, 0.0) == [2]
