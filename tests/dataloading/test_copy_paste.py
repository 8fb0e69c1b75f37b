"""Copy-paste: labels move with the pixels, hidden joints lose their visibility, the rest stays."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.sizes import SMALL_BELOW
from smallpose.core.skeleton import COCO17
from smallpose.dataloading import copy_paste
from smallpose.dataloading.augmentation import NO_AUGMENTATION
from smallpose.dataloading.copy_paste import (
    choose_place,
    cut_and_shrink_person,
    draw_silhouette,
    paste_person,
    select_cuttable,
)
from smallpose.dataloading.full_image.mosaic import LETTERBOX_ONLY, FullImageAugmentation
from smallpose.dataloading.full_image.samples import FullImageDataset
from smallpose.dataloading.top_down.batches import CropDataset

# A person in a box of side 1, standing with spread arms.
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


def make_person(box: tuple[float, float, float, float]) -> np.ndarray:
    return np.concatenate([POSE * box[2:] + box[:2], np.full((17, 1), 2.0)], axis=1)


def draw_spots(keypoints: np.ndarray, size_wh: tuple[int, int], radius: int = 5) -> np.ndarray:
    """Draw a dark image with a bright disk at each keypoint."""
    image = np.full((size_wh[1], size_wh[0], 3), 20, np.uint8)
    for x, y in np.round(keypoints[:, :2]).astype(int).tolist():
        cv2.circle(image, (x, y), radius, (255, 255, 255), -1)
    return image


def locate_light(image: np.ndarray, near: np.ndarray, reach: int) -> np.ndarray:
    """Return the centre of the light within some px of a point."""
    x, y = np.round(near).astype(int)
    part = image[y - reach : y + reach + 1, x - reach : x + reach + 1, 0].astype(float) - 20
    rows, columns = np.indices(part.shape) - reach
    return np.array([x, y]) + [(columns * part).sum(), (rows * part).sum()] / part.sum()


@pytest.mark.parametrize("draw", [0.0, 0.5, 0.999])
def test_labels_stay_on_the_pixels_they_were_on(draw):
    box = np.array([40.0, 30, 300, 400])
    keypoints = make_person(tuple(box))
    image = draw_spots(np.round(keypoints), (700, 500))
    keypoints[:, :2] = np.round(keypoints[:, :2])
    cutout = cut_and_shrink_person(image, keypoints, box, COCO17, draw)
    area = cutout.size_wh.prod()
    assert area == pytest.approx(
        copy_paste.MIN_AREA * (SMALL_BELOW / copy_paste.MIN_AREA) ** draw, rel=0.1
    )
    canvas = np.full((500, 700, 3), 20, np.uint8)
    pasted = paste_person(canvas, cutout, np.array([400.4, 211.7]))
    assert np.abs(pasted.move_box(box)[:2] - [400.4, 211.7]).max() <= 0.5
    moved = pasted.move_keypoints(keypoints)
    np.testing.assert_array_equal(moved[:, 2], 2)
    ends = (9, 10, 13, 14)  # joints whose disks have no other disk nearby
    reach = max(round(7 * cutout.matrix[0, 0]), 2)
    for joint in ends:
        assert np.abs(locate_light(canvas, moved[joint, :2], reach) - moved[joint, :2]).max() < 0.35
    # Away from the silhouette nothing changed, and undoing leaves no trace.
    is_far = np.ones(canvas.shape[:2], bool)
    is_far[pasted.region] = False
    assert (canvas[is_far] == 20).all()
    pasted.undo(canvas)
    assert (canvas == 20).all()


def test_the_silhouette_covers_the_person_and_not_their_box():
    alpha = draw_silhouette(make_person((0, 0, 300, 400)), (301, 401), COCO17, 300 * 400.0)
    assert alpha.max() <= 1 and 0.15 < alpha.mean() < 0.5
    x, y = np.round(POSE * [300, 400]).astype(int).T
    assert alpha[y, x].min() > 0.45
    for x, y in ((10, 10), (290, 10), (20, 380), (280, 380)):  # corners of the box
        assert alpha[y, x] == 0


def test_people_at_the_edge_of_an_image_are_clipped_to_it():
    box = np.array([0.0, 0, 200, 260])
    image = draw_spots(make_person(tuple(box)), (210, 262))
    cutout = cut_and_shrink_person(image, make_person(tuple(box)), box, COCO17, 0.5)
    canvas = np.zeros((120, 120, 3), np.uint8)
    for corner in ([0.0, 0], [119 - cutout.size_wh[0], 119 - cutout.size_wh[1]]):
        pasted = paste_person(canvas, cutout, np.array(corner))
        np.testing.assert_allclose(pasted.move_box(box)[:2], corner, atol=0.5)
    assert canvas.any()


def test_joints_behind_a_pasted_person_are_labelled_as_hidden():
    box = np.array([10.0, 10, 300, 400])
    image = np.full((450, 350, 3), 200, np.uint8)
    canvas = np.zeros((300, 300, 3), np.uint8)
    cutout = cut_and_shrink_person(image, make_person(tuple(box)), box, COCO17, 0.9)
    pasted = paste_person(canvas, cutout, np.array([100.0, 100]))
    chest = pasted.move_keypoints(make_person(tuple(box)))[[5, 6, 11, 12], :2].mean(axis=0)
    keypoints = np.array([[*chest, 2], [*chest, 0], [20, 20, 2], [*chest, 1], [-50, 700, 2.0]])[
        None
    ]
    np.testing.assert_array_equal(pasted.occlude_keypoints(keypoints)[0, :, 2], [1, 0, 2, 1, 2])
    np.testing.assert_array_equal(keypoints[0, :, 2], [2, 0, 2, 1, 2])


def test_only_people_who_are_visible_and_large_enough_are_cut_out():
    good = make_person((0, 0, 100, 200))
    few = good.copy()
    few[:6, 2] = 0
    hidden = good.copy()
    hidden[:8, 2] = 1
    keypoints = np.stack([good, few, hidden, good])
    boxes = np.array([[0.0, 0, 100, 200]] * 3 + [[0, 0, 30, 40]])
    np.testing.assert_array_equal(select_cuttable(keypoints, boxes), [True, False, False, False])


@pytest.mark.parametrize("seed", range(10))
def test_places_are_inside_the_image_and_hardly_cover_other_people(seed):
    rng = np.random.default_rng(seed)
    others = np.array([[0.0, 0, 150, 200], [180, 100, 260, 220]])
    size = np.array([40.0, 60.0])
    low = choose_place((320, 240), size, others, rng)
    assert low is not None and (low >= 0).all() and (low + size <= [319, 239]).all()
    overlap = np.minimum(others[:, 2:], low + size) - np.maximum(others[:, :2], low)
    assert (np.maximum(overlap, 0).prod(axis=1) <= 0.3 * size.prod()).all()
    assert choose_place((320, 240), np.array([400.0, 9]), others, rng) is None
    full = np.array([[0.0, 0, 320, 240]])
    assert choose_place((320, 240), size, full, rng) is None
    assert choose_place((320, 240), size, others[:0], rng) is not None


class TwoImages:
    """A reader of two images: a large person as spots, and a grey field."""

    def __init__(self) -> None:
        self.images = {
            "large.png": draw_spots(np.round(make_person((100, 20, 320, 430))), (640, 480), 7),
            "field.png": np.full((480, 640, 3), 20, np.uint8),
        }

    def read(self, name: str) -> np.ndarray:
        return self.images[name]


def make_people() -> Instances:
    large = np.round(make_person((100, 20, 320, 430)))
    far = make_person((4, 4, 20, 30))
    boxes = [[100, 20, 320, 430], [4, 4, 20, 30]]
    images = make_images([5, 9], ["large.png", "field.png"], [640] * 2, [480] * 2)
    return make_instances(COCO17, images, [0, 1], boxes, [large, far])


def test_full_images_get_pasted_small_people_with_correct_labels():
    people = make_people()
    augmentation = replace(LETTERBOX_ONLY, paste=1.0)
    reader = TwoImages()
    dataset = FullImageDataset(people, np.array([0, 1]), reader, (640, 480), augmentation, 3)
    plain = FullImageDataset(people, np.array([0, 1]), reader, (640, 480), LETTERBOX_ONLY, 3)
    num_pasted = 0
    for epoch in range(12):
        image, labels, problem = dataset[(epoch, 1)]
        before, (_, few, *_), _ = plain[(epoch, 1)]
        assert not problem and len(labels.keypoints) - len(few) in (0, 1)
        if len(labels.keypoints) == len(few):  # the other image was this one, or had no free place
            np.testing.assert_array_equal(image, before)
            continue
        num_pasted += 1
        new = labels.keypoints[-1].numpy()
        sides = np.ptp(labels.corners[-1].numpy(), axis=0)
        assert sides.prod() < SMALL_BELOW
        assert float(labels.area[-1]) == pytest.approx(0.53 * sides.prod(), rel=1e-3)
        for joint in (9, 10, 15, 16):
            reach = max(round(9 * sides[0] / 320), 2)
            assert np.abs(locate_light(image, new[joint, :2], reach) - new[joint, :2]).max() < 0.5
        np.testing.assert_array_equal(dataset[(epoch, 1)][0], image)
    assert 2 <= num_pasted <= 10  # the other image is drawn, or this one itself
    assert (reader.images["field.png"] == 20).all()


def test_crops_show_the_pasted_person_and_leave_the_image_unchanged():
    people = make_people()
    reader = TwoImages()
    before = reader.images["large.png"].copy()
    rows = np.array([0, 1])
    plain = CropDataset(people, rows, reader, (96, 128), NO_AUGMENTATION, 0)
    dataset = CropDataset(people, rows, reader, (96, 128), replace(NO_AUGMENTATION, paste=1.0), 0)
    plain_crops, plain_keypoints = plain.cut(0, rows)
    resolutions = []
    for epoch in range(6):
        crops, keypoints = dataset.cut(epoch, rows)
        np.testing.assert_array_equal(crops[1], plain_crops[1])  # too small to be shrunk
        np.testing.assert_array_equal(keypoints[1], plain_keypoints[1])
        # They are at the same place in the crop, since the window shrank with them, and blurred.
        np.testing.assert_allclose(keypoints[0], plain_keypoints[0], atol=1.5)
        for joint in (9, 10, 15, 16):
            light = locate_light(crops[0], keypoints[0, joint, :2], 4)
            assert np.abs(light - keypoints[0, joint, :2]).max() < 0.6
        resolutions.append(cv2.Laplacian(crops[0], cv2.CV_64F).std())
        np.testing.assert_array_equal(reader.images["large.png"], before)
    sharp = cv2.Laplacian(plain_crops[0], cv2.CV_64F).std()
    assert max(resolutions) < 0.9 * sharp and len(set(resolutions)) > 3
    half = CropDataset(people, rows, reader, (96, 128), replace(NO_AUGMENTATION, paste=0.5), 0)
    shown = [(half.cut(epoch, rows)[0][0] == plain_crops[0]).all() for epoch in range(40)]
    assert 10 <= sum(shown) <= 30


def test_a_mosaic_pastes_into_its_first_image_and_leaves_the_rest_unchanged():
    mosaic = FullImageAugmentation(pad=114, only_labelled=True, fit="long", mosaic=True)
    people = make_people()
    rows = np.array([0, 1])
    plain = FullImageDataset(people, rows, TwoImages(), (640, 480), mosaic, 3)
    pasted = FullImageDataset(people, rows, TwoImages(), (640, 480), replace(mosaic, paste=1.0), 3)
    num_pasted = 0
    for epoch in range(8):
        before, few, _ = plain[(epoch, 1)]
        image, many, problem = pasted[(epoch, 1)]
        assert not problem and len(many.keypoints) - len(few.keypoints) in (0, 1)
        num_pasted += len(many.keypoints) - len(few.keypoints)
        # The same people are at the same places, and few pixels differ.
        for joints in few.keypoints.numpy():
            distance = np.abs(many.keypoints.numpy()[..., :2] - joints[..., :2]).max(axis=(1, 2))
            assert distance.min() == 0
        assert (image == before).mean() > 0.9
    assert num_pasted >= 2
