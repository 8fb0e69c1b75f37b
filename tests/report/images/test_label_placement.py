"""Texts above neighbours in an image do not overlap."""

from itertools import combinations

import numpy as np
import pytest

pytest.importorskip("cv2", reason="needs the extra [images]")

from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.report.images import draw_predictions
from smallpose.report.images.label_placement import Rectangle, place_labels


def make_label(x, y, width=28, height=20):
    return Rectangle(x, y, x + width, y + height)


def test_texts_that_do_not_overlap_stay_where_they_are_wanted():
    wanted = [make_label(100, 50), make_label(10, 50), make_label(60, 50)]
    assert place_labels(wanted, 200, 100) == wanted
    assert place_labels([], 200, 100) == []


@pytest.mark.parametrize("seed", range(5))
def test_texts_of_a_dense_group_are_apart_and_near(seed):
    rng = np.random.default_rng(seed)
    wanted = [make_label(*rng.uniform((300, 200), (400, 240))) for _ in range(12)]
    places = place_labels(wanted, 720, 480)
    assert not any(a.overlaps(b) for a, b in combinations(places, 2))
    for place, first in zip(places, wanted, strict=True):
        assert abs(place.left - first.left) <= 2 * 28 and abs(place.top - first.top) <= 5 * 20


def test_texts_at_the_edge_are_in_the_image():
    wanted = [make_label(-20, -30), make_label(-10, -25), make_label(190, 95)]
    for left, top, right, bottom in place_labels(wanted, 200, 100):
        assert left >= 0 and top >= 0 and right <= 200 and bottom <= 100
    assert len(set(place_labels(wanted, 200, 100))) == 3


def test_a_text_without_a_free_place_stays():
    wanted = [make_label(0, 0)] * 3
    assert place_labels(wanted, 28, 20) == wanted


def test_numbers_of_neighbours_are_drawn_apart(monkeypatch):
    rng = np.random.default_rng(0)
    keypoints = np.ones((4, 17, 3))
    keypoints[:, :, :2] = rng.uniform((0, 0), (12, 45), (17, 2)) + 100
    keypoints[:, :, 0] += 10 * np.arange(4)[:, None]
    predictions = make_predictions(COCO17, [1] * 4, keypoints, np.linspace(0.9, 0.8, 4))
    corners = {}
    monkeypatch.setattr(
        draw_predictions.cv2,
        "putText",
        lambda _, text, corner, *how: corners.update({text: corner}),
    )
    image = np.zeros((240, 320, 3), dtype=np.uint8)
    names = [str(number) for number in range(21, 25)]
    draw_predictions.draw_image(image, predictions, np.arange(4), labels=names, scale=1)
    width, height = draw_predictions.cv2.getTextSize("24", 0, 0.7, 2)[0]
    assert sorted(corners) == names
    for (ax, ay), (bx, by) in combinations(corners.values(), 2):
        assert abs(ax - bx) >= width or abs(ay - by) >= height
