"""Options for small people: how often an epoch shows each person, and at which resolution."""

from dataclasses import replace

import numpy as np
import pytest

from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.augmentation import Augmentation
from smallpose.dataloading.batches import LoaderOptions
from smallpose.dataloading.top_down.batches import CropDataset, CropLoader, select_trainable
from smallpose.dataloading.top_down.small_people import draw_balanced_counts, reduce_resolution

CLASSES = np.repeat(np.array([0, 1, 2], np.int8), [70, 25, 5])


@pytest.mark.parametrize("seed", range(20))
def test_balanced_epochs_keep_the_number_of_people_and_give_classes_their_shares(seed):
    rng = np.random.default_rng(seed)
    assert (draw_balanced_counts(CLASSES, 0.0, rng) == 1).all()
    for balance, share in ((1.0, [1 / 3] * 3), (0.5, np.sqrt([70, 25, 5]) / 15.603)):
        counts = draw_balanced_counts(CLASSES, balance, rng)
        assert counts.sum() == 100
        for size_class in range(3):
            of_class = counts[size_class == CLASSES]
            assert np.ptp(of_class) <= 2  # people of one class are shown almost equally often
            assert of_class.sum() == pytest.approx(100 * share[size_class], abs=12)
    mean = np.mean([draw_balanced_counts(CLASSES, 1.0, rng) for _ in range(400)], axis=0)
    assert mean[:70].sum() == pytest.approx(100 / 3, rel=0.02)
    assert mean[95:].sum() == pytest.approx(100 / 3, rel=0.02)


def test_a_reduced_resolution_keeps_means_and_loses_detail():
    crop = np.random.default_rng(0).integers(0, 255, (64, 48, 3), np.uint8)
    coarse = reduce_resolution(crop, 48.0, 0.25, 1.0)
    assert coarse.shape == crop.shape and abs(coarse.mean() - crop.mean()) < 3
    assert coarse.std() < 0.5 * crop.std()
    np.testing.assert_array_equal(reduce_resolution(crop, 48.0, 0.25, 0.0), crop)
    np.testing.assert_array_equal(reduce_resolution(crop, 11.0, 0.25, 0.7), crop)  # coarse already


def test_a_camera_adds_noise_and_blur_and_halves_the_resolution_of_colours():
    grey = np.full((96, 64, 3), 128, np.uint8)
    assert reduce_resolution(grey, 64.0, 0.25, 0.5).std() == 0
    noises = []
    for seed in range(200):
        noisy = reduce_resolution(grey, 64.0, 0.5, 0.0, np.random.default_rng(seed)).astype(float)
        assert abs(noisy.mean() - 128) < 1
        noises.append(noisy.std())
    assert 0 <= min(noises) < 1 and 3 < max(noises) <= 6.5
    stripes = np.full((96, 64, 3), 128, np.uint8)
    stripes[:, ::2, 0] += 60  # red in every second column, at about the same brightness
    stripes[:, ::2, 1] -= 30
    photograph = reduce_resolution(stripes, 64.0, 0.5, 0.0, np.random.default_rng(3))
    contrast = np.abs(np.diff(photograph.mean(axis=0)[:, 0])).mean()
    assert contrast < 15  # was 60


def test_a_camera_changes_only_crops_of_lower_resolution():
    images = make_images(range(4), [f"{i}.png" for i in range(4)], [80] * 4, [60] * 4)
    rng = np.random.default_rng(0)
    boxes = np.tile([10.0, 5.0, 50.0, 50.0], (40, 1))
    keypoints = np.concatenate([rng.uniform(5, 55, (40, 17, 2)), np.full((40, 17, 1), 2.0)], 2)
    people = make_instances(COCO17, images, np.arange(40) % 4, boxes, keypoints)

    def cut(**options):
        augmentation = replace(Augmentation(), **options)
        rows = select_trainable(people)
        return CropDataset(people, rows, NoiseReader(), (48, 64), augmentation, 0).cut(0, rows)

    (plain, labels), (coarse, _) = cut(), cut(coarse=0.5)
    camera, same_labels = cut(coarse=0.5, coarse_camera=1.0)
    half = cut(coarse=0.5, coarse_camera=0.5)[0]

    def differ(one, other):
        return (one != other).reshape(len(one), -1).any(axis=1)

    is_coarse = differ(plain, coarse)
    assert 10 < is_coarse.sum() < 30
    assert (differ(coarse, camera) == is_coarse).all()
    assert 2 < differ(coarse, half).sum() < is_coarse.sum() - 2
    np.testing.assert_array_equal(labels, same_labels)


class NoiseReader:
    """A reader that returns the same noise for any name."""

    image = np.random.default_rng(1).integers(0, 255, (60, 80, 3), np.uint8)

    def read(self, name: str) -> np.ndarray:
        return self.image


def test_repeated_people_are_augmented_differently_and_ranks_change_nothing():
    rng = np.random.default_rng(0)
    images = make_images(range(12), [f"{i}.png" for i in range(12)], [80] * 12, [60] * 12)
    boxes = np.concatenate([rng.uniform(0, 20, (240, 2)), rng.uniform(10, 40, (240, 2))], axis=1)
    boxes[40:, 2:] = 140.0  # 40 small people, 200 large ones
    keypoints = np.concatenate([rng.uniform(5, 55, (240, 17, 2)), np.full((240, 17, 1), 2.0)], 2)
    people = make_instances(COCO17, images, np.arange(240) % 12, boxes, keypoints)
    augmentation = replace(Augmentation(), balance=1.0, coarse=0.5)

    def batches(**options):
        dataset = CropDataset(
            people, select_trainable(people), NoiseReader(), (48, 64), augmentation, 0
        )
        crops = CropLoader(dataset, LoaderOptions(batch_size=16, **options))
        crops.window = 60
        return list(crops.batches(0))

    single = batches()
    rows = np.concatenate([b.rows for b in single])
    assert len(rows) == 240 and (rows < 40).sum() == pytest.approx(120, abs=3)
    crops = np.concatenate([b.crops.numpy() for b in single])
    repeats = crops[rows == rows[rows < 40][0]]
    assert len(repeats) == 3
    assert (repeats[0] != repeats[1]).any() and (repeats[1] != repeats[2]).any()
    for rank in (0, 1):
        for full, part in zip(single, batches(rank=rank, world_size=2), strict=True):
            some = full.crops.numpy().reshape(len(full.rows), -1)
            assert all((some == c.numpy().reshape(-1)).all(axis=1).any() for c in part.crops)
