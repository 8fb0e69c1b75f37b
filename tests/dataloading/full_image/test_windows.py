"""Windows of full images that are placed on people."""

from dataclasses import replace

import numpy as np
import pytest

from smallpose.dataloading.full_image.mosaic import FullImageAugmentation, LabelledImage
from smallpose.dataloading.full_image.windows import draw_window_warp

INPUT_WH = (64, 64)
SMALL_WINDOWS = FullImageAugmentation(scale_range=(0.2, 0.3), shift=0.35, rotate_deg=10)


def make_labelled(centers):
    """Return an image of 400 × 300 px with people of 20 × 40 px at these centres."""
    centers = np.asarray(centers, dtype=np.float64).reshape(-1, 2)
    sides = np.array([[-10, -20], [-10, 20], [10, -20], [10, 20]])
    n = len(centers)
    return LabelledImage(
        image=np.zeros((300, 400, 3), np.uint8),
        keypoints=np.zeros((n, 17, 3)),
        corners=centers[:, None] + sides,
        area=np.full(n, 400.0),
        unlabelled_corners=np.zeros((0, 4, 2)),
    )


def draw_middles(labelled, augmentation, letterbox_only=False, num=60):
    """Return where the middles of many windows are in the image, px."""
    middles = []
    for seed in range(num):
        rng = np.random.default_rng(seed)
        matrix = draw_window_warp(labelled, augmentation, INPUT_WH, rng, letterbox_only)
        half = (np.array(INPUT_WH) - 1) / 2
        middles.append(np.linalg.solve(matrix[:, :2], half - matrix[:, 2]))
    return np.array(middles)


def test_every_window_on_a_person_shows_one_and_all_of_them_have_their_turn():
    people = [[20, 30], [380, 280], [390, 20]]  # in corners that windows about the middle miss
    augmentation = replace(SMALL_WINDOWS, person_windows=1)
    middles = draw_middles(make_labelled(people), augmentation)
    distances = np.abs(middles[:, None] - people).max(axis=2)
    assert distances.min(axis=1).max() < 0.3 * 0.3 * 300 + 2
    assert set(distances.argmin(axis=1).tolist()) == {0, 1, 2}


def test_the_other_windows_are_those_of_published_recipes():
    labelled = make_labelled([[20, 30]])
    plain = draw_middles(labelled, SMALL_WINDOWS)
    half = draw_middles(labelled, replace(SMALL_WINDOWS, person_windows=0.5))
    is_placed = np.abs(half - [20, 30]).max(axis=1) < 30
    assert 15 < is_placed.sum() < 45
    np.testing.assert_array_equal(half[~is_placed], plain[~is_placed])


@pytest.mark.parametrize(
    ("people", "letterbox_only"), [([], False), ([[20, 30]], True)], ids=["no_people", "letterbox"]
)
def test_a_window_is_placed_on_nobody(people, letterbox_only):
    labelled = make_labelled(people)
    placed = draw_middles(labelled, replace(SMALL_WINDOWS, person_windows=1), letterbox_only)
    plain = draw_middles(labelled, SMALL_WINDOWS, letterbox_only)
    np.testing.assert_array_equal(placed, plain)
