"""Shares of people with a box and with a pose, against people and predictions made by hand."""

import numpy as np
import pytest

from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import COCO17
from smallpose.training.recalls import compute_recalls

K = len(COCO17)


def make_people(boxes, image_rows, *, unlabelled=()):
    images = make_images([7, 3, 5], ["a", "b", "c"], [100] * 3, [100] * 3)
    keypoints = np.zeros((len(boxes), K, 3))
    for row, (x, y, w, h) in enumerate(boxes):
        keypoints[row, :, 0] = x + w * np.linspace(0.1, 0.9, K)
        keypoints[row, :, 1] = y + h * np.linspace(0.1, 0.9, K)
        keypoints[row, :, 2] = 0 if row in unlabelled else 2
    return make_instances(COCO17, images, image_rows, boxes, keypoints)


def make_predictions(image_ids, keypoints, boxes):
    return Predictions(
        skeleton=COCO17,
        image_ids=np.array(image_ids, dtype=np.int64),
        keypoints=np.array(keypoints, dtype=float).reshape(-1, K, 3),
        scores=np.ones(len(image_ids)),
        boxes_xywh=np.array(boxes, dtype=float).reshape(-1, 4),
    )


BOXES = [[0, 0, 20, 40], [50, 50, 20, 40], [10, 10, 30, 60], [60, 0, 10, 20]]


def test_people_count_by_their_best_prediction_in_their_own_image():
    people = make_people(BOXES, [0, 0, 1, 2])
    good = people.keypoints.copy()
    far = good.copy()
    far[:, :, 0] += 15
    predictions = make_predictions(
        # The second person of image 7 has a box alone; the pose in image 5 is that of image 3.
        [5, 7, 7, 7],
        [good[2], good[0], far[1], far[0]],
        [BOXES[2], [90, 90, 5, 5], BOXES[1], [70, 70, 5, 5]],
    )
    assert compute_recalls(people, predictions) == {"box_recall": 0.25, "pose_recall": 0.25}


def test_half_of_the_overlap_is_enough_and_less_is_not():
    people = make_people([[0, 0, 20, 40], [0, 0, 20, 40]], [0, 1])
    points = people.keypoints
    predictions = make_predictions([7, 3], points, [[0, 0, 20, 20], [0, 0, 20, 19.9]])
    assert compute_recalls(people, predictions) == {"box_recall": 0.5, "pose_recall": 1.0}


def test_people_without_labels_do_not_count_and_no_predictions_find_nobody():
    nothing = make_predictions([], [], [])
    people = make_people(BOXES, [0, 0, 1, 2], unlabelled=(3,))
    assert compute_recalls(people, nothing) == {"box_recall": 0.0, "pose_recall": 0.0}
    perfect = make_predictions([7, 7, 3], people.keypoints[:3], BOXES[:3])
    assert compute_recalls(people, perfect) == {"box_recall": 1.0, "pose_recall": 1.0}
    nobody = make_people(BOXES[:1], [0], unlabelled=(0,))
    assert compute_recalls(nobody, perfect) == {"box_recall": None, "pose_recall": None}


@pytest.mark.parametrize("seed", range(3))
def test_the_shares_are_those_of_plain_loops(seed):
    rng = np.random.default_rng(seed)
    n = 40
    boxes = np.concatenate([rng.uniform(0, 60, (n, 2)), rng.uniform(10, 40, (n, 2))], axis=1)
    people = make_people(boxes.tolist(), rng.integers(0, 3, n))
    moved = people.keypoints.copy()
    moved[:, :, :2] += rng.normal(0, 6, (n, 1, 2))
    shaken = boxes + rng.normal(0, 4, boxes.shape)
    ids = people.images.ids[people.image_rows]
    got = compute_recalls(people, make_predictions(ids, moved, shaken))
    has_box, has_pose = [], []
    for row in range(n):
        x, y, w, h = boxes[row]
        ious, oks = [0.0], [0.0]
        for other in np.flatnonzero(ids == ids[row]):
            a, b, c, d = shaken[other]
            overlap = max(min(x + w, a + c) - max(x, a), 0) * max(min(y + h, b + d) - max(y, b), 0)
            ious.append(overlap / (w * h + c * d - overlap))
            squared = ((moved[other, :, :2] - people.keypoints[row, :, :2]) ** 2).sum(axis=1)
            oks.append(np.exp(-squared / (2 * w * h * (2 * COCO17.sigmas) ** 2)).mean())
        has_box.append(max(ious) >= 0.5)
        has_pose.append(max(oks) >= 0.5)
    assert got == {"box_recall": np.mean(has_box), "pose_recall": np.mean(has_pose)}
    assert 0 < got["pose_recall"] < 1
