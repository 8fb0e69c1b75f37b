"""Whole pictures with people: large enough to see the small ones, each stroke by its person."""

import cv2
import numpy as np
import pytest

from smallpose.core.instances import make_images
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.images import read_picture
from smallpose.report.images.draw_predictions import (
    MAX_IMAGE_SIDE,
    MIN_IMAGE_HEIGHT,
    MIN_PERSON_HEIGHT,
    draw_predictions,
)
from smallpose.report.images.pose_drawing import LEFT, RIGHT

GREY = 128


def standing(tall: float, at: tuple[float, float]) -> np.ndarray:
    """(17, 3): someone upright, scores of 0.9."""
    height = np.array([0, 0, 0, 0.02, 0.02, 0.2, 0.2, 0.35, 0.35, 0.5, 0.5, 0.5, 0.5, 0.75, 0.75])
    height = np.concatenate([height, [1, 1]]) * tall
    side = np.array([0, 1, -1, 2, -2, 3, -3, 4, -4, 4, -4, 2, -2, 2, -2, 2, -2]) * tall / 24
    return np.stack([side + at[0], height + at[1], np.full(17, 0.9)], axis=1)


def drawn(tmp_path, size_wh, people):
    """The picture with the given (k, 3) people drawn, and the scale it was brought to."""
    picture = np.full((size_wh[1], size_wh[0], 3), GREY, np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    images = make_images([1], ["a.png"], [size_wh[0]], [size_wh[1]])
    points = np.stack(people)
    n = len(points)
    found = Predictions(COCO17, np.ones(n, np.int64), points, np.full(n, 0.9), np.zeros((n, 4)))
    assert draw_predictions(found, images, tmp_path, read_picture, tmp_path / "out") == 1
    result = read_picture(next((tmp_path / "out").iterdir()))
    return result, result.shape[0] / size_wh[1]


@pytest.mark.parametrize(
    ("size_wh", "tall", "shown"),
    [
        ((640, 480), 400, MIN_IMAGE_HEIGHT),  # enlarged to a common height
        ((640, 480), 24, 480 * MIN_PERSON_HEIGHT / 24),  # until its people can be seen
        ((640, 480), 8, 480 * MAX_IMAGE_SIDE / 640),  # but not without end
        ((4000, 1000), 8, 1000),  # nor beyond what is large already
    ],
)
def test_images_are_enlarged_until_their_people_can_be_seen(tmp_path, size_wh, tall, shown):
    picture, _ = drawn(tmp_path, size_wh, [standing(tall, (size_wh[0] / 2, 40))])
    assert picture.shape[0] == pytest.approx(shown, abs=1)


def test_small_and_large_people_of_one_image_have_strokes_of_their_own(tmp_path):
    people = [standing(40, (100, 50)), standing(600, (700, 60))]
    picture, scale = drawn(tmp_path, (1200, 720), people)
    assert scale == 1

    def width(x, y):
        """Of what is drawn on the row around a place, px."""
        row = picture[round(y), round(x) - 20 : round(x) + 20].astype(int)
        return int((np.abs(row - GREY).max(axis=1) > 40).sum())

    thin = width(100 + 2 * 40 / 24, 50 + 0.87 * 40)
    thick = width(700 + 2 * 600 / 24, 60 + 0.87 * 600)
    assert 0 < thin <= 8 and thick > thin + 3


def test_an_unsure_joint_far_away_makes_nobody_larger(tmp_path):
    person = standing(24, (300, 200))
    person[9] = 2.0, 2.0, 0.01
    near, _ = drawn(tmp_path, (640, 480), [standing(24, (300, 200))])
    far, _ = drawn(tmp_path, (640, 480), [person])
    assert near.shape == far.shape
    assert (np.abs(far[:40, :40].astype(int) - GREY) < 12).all()


def test_left_and_right_have_their_colours(tmp_path):
    picture, scale = drawn(tmp_path, (640, 480), [standing(300, (300, 80))])
    for x, colour in ((300 + 2 * 300 / 24, LEFT), (300 - 2 * 300 / 24, RIGHT)):
        at = picture[round((80 + 0.87 * 300) * scale), round(x * scale)]
        assert np.abs(at.astype(int) - colour).max() < 40
