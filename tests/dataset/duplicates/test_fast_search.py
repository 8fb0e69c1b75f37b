"""What is fast in the search for near-duplicates gives what the plain way gives."""

import cv2
import numpy as np
import pytest

from smallpose.dataset.duplicates import image_alignment, image_hash, near_duplicates
from smallpose.dataset.duplicates.image_alignment import find_alignable, fit_transform


def _draw_corner_pairs(rng, num_pairs, num_corners, is_mirrored):
    """Draw positions of shared corners: chance, an exact transform, or one with wrong corners."""
    first = rng.random((num_pairs, num_corners, 2))
    scale = rng.uniform(0.3, 2.7, (num_pairs, 1, 2))
    if is_mirrored:
        scale[..., 0] *= -1
    second = first * scale + rng.uniform(-0.3, 0.3, (num_pairs, 1, 2))
    second += rng.normal(0, 0.01, second.shape)
    share = rng.choice([0, 0.3, 0.7, 1], (num_pairs, 1, 1))
    is_wrong = rng.random((num_pairs, num_corners, 1)) < share
    second = np.where(is_wrong, rng.random(second.shape), second)
    first[::7, 1:] = first[::7, :1]  # all corners at one place
    return first.astype(np.float32), second.astype(np.float32)


@pytest.mark.parametrize("is_mirrored", [False, True])
@pytest.mark.parametrize("num_corners", [4, 5, 6, 9, 17, 140])
def test_many_pairs_are_tested_as_one_by_one(num_corners, is_mirrored):
    rng = np.random.default_rng(num_corners)
    pairs = _draw_corner_pairs(rng, 20 if num_corners > 100 else 150, num_corners, is_mirrored)
    expected = [fit_transform(a, b, is_mirrored) is not None for a, b in zip(*pairs, strict=True)]
    assert 0 < sum(expected) < len(expected)
    assert find_alignable(*pairs, is_mirrored).tolist() == expected


def test_the_estimate_is_within_a_twentieth_of_its_margin():
    rng = np.random.default_rng(0)
    size = (image_hash.THUMBNAIL_SIDE, image_hash.THUMBNAIL_SIDE)
    num_high = 0
    for _ in range(150):
        first = cv2.GaussianBlur(rng.normal(120, 90, size), (0, 0), rng.uniform(0.5, 4))
        other = cv2.GaussianBlur(rng.normal(120, 90, size), (0, 0), 1.0)
        share = rng.random()
        first, second = (
            (a + np.linspace(0, rng.uniform(-90, 90), size[0])).clip(0, 255).astype(np.float32)
            for a in (first, share * first + (1 - share) * other)
        )
        overlap = np.zeros(size, np.float32)
        overlap[rng.integers(0, 14) : rng.integers(34, 48), rng.integers(0, 14) :] = 1
        details = [image_alignment._extract_detail(a, overlap) for a in (first, second)]
        norms = [np.linalg.norm(detail) for detail in details]
        if min(norms) < image_alignment.MIN_DETAIL * float(overlap.sum()) ** 0.5:
            continue
        exact = (details[0] * details[1]).sum() / (norms[0] * norms[1])
        estimate = image_alignment._estimate_similarity(first, second, overlap)
        assert abs(estimate - exact) < image_alignment._ESTIMATE_MARGIN / 20
        num_high += exact > image_alignment.MIN_SIMILARITY
    assert num_high > 10


def test_an_overlap_on_one_line_is_left_to_the_exact_comparison():
    overlap = np.zeros((image_hash.THUMBNAIL_SIDE, image_hash.THUMBNAIL_SIDE), np.float32)
    thumbnail = np.ones_like(overlap)
    assert image_alignment._estimate_similarity(thumbnail, thumbnail, overlap) == 1


@pytest.mark.parametrize("seed", range(5))
def test_pairs_are_sorted_and_unique(seed):
    rng = np.random.default_rng(seed)
    pairs = rng.integers(0, rng.choice([3, 50, 2**31 - 1]), (rng.integers(0, 300), 2))
    pairs = pairs.astype(np.int32)
    expected = np.unique(pairs, axis=0)
    actual = near_duplicates._sort_unique_pairs(pairs)
    assert actual.dtype == np.int32
    assert actual.tolist() == expected.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_the_strongest_corners_of_each_cell_are_selected(seed):
    rng = np.random.default_rng(seed)
    width, height = 301, 217
    corners = [
        cv2.KeyPoint(float(x), float(y), 31, 0, float(response))
        for x, y, response in zip(
            rng.integers(0, width, 256),
            rng.integers(0, height, 256),
            rng.integers(1, 40, 256) / 7,  # many are equal
            strict=True,
        )
    ]
    num_left = dict.fromkeys(range(16), image_hash.MAX_CORNERS // 8)
    expected = []
    for corner in sorted(corners, key=lambda k: (-k.response, k.pt)):
        cell = 4 * int(4 * corner.pt[1] / height) + int(4 * corner.pt[0] / width)
        if num_left[cell] and len(expected) < image_hash.MAX_CORNERS:
            num_left[cell] -= 1
            expected.append((corner.pt, corner.response))
    actual = image_hash._select_spread_corners(corners, width, height)
    assert [(k.pt, k.response) for k in actual] == expected


def test_no_corners_are_selected_from_none():
    assert image_hash._select_spread_corners((), 48, 48) == []


def test_hashes_compare_with_the_median():
    rng = np.random.default_rng(0)
    for _ in range(50):
        thumbnail = rng.integers(0, 256, (48, 48), dtype=np.uint8)
        cosines = cv2.dct(thumbnail.astype(np.float32))
        waves = cosines[:8, :8].copy()
        waves[0, 0] = cosines[8, 0]
        mirrored = waves * np.where(np.arange(8) % 2, -1, 1)
        expected = [
            int(np.packbits((values > np.median(values)).ravel()).view(np.uint64)[0])
            for values in (waves, mirrored)
        ]
        assert image_hash._hash_frequencies(thumbnail).tolist() == expected


def test_images_of_several_blocks_have_the_same_fingerprints(monkeypatch):
    images = [
        np.random.default_rng(seed).integers(0, 256, (60, 80), dtype=np.uint8) for seed in range(7)
    ]
    images[3] = np.zeros((60, 80), np.uint8)  # has no corner
    whole = image_hash.compute_fingerprints(images)
    monkeypatch.setattr(image_hash, "_IMAGES_PER_BLOCK", 3)
    parts = image_hash.compute_fingerprints(images, workers=2)
    for name in ("hashes", "thumbnails", "descriptors", "corner_positions", "image_index"):
        assert np.array_equal(getattr(parts, name), getattr(whole, name)), name
    assert 3 not in whole.image_index
    for index, image in enumerate(images):
        alone = image_hash.compute_fingerprints([image])
        rows = whole.image_index == index
        assert np.array_equal(alone.descriptors, whole.descriptors[:, rows])
        assert np.array_equal(alone.hashes[:, 0], whole.hashes[:, index])
