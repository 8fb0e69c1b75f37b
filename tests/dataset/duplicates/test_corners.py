"""Tests of `corners.py`: which corners are selected, and what describes them."""

import cv2
import numpy as np
import pytest

from smallpose.dataset.duplicates import corners


@pytest.mark.parametrize("seed", range(5))
def test_the_strongest_corners_of_each_cell_are_selected(seed):
    rng = np.random.default_rng(seed)
    positions = rng.integers(0, 301, (256, 2)) / 301
    strength = rng.integers(1, 40, 256) / 7  # many are equal
    num_left = dict.fromkeys(range(16), corners.MAX_CORNERS // 8)
    expected = []
    for index in sorted(range(256), key=lambda i: (-strength[i], *positions[i].tolist())):
        x, y = positions[index].tolist()
        cell = 4 * int(4 * y) + int(4 * x)
        if num_left[cell] and len(expected) < corners.MAX_CORNERS:
            num_left[cell] -= 1
            expected.append(index)
    assert corners.select_spread_corners(positions, strength).tolist() == expected


def test_an_image_without_corners_has_no_descriptors():
    descriptors, positions = corners.describe_corners(np.full((220, 300), 7, np.uint8))
    assert descriptors.shape == (0, 8)
    assert positions.shape == (0, 2)


def test_no_comparison_is_made_twice_and_each_has_its_mirror_image_beside_it():
    pairs = corners.draw_pixel_pairs()
    assert pairs.shape == (256, 4)
    assert np.array_equal(pairs[::2] * [-1, 1, -1, 1], pairs[1::2])
    either_order = {frozenset([(a, b), (c, d)]) for a, b, c, d in pairs.tolist()}
    assert len(either_order) == 256
    assert all(len(pair) == 2 for pair in either_order)


@pytest.fixture
def grey(request) -> np.ndarray:
    noise = np.random.default_rng(request.param).integers(0, 256, (220, 300), dtype=np.uint8)
    return cv2.equalizeHist(cv2.GaussianBlur(noise, (0, 0), 2.5))


def build_scales(grey):
    """Return the smoothed image at each scale."""
    scales = [grey]
    for divisor in (1.2, 1.44):
        size = (round(grey.shape[1] / divisor), round(grey.shape[0] / divisor))
        scales.append(cv2.resize(scales[-1], size))
    return [cv2.blur(scale, (5, 5)) for scale in scales]


def compare_one_by_one(scale, x, y):
    values = [scale[y + b, x + a] < scale[y + d, x + c] for a, b, c, d in PAIRS]
    return np.packbits(values, bitorder="little").view(np.uint32).tolist()


PAIRS = corners.draw_pixel_pairs().tolist()


@pytest.mark.parametrize("grey", range(3), indirect=True)
def test_corners_are_described_by_comparisons_in_both_images(grey):
    descriptors, positions = corners.describe_corners(grey)
    both = np.stack([descriptors, corners.mirror_descriptors(descriptors)])
    scales = build_scales(grey)
    assert len(positions) == corners.MAX_CORNERS
    for row, position in enumerate(positions):
        described = []  # at the scales in which a pixel is there
        for scale in scales:
            height, width = scale.shape
            x, y = (position * (width, height) - 0.5).round().astype(int).tolist()
            if not (14 <= x < width - 14 and 14 <= y < height - 14):
                continue
            mirrored = np.ascontiguousarray(scale[:, ::-1])
            described.append(
                [compare_one_by_one(scale, x, y), compare_one_by_one(mirrored, width - 1 - x, y)]
            )
        assert both[:, row].tolist() in described


@pytest.mark.parametrize("grey", range(3), indirect=True)
def test_the_mirror_image_has_the_mirrored_descriptors(grey):
    descriptors, positions = corners.describe_corners(grey)
    mirrored = corners.mirror_descriptors(descriptors)
    of_mirror_image, positions_there = corners.describe_corners(cv2.flip(grey, 1))
    codes = map(tuple, of_mirror_image.tolist())
    there = dict(zip(codes, positions_there, strict=True))
    both = [row for row, code in enumerate(mirrored.tolist()) if tuple(code) in there]
    assert len(both) > 55  # of 64; equal neighbours of a corner are decided from left to right
    for row in both:
        x, y = there[tuple(mirrored[row].tolist())]
        assert abs(positions[row, 0] - (1 - x)) < 1e-5
        assert positions[row, 1] == y
