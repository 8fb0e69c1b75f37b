"""Options for small people: whom an epoch shows how often, and at which resolution."""

from dataclasses import replace

import numpy as np
import pytest

from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.augmentation import Augment
from smallpose.dataloading.top_down.batches import Crops, ImageOfPeople, trainable
from smallpose.dataloading.top_down.small_people import coarser, shares

CLASSES = np.repeat(np.array([0, 1, 2], np.int8), [70, 25, 5])


@pytest.mark.parametrize("seed", range(20))
def test_an_epoch_has_as_many_people_and_the_classes_their_shares(seed):
    rng = np.random.default_rng(seed)
    assert (shares(CLASSES, 0.0, rng) == 1).all()
    for balance, share in ((1.0, [1 / 3] * 3), (0.5, np.sqrt([70, 25, 5]) / 15.603)):
        counts = shares(CLASSES, balance, rng)
        assert counts.sum() == 100
        for kind in range(3):
            own = counts[kind == CLASSES]
            assert np.ptp(own) <= 2  # hardly one is shown more often than another of his class
            assert own.sum() == pytest.approx(100 * share[kind], abs=12)
    mean = np.mean([shares(CLASSES, 1.0, rng) for _ in range(400)], axis=0)
    assert mean[:70].sum() == pytest.approx(100 / 3, rel=0.02)
    assert mean[95:].sum() == pytest.approx(100 / 3, rel=0.02)


def test_a_coarser_crop_keeps_its_means_and_loses_detail():
    crop = np.random.default_rng(0).integers(0, 255, (64, 48, 3), np.uint8)
    seen = coarser(crop, 48.0, 0.25, 1.0)
    assert seen.shape == crop.shape and abs(seen.mean() - crop.mean()) < 3
    assert seen.std() < 0.5 * crop.std()
    np.testing.assert_array_equal(coarser(crop, 48.0, 0.25, 0.0), crop)
    np.testing.assert_array_equal(coarser(crop, 11.0, 0.25, 0.7), crop)  # coarse already


class Noise:
    """A picture for any name."""

    picture = np.random.default_rng(1).integers(0, 255, (60, 80, 3), np.uint8)

    def read(self, name: str) -> np.ndarray:
        return self.picture


def test_people_shown_twice_are_changed_anew_and_nothing_depends_on_who_computes():
    rng = np.random.default_rng(0)
    images = make_images(range(12), [f"{i}.png" for i in range(12)], [80] * 12, [60] * 12)
    boxes = np.concatenate([rng.uniform(0, 20, (240, 2)), rng.uniform(10, 40, (240, 2))], axis=1)
    boxes[40:, 2:] = 140.0  # 40 small ones, 200 large ones
    keypoints = np.concatenate([rng.uniform(5, 55, (240, 17, 2)), np.full((240, 17, 1), 2.0)], 2)
    people = make_instances(COCO17, images, np.arange(240) % 12, boxes, keypoints)
    augment = replace(Augment(), balance=1.0, coarse=0.5)

    def batches(**more):
        dataset = ImageOfPeople(people, trainable(people), Noise(), (48, 64), augment, 0)
        crops = Crops(dataset, 16, **more)
        crops.window = 60
        return list(crops.batches(0))

    alone = batches()
    rows = np.concatenate([b.rows for b in alone])
    assert len(rows) == 240 and (rows < 40).sum() == pytest.approx(120, abs=3)
    crops = np.concatenate([b.crops.numpy() for b in alone])
    twice = crops[rows == rows[rows < 40][0]]
    assert len(twice) == 3 and (twice[0] != twice[1]).any() and (twice[1] != twice[2]).any()
    for rank in (0, 1):
        for whole, part in zip(alone, batches(rank=rank, world=2), strict=True):
            some = whole.crops.numpy().reshape(len(whole.rows), -1)
            assert all((some == c.numpy().reshape(-1)).all(axis=1).any() for c in part.crops)
