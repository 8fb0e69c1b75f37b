"""Colours, blur and erasing change the pixels of crops, and no labels."""

from dataclasses import replace

import numpy as np
import pytest

from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.augmentation import Augmentation, make_counter_rng
from smallpose.dataloading.images import ImageReader
from smallpose.dataloading.pixel_augmentation import PixelAugmentation, change_pixels
from smallpose.dataloading.top_down.crops import CropDataset

NOTHING = PixelAugmentation(hsv=(0, 0, 0), blur=0, erase=0)


def change(augmentation: PixelAugmentation, seed: int, *, noise: bool = False) -> np.ndarray:
    crop = np.full((128, 96, 3), 200, np.uint8)
    if noise:
        crop = np.random.default_rng(0).integers(0, 256, crop.shape).astype(np.uint8)
    change_pixels(crop, augmentation, make_counter_rng(0, 0, seed))
    return crop


def test_without_changes_pixels_stay():
    before = np.random.default_rng(0).integers(0, 256, (128, 96, 3)).astype(np.uint8)
    error = np.abs(change(NOTHING, 1, noise=True).astype(int) - before)
    assert error.mean() < 3  # to HSV and back
    assert (change(NOTHING, 1) == 200).all()


def test_one_rectangle_of_a_fifth_to_two_fifths_of_the_sides_is_black():
    sides, starts = [], []
    for seed in range(400):
        is_black = (change(replace(NOTHING, erase=1), seed) == 0).all(axis=2)
        rows, columns = (np.flatnonzero(is_black.any(axis=axis)) for axis in (1, 0))
        assert is_black[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        sides.append((len(rows), len(columns)))
        starts.append((rows[0], columns[0]))
    low, high = np.min(sides, axis=0), np.max(sides, axis=0)
    assert low.tolist() == [25, 19] and high.tolist() == [51, 38]
    assert np.min(starts, axis=0).max() <= 3  # anywhere in the crop
    assert (np.max(np.add(starts, sides), axis=0) >= [125, 93]).all()


def test_half_of_the_closing_samples_are_erased_and_a_fifth_blurred():
    erased = [bool((change(replace(NOTHING, erase=0.5), seed) == 0).any()) for seed in range(400)]
    assert np.mean(erased) == pytest.approx(0.5, abs=0.08)
    blur = replace(NOTHING, blur=0.1)
    plain = change(NOTHING, 0, noise=True)
    changed = [bool((change(blur, seed, noise=True) != plain).any()) for seed in range(400)]
    assert np.mean(changed) == pytest.approx(1 - 0.9**2, abs=0.06)


def test_hue_saturation_and_value_change_by_at_most_what_is_asked():
    values = np.array([change(replace(NOTHING, hsv=(5, 30, 30)), s)[0, 0] for s in range(400)])
    value = values.max(axis=1).astype(int)  # the value of HSV is the largest channel
    assert value.min() < 175 and value.max() > 225
    assert np.abs(value - 200).max() <= 30
    assert np.mean(value == 200) == pytest.approx(0.5, abs=0.1)


@pytest.fixture
def dataset(tmp_path):
    import cv2

    cv2.imwrite(str(tmp_path / "a.png"), np.full((200, 160, 3), 180, np.uint8))
    images = make_images([1], ["a.png"], [160], [200])
    keypoints = np.random.default_rng(0).uniform(40, 120, (1, 17, 3))
    keypoints[..., 2] = 2
    boxes = np.array([[30.0, 30.0, 100.0, 100.0]])
    people = make_instances(COCO17, images, [0], boxes, keypoints)

    def create(augmentation: Augmentation) -> CropDataset:
        rows = np.arange(1)
        return CropDataset(people, rows, ImageReader(tmp_path), (64, 96), augmentation, 0)

    return create


def test_labels_are_those_of_the_same_augmentation_without_pixels(dataset):
    pixels, plain = dataset(PixelAugmentation()), dataset(Augmentation(scale=0.4))
    for epoch in range(5):
        (ours, our_points), (theirs, their_points) = (
            d.cut(epoch, np.arange(1)) for d in (pixels, plain)
        )
        assert np.array_equal(our_points, their_points)
        assert (ours != theirs).any()


def test_the_last_epochs_are_milder_and_samples_depend_on_nothing_else(dataset):
    strong, closing = dataset(PixelAugmentation(closing=3)), dataset(PixelAugmentation(closing=3))
    mild = dataset(PixelAugmentation().to_closing())
    closing.epochs = 10
    for epoch, expected in ((0, strong), (6, strong), (7, mild), (9, mild)):
        ours, theirs = (d.cut(epoch, np.arange(1)) for d in (closing, expected))
        assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
