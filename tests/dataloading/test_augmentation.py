"""Augmentation is a function of (seed, epoch, person), and does what MMPose's recipes do."""

import numpy as np
import pytest

from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.dataloading.augmentation import (
    NO_AUGMENTATION,
    Augmentation,
    PersonView,
    augment_view,
    make_counter_rng,
    mirror_view,
    select_half_body,
)


def make_view(skeleton=SMALLPOSE, seed: int = 0) -> PersonView:
    rng = np.random.default_rng(seed)
    keypoints = rng.uniform(10, 90, (len(skeleton), 3))
    keypoints[:, 2] = 2
    return PersonView(keypoints, np.array([50.0, 60.0]), np.array([75.0, 100.0]), 12.0)


@pytest.mark.parametrize("skeleton", [SMALLPOSE, COCO17])
def test_mirroring_twice_is_the_identity(skeleton):
    before = make_view(skeleton)
    after = mirror_view(mirror_view(before, skeleton, 101), skeleton, 101)
    assert np.allclose(after.keypoints, before.keypoints, rtol=0, atol=1e-12)
    assert (after.center == before.center).all()
    assert after.rotate_deg == before.rotate_deg
    assert not after.is_flipped


def test_mirroring_exchanges_left_and_right_joints():
    before = make_view(COCO17)
    after = mirror_view(before, COCO17, 101)
    left, right = COCO17.joint_indices(["left_wrist", "right_wrist"])
    assert after.keypoints[left, 0] == 100 - before.keypoints[right, 0]
    assert after.keypoints[left, 1] == before.keypoints[right, 1]


def test_no_augmentation_changes_nothing():
    before = make_view()
    after = augment_view(make_view(), NO_AUGMENTATION, SMALLPOSE, 101, make_counter_rng(0, 0, 7))
    assert (after.center == before.center).all()
    assert (after.scale == before.scale).all()
    assert (after.keypoints == before.keypoints).all()


def test_the_same_counter_gives_the_same_augmentation_and_others_differ():
    def draw(seed, epoch, person):
        v = augment_view(
            make_view(), Augmentation(), SMALLPOSE, 101, make_counter_rng(seed, epoch, person)
        )
        return [*v.center, *v.scale, v.rotate_deg, v.is_flipped]

    assert draw(3, 4, 5) == draw(3, 4, 5)
    assert len({tuple(draw(*c)) for c in [(3, 4, 5), (4, 4, 5), (3, 5, 5), (3, 4, 6)]}) == 4


def test_augmentation_stays_within_its_bounds_and_reaches_them():
    views = [
        augment_view(
            make_view(),
            Augmentation(half_body=0, flip=0),
            SMALLPOSE,
            101,
            make_counter_rng(0, 0, i),
        )
        for i in range(3000)
    ]
    scales = np.array([v.scale[0] / 75 for v in views])
    rotations = np.array([v.rotate_deg for v in views if v.rotate_deg != 12.0])
    shifts = np.array([(v.center - [50, 60]) / [75, 100] for v in views])
    assert 0.5 <= scales.min() < 0.53 and 1.47 < scales.max() <= 1.5
    assert -80 <= rotations.min() < -76 and 76 < rotations.max() <= 80
    assert 0.57 < len(rotations) / 3000 < 0.63
    assert 0.15 < np.abs(shifts).max() <= 0.16
    assert 0.27 < (shifts != 0).any(axis=1).mean() < 0.33
    # A standard normal truncated to [-1, 1] has the standard deviation 0.54.
    assert abs(((scales - 1) / 0.5).std() - 0.54) < 0.02


def test_a_half_body_is_shown_with_a_margin():
    before = make_view(COCO17)
    upper = select_half_body(before, COCO17, 0.1)
    upper_body = before.keypoints[:11, :2]
    assert np.allclose(upper.center, upper_body.mean(axis=0))
    assert np.allclose(upper.scale, 1.5 * np.ptp(upper_body, axis=0))
    lower = select_half_body(before, COCO17, 0.9)
    assert np.allclose(lower.center, before.keypoints[11:, :2].mean(axis=0))


def test_a_view_with_few_keypoints_stays_unchanged():
    before = make_view(COCO17)
    before.keypoints[8:, 2] = 0
    assert select_half_body(before, COCO17, 0.1) is before
    before = make_view(COCO17)
    before.keypoints[11:, 2] = 0
    after = select_half_body(before, COCO17, 0.99)
    assert np.allclose(after.center, before.keypoints[:11, :2].mean(axis=0))
