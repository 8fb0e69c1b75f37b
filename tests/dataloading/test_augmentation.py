"""Chance is a function of (seed, epoch, person), and does what MMPose's recipes do."""

import numpy as np
import pytest

from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.dataloading.augmentation import (
    NO_CHANGE,
    Augment,
    View,
    change,
    counter_rng,
    half_body,
    mirror,
)


def view(skeleton=SMALLPOSE, seed: int = 0) -> View:
    rng = np.random.default_rng(seed)
    keypoints = rng.uniform(10, 90, (len(skeleton), 3))
    keypoints[:, 2] = 2
    return View(keypoints, np.array([50.0, 60.0]), np.array([75.0, 100.0]), 12.0)


@pytest.mark.parametrize("skeleton", [SMALLPOSE, COCO17])
def test_mirroring_twice_is_nothing(skeleton):
    before = view(skeleton)
    after = mirror(mirror(before, skeleton, 101), skeleton, 101)
    assert np.allclose(after.keypoints, before.keypoints, rtol=0, atol=1e-12)
    assert (after.center == before.center).all()
    assert after.rotate_deg == before.rotate_deg
    assert not after.flipped


def test_mirroring_exchanges_the_sides():
    before = view(COCO17)
    after = mirror(before, COCO17, 101)
    left, right = COCO17.index(["left_wrist", "right_wrist"])
    assert after.keypoints[left, 0] == 100 - before.keypoints[right, 0]
    assert after.keypoints[left, 1] == before.keypoints[right, 1]


def test_no_chance_changes_nothing():
    before = view()
    after = change(view(), NO_CHANGE, SMALLPOSE, 101, counter_rng(0, 0, 7))
    assert (after.center == before.center).all()
    assert (after.scale == before.scale).all()
    assert (after.keypoints == before.keypoints).all()


def test_the_same_counter_draws_the_same_and_another_does_not():
    def draw(seed, epoch, person):
        v = change(view(), Augment(), SMALLPOSE, 101, counter_rng(seed, epoch, person))
        return [*v.center, *v.scale, v.rotate_deg, v.flipped]

    assert draw(3, 4, 5) == draw(3, 4, 5)
    assert len({tuple(draw(*c)) for c in [(3, 4, 5), (4, 4, 5), (3, 5, 5), (3, 4, 6)]}) == 4


def test_the_jitter_stays_within_its_bounds_and_reaches_them():
    views = [
        change(view(), Augment(half_body=0, flip=0), SMALLPOSE, 101, counter_rng(0, 0, i))
        for i in range(3000)
    ]
    grown = np.array([v.scale[0] / 75 for v in views])
    turned = np.array([v.rotate_deg for v in views if v.rotate_deg != 12.0])
    moved = np.array([(v.center - [50, 60]) / [75, 100] for v in views])
    assert 0.5 <= grown.min() < 0.53 and 1.47 < grown.max() <= 1.5
    assert -80 <= turned.min() < -76 and 76 < turned.max() <= 80
    assert 0.57 < len(turned) / 3000 < 0.63
    assert 0.15 < np.abs(moved).max() <= 0.16
    assert 0.27 < (moved != 0).any(axis=1).mean() < 0.33
    # A normal of deviation 1 cut to [-1, 1] has deviation 0.54.
    assert abs(((grown - 1) / 0.5).std() - 0.54) < 0.02


def test_half_a_body_is_shown_with_room_around_it():
    before = view(COCO17)
    upper = half_body(before, COCO17, 0.1)
    shown = before.keypoints[:11, :2]
    assert np.allclose(upper.center, shown.mean(axis=0))
    assert np.allclose(upper.scale, 1.5 * np.ptp(shown, axis=0))
    lower = half_body(before, COCO17, 0.9)
    assert np.allclose(lower.center, before.keypoints[11:, :2].mean(axis=0))


def test_a_body_with_few_keypoints_stays_whole():
    before = view(COCO17)
    before.keypoints[8:, 2] = 0
    assert half_body(before, COCO17, 0.1) is before
    before = view(COCO17)
    before.keypoints[11:, 2] = 0
    assert np.allclose(
        half_body(before, COCO17, 0.99).center, before.keypoints[:11, :2].mean(axis=0)
    )
