"""Shrink and paste: labels go with the pixels, who is hidden is said to be, all else stays."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.sizes import SMALL_BELOW
from smallpose.core.skeleton import COCO17
from smallpose.dataloading import copy_paste
from smallpose.dataloading.augmentation import NO_CHANGE
from smallpose.dataloading.copy_paste import (
    find_place,
    may_be_cut,
    paste_person,
    shrunk_person,
    silhouette,
)
from smallpose.dataloading.full_image.mosaic import STILL, WholeAugment
from smallpose.dataloading.full_image.samples import WholeImages
from smallpose.dataloading.top_down.batches import ImageOfPeople

# A person in a box of side 1, standing with his arms spread.
POSE = np.array(
    [
        [0.5, 0.08],
        [0.53, 0.06],
        [0.47, 0.06],
        [0.56, 0.08],
        [0.44, 0.08],
        [0.62, 0.25],
        [0.38, 0.25],
        [0.8, 0.28],
        [0.2, 0.28],
        [0.97, 0.3],
        [0.03, 0.3],
        [0.6, 0.55],
        [0.4, 0.55],
        [0.61, 0.76],
        [0.39, 0.76],
        [0.62, 0.97],
        [0.38, 0.97],
    ]
)


def person(box: tuple[float, float, float, float]) -> np.ndarray:
    return np.concatenate([POSE * box[2:] + box[:2], np.full((17, 1), 2.0)], axis=1)


def spots(keypoints: np.ndarray, size_wh: tuple[int, int], radius: int = 5) -> np.ndarray:
    """A dark picture with a bright disk at each keypoint."""
    picture = np.full((size_wh[1], size_wh[0], 3), 20, np.uint8)
    for x, y in np.round(keypoints[:, :2]).astype(int).tolist():
        cv2.circle(picture, (x, y), radius, (255, 255, 255), -1)
    return picture


def middle(picture: np.ndarray, near: np.ndarray, reach: int) -> np.ndarray:
    """Centre of the light within some px of a point."""
    x, y = np.round(near).astype(int)
    part = picture[y - reach : y + reach + 1, x - reach : x + reach + 1, 0].astype(float) - 20
    rows, columns = np.indices(part.shape) - reach
    return np.array([x, y]) + [(columns * part).sum(), (rows * part).sum()] / part.sum()


@pytest.mark.parametrize("draw", [0.0, 0.5, 0.999])
def test_labels_stay_on_the_pixels_they_were_on(draw):
    box = np.array([40.0, 30, 300, 400])
    keypoints = person(tuple(box))
    picture = spots(np.round(keypoints), (700, 500))
    keypoints[:, :2] = np.round(keypoints[:, :2])
    cutting = shrunk_person(picture, keypoints, box, COCO17, draw)
    area = cutting.size_wh.prod()
    assert area == pytest.approx(
        copy_paste.LEAST_AREA * (SMALL_BELOW / copy_paste.LEAST_AREA) ** draw, rel=0.1
    )
    canvas = np.full((500, 700, 3), 20, np.uint8)
    pasted = paste_person(canvas, cutting, np.array([400.4, 211.7]))
    assert np.abs(pasted.moved_box(box)[:2] - [400.4, 211.7]).max() <= 0.5
    now = pasted.moved(keypoints)
    np.testing.assert_array_equal(now[:, 2], 2)
    ends = (9, 10, 13, 14)  # joints whose disks no other disk is near
    reach = max(round(7 * cutting.matrix[0, 0]), 2)
    for joint in ends:
        assert np.abs(middle(canvas, now[joint, :2], reach) - now[joint, :2]).max() < 0.35
    # Away from the silhouette nothing changed, and undoing leaves no trace.
    far = np.ones(canvas.shape[:2], bool)
    far[pasted.place] = False
    assert (canvas[far] == 20).all()
    pasted.undo(canvas)
    assert (canvas == 20).all()


def test_the_silhouette_is_the_person_and_not_his_box():
    cover = silhouette(person((0, 0, 300, 400)), (301, 401), COCO17, 300 * 400.0)
    assert cover.max() <= 1 and 0.15 < cover.mean() < 0.5
    x, y = np.round(POSE * [300, 400]).astype(int).T
    assert cover[y, x].min() > 0.45
    for x, y in ((10, 10), (290, 10), (20, 380), (280, 380)):  # corners of his box
        assert cover[y, x] == 0


def test_people_at_the_edge_of_a_image_are_pasted_as_far_as_they_go():
    box = np.array([0.0, 0, 200, 260])
    picture = spots(person(tuple(box)), (210, 262))
    cutting = shrunk_person(picture, person(tuple(box)), box, COCO17, 0.5)
    canvas = np.zeros((120, 120, 3), np.uint8)
    for corner in ([0.0, 0], [119 - cutting.size_wh[0], 119 - cutting.size_wh[1]]):
        pasted = paste_person(canvas, cutting, np.array(corner))
        np.testing.assert_allclose(pasted.moved_box(box)[:2], corner, atol=0.5)
    assert canvas.any()


def test_who_is_hidden_is_said_to_be():
    box = np.array([10.0, 10, 300, 400])
    picture = np.full((450, 350, 3), 200, np.uint8)
    canvas = np.zeros((300, 300, 3), np.uint8)
    cutting = shrunk_person(picture, person(tuple(box)), box, COCO17, 0.9)
    pasted = paste_person(canvas, cutting, np.array([100.0, 100]))
    chest = pasted.moved(person(tuple(box)))[[5, 6, 11, 12], :2].mean(axis=0)
    there = np.array([[*chest, 2], [*chest, 0], [20, 20, 2], [*chest, 1], [-50, 700, 2.0]])[None]
    np.testing.assert_array_equal(pasted.hides(there)[0, :, 2], [1, 0, 2, 1, 2])
    np.testing.assert_array_equal(there[0, :, 2], [2, 0, 2, 1, 2])


def test_only_people_who_show_enough_and_are_large_enough_are_cut():
    good = person((0, 0, 100, 200))
    few, unseen = good.copy(), good.copy()
    few[:6, 2], unseen[:8, 2] = 0, 1
    keypoints = np.stack([good, few, unseen, good])
    boxes = np.array([[0.0, 0, 100, 200]] * 3 + [[0, 0, 30, 40]])
    np.testing.assert_array_equal(may_be_cut(keypoints, boxes), [True, False, False, False])


@pytest.mark.parametrize("seed", range(10))
def test_places_are_inside_and_hardly_on_anybody(seed):
    rng = np.random.default_rng(seed)
    others = np.array([[0.0, 0, 150, 200], [180, 100, 260, 220]])
    size = np.array([40.0, 60.0])
    low = find_place((320, 240), size, others, rng)
    assert low is not None and (low >= 0).all() and (low + size <= [319, 239]).all()
    shared = np.minimum(others[:, 2:], low + size) - np.maximum(others[:, :2], low)
    assert (np.maximum(shared, 0).prod(axis=1) <= 0.3 * size.prod()).all()
    assert find_place((320, 240), np.array([400.0, 9]), others, rng) is None
    full = np.array([[0.0, 0, 320, 240]])
    assert find_place((320, 240), size, full, rng) is None
    assert find_place((320, 240), size, others[:0], rng) is not None


class Two:
    """Two pictures: a large person as spots, and a grey field."""

    def __init__(self) -> None:
        self.given = {
            "large.png": spots(np.round(person((100, 20, 320, 430))), (640, 480), 7),
            "field.png": np.full((480, 640, 3), 20, np.uint8),
        }

    def read(self, name: str) -> np.ndarray:
        return self.given[name]


def two_pictures() -> Instances:
    large = np.round(person((100, 20, 320, 430)))
    far = person((4, 4, 20, 30))
    boxes = [[100, 20, 320, 430], [4, 4, 20, 30]]
    images = make_images([5, 9], ["large.png", "field.png"], [640] * 2, [480] * 2)
    return make_instances(COCO17, images, [0, 1], boxes, [large, far])


def test_full_images_gain_small_people_whose_labels_are_right():
    people, augment = two_pictures(), replace(STILL, paste=1.0)
    pictures = Two()
    dataset = WholeImages(people, np.array([0, 1]), pictures, (640, 480), augment, 3)
    plain = WholeImages(people, np.array([0, 1]), pictures, (640, 480), STILL, 3)
    gained = 0
    for epoch in range(12):
        picture, found, wrong = dataset[(epoch, 1)]
        before, (_, few, *_), _ = plain[(epoch, 1)]
        assert not wrong and len(found.keypoints) - len(few) in (0, 1)
        if len(found.keypoints) == len(few):  # it was offered its own people, or had no place
            np.testing.assert_array_equal(picture, before)
            continue
        gained += 1
        new = found.keypoints[-1].numpy()
        sides = np.ptp(found.corners[-1].numpy(), axis=0)
        assert sides.prod() < SMALL_BELOW
        assert float(found.area[-1]) == pytest.approx(0.53 * sides.prod(), rel=1e-3)
        for joint in (9, 10, 15, 16):
            reach = max(round(9 * sides[0] / 320), 2)
            assert np.abs(middle(picture, new[joint, :2], reach) - new[joint, :2]).max() < 0.5
        again = dataset[(epoch, 1)]
        np.testing.assert_array_equal(again[0], picture)
    assert 2 <= gained <= 10  # the other picture is drawn, or this one itself
    assert (pictures.given["field.png"] == 20).all()


def test_crops_show_who_was_pasted_and_leave_the_image_as_it_was():
    people, pictures = two_pictures(), Two()
    before = pictures.given["large.png"].copy()
    rows = np.array([0, 1])
    plain = ImageOfPeople(people, rows, pictures, (96, 128), NO_CHANGE, 0)
    dataset = ImageOfPeople(people, rows, pictures, (96, 128), replace(NO_CHANGE, paste=1.0), 0)
    as_is, at = plain.cut(0, rows)
    resolutions = []
    for epoch in range(6):
        crops, keypoints = dataset.cut(epoch, rows)
        np.testing.assert_array_equal(crops[1], as_is[1])  # too small to be shrunk
        np.testing.assert_array_equal(keypoints[1], at[1])
        # He is where he was in his crop, for the window shrank with him, and blurred.
        np.testing.assert_allclose(keypoints[0], at[0], atol=1.5)
        for joint in (9, 10, 15, 16):
            light = middle(crops[0], keypoints[0, joint, :2], 4)
            assert np.abs(light - keypoints[0, joint, :2]).max() < 0.6
        resolutions.append(cv2.Laplacian(crops[0], cv2.CV_64F).std())
        np.testing.assert_array_equal(pictures.given["large.png"], before)
    sharp = cv2.Laplacian(as_is[0], cv2.CV_64F).std()
    assert max(resolutions) < 0.9 * sharp and len(set(resolutions)) > 3
    half = ImageOfPeople(people, rows, pictures, (96, 128), replace(NO_CHANGE, paste=0.5), 0)
    shown = [(half.cut(epoch, rows)[0][0] == as_is[0]).all() for epoch in range(40)]
    assert 10 <= sum(shown) <= 30


def test_a_mosaic_has_the_pasted_in_the_image_it_is_about_and_draws_the_rest_as_ever():
    mosaic = WholeAugment(pad=114, only_labelled=True, fit="long", mosaic=True)
    truth, rows = two_pictures(), np.array([0, 1])
    plain = WholeImages(truth, rows, Two(), (640, 480), mosaic, 3)
    pasted = WholeImages(truth, rows, Two(), (640, 480), replace(mosaic, paste=1.0), 3)
    more = 0
    for epoch in range(8):
        before, few, _ = plain[(epoch, 1)]
        picture, many, wrong = pasted[(epoch, 1)]
        assert not wrong and len(many.keypoints) - len(few.keypoints) in (0, 1)
        more += len(many.keypoints) - len(few.keypoints)
        # The same people stand at the same places, and little of the picture is another's.
        for joints in few.keypoints.numpy():
            apart = np.abs(many.keypoints.numpy()[..., :2] - joints[..., :2]).max(axis=(1, 2))
            assert apart.min() == 0
        assert (picture == before).mean() > 0.9
    assert more >= 2
