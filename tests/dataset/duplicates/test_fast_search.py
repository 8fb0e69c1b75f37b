"""What is fast in the search for near-duplicates gives what the plain way gives."""

from collections import Counter

import cv2
import numpy as np
import pytest

from smallpose.dataset.duplicates import corner_matches, image_alignment, image_hash
from smallpose.dataset.duplicates.bits import count_row_bits, sort_stably
from smallpose.dataset.duplicates.corners import mirror_descriptors
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
    actual = corner_matches._sort_unique_pairs(pairs)
    assert actual.dtype == np.int32
    assert actual.tolist() == expected.tolist()


def test_hashes_compare_with_the_median():
    rng = np.random.default_rng(0)
    thumbnails = rng.integers(0, 256, (50, 48, 48), dtype=np.uint8)
    hashes = image_hash.hash_frequencies(thumbnails)
    for index, thumbnail in enumerate(thumbnails):
        cosines = cv2.dct(thumbnail.astype(np.float64))
        waves = cosines[:8, :8].copy()
        waves[0, 0] = cosines[8, 0]
        mirrored = waves * np.where(np.arange(8) % 2, -1, 1)
        expected = [
            int(np.packbits((values > np.median(values)).ravel()).view(np.uint64)[0])
            for values in (waves, mirrored)
        ]
        assert hashes[:, index].tolist() == expected


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
        assert np.array_equal(alone.descriptors, whole.descriptors[rows])
        assert np.array_equal(alone.hashes[:, 0], whole.hashes[:, index])


def _draw_fingerprints(rng, f: int) -> image_hash.Fingerprints:
    """Draw descriptors of ten images that agree in many bands, directly or mirrored."""
    base = rng.integers(0, 2**32, (12, 8), dtype=np.uint32)
    base[:3, ::2] = 0x33333333  # equal to its mirror image
    flips = np.uint32(1) << rng.integers(0, 32, (f, 8), dtype=np.uint32)
    codes = base[rng.integers(0, 12, f)] ^ (flips * (rng.random((f, 8)) < 0.3))
    is_mirrored = rng.random(f) < 0.5
    codes[is_mirrored] = mirror_descriptors(codes[is_mirrored])
    codes = np.where(rng.random((f, 8)) < 0.05, rng.integers(0, 2**32, codes.shape), codes)
    return image_hash.Fingerprints(
        hashes=np.zeros((2, 40), np.uint64),
        thumbnails=np.zeros((40, 48, 48), np.uint8),
        descriptors=codes.astype(np.uint32),
        corner_positions=rng.random((f, 2), dtype=np.float32),
        image_index=np.repeat(np.arange(40, dtype=np.int32), f // 40),
    )


def _list_matches(prints, band, labels):
    return sorted(
        (*pair, is_mirrored)
        for pairs, flags in corner_matches._match_corners(prints, band, labels)
        for pair, is_mirrored in zip(pairs.tolist(), flags.tolist(), strict=True)
    )


@pytest.mark.parametrize("band", [0, 5])
def test_corners_match_as_all_compared_one_by_one(band, monkeypatch):
    rng = np.random.default_rng(band)
    prints = _draw_fingerprints(rng, 200)
    labels = rng.integers(0, 20, 40).astype(np.int32)[prints.image_index]
    codes = prints.descriptors
    expected = set()
    for is_mirrored, others in ((False, codes), (True, mirror_descriptors(codes))):
        for a in range(len(codes)):
            for b in range(a + 1, len(codes)):
                distance = sum(int(x).bit_count() for x in codes[a] ^ others[b])
                if (
                    codes[a, band] == others[b, band]
                    and distance <= corner_matches.MAX_DESCRIPTOR_DISTANCE
                    and labels[a] != labels[b]
                ):
                    expected.add((a, b, is_mirrored))
    assert len(expected) > 50
    assert {flag for *_, flag in expected} == {False, True}
    monkeypatch.setattr(corner_matches, "MAX_NEIGHBOURS", 400)
    for size in (1 << 15, 7):
        monkeypatch.setattr(corner_matches, "_CORNERS_PER_BLOCK", size)
        monkeypatch.setattr(corner_matches, "_MAX_PAIRS_PER_BLOCK", 4 * size)
        assert set(_list_matches(prints, band, labels)) == expected


def test_of_many_equal_corners_each_is_compared_with_a_few():
    prints = _draw_fingerprints(np.random.default_rng(0), 40)
    prints.descriptors[:] = np.arange(8, dtype=np.uint32)
    matches = _list_matches(prints, 2, np.arange(40, dtype=np.int32))
    n = corner_matches.MAX_NEIGHBOURS
    assert len(set(matches)) == len(matches) == 40 * n - n * (n + 1) // 2
    assert not any(is_mirrored for *_, is_mirrored in matches)


@pytest.mark.parametrize("num_images", [5, 40, 3000])
def test_only_image_pairs_with_too_few_corners_in_common_are_dropped(num_images):
    rng = np.random.default_rng(num_images)
    prints = image_hash.Fingerprints(
        hashes=np.zeros((2, num_images), np.uint64),
        thumbnails=np.zeros((num_images, 48, 48), np.uint8),
        descriptors=np.zeros((10 * num_images, 8), np.uint32),
        corner_positions=np.zeros((10 * num_images, 2), np.float32),
        image_index=np.repeat(np.arange(num_images, dtype=np.int32), 10),
    )
    pairs = np.sort(rng.integers(0, 10 * num_images, (20_000, 2)).astype(np.int32), axis=1)
    pairs[:90] = rng.integers([0, 10], [10, 20], (90, 2))  # of the first two images
    images = [tuple(pair) for pair in prints.image_index[pairs].tolist()]
    counts = Counter(images)
    is_needed = [counts[pair] >= corner_matches.MIN_SHARED_CORNERS for pair in images]
    kept = corner_matches._drop_rare_image_pairs(prints, pairs)
    rows = iter(kept.tolist())
    assert all(row in rows for row in pairs[is_needed].tolist())  # in the same order
    if num_images == 3000:
        assert len(kept) < 0.2 * len(pairs)


def test_of_no_pairs_none_is_dropped():
    prints = image_hash.compute_fingerprints([])
    none = np.zeros((0, 2), np.int32)
    assert corner_matches._drop_rare_image_pairs(prints, none).shape == (0, 2)


@pytest.mark.parametrize("high", [1, 3, 1 << 31, (1 << 63) - 1])
@pytest.mark.parametrize("n", [0, 1, 2, 1000])
def test_sorting_is_stable_for_keys_of_any_size(high, n):
    keys = np.random.default_rng(n).integers(0, high, n)
    if n:
        keys[-1] = high - 1  # needs all bits
    keys = np.concatenate([keys, keys[::2]])
    assert sort_stably(keys).tolist() == np.argsort(keys, kind="stable").tolist()


def test_bits_of_rows_are_counted():
    rows = np.random.default_rng(0).integers(0, 2**64, (50, 4), dtype=np.uint64)
    rows[0] = 2**64 - 1
    expected = [sum(int(x).bit_count() for x in row) for row in rows]
    assert count_row_bits(rows).tolist() == expected


@pytest.mark.parametrize("m", [0, 1, 2, 3, 1000, 50_000, 50_001, 100_000])
def test_passes_have_all_images_once_and_about_as_many_pairs(m):
    passes = list(corner_matches._split_into_passes(m))
    assert [row for images in passes for row in images] == list(range(m))
    assert len(passes) == max(-(-m // corner_matches.IMAGES_PER_PASS), 1)
    if len(passes) > 1:
        pairs = [sum(m - 1 - i for i in images) for images in passes]
        assert max(pairs) < 1.01 * min(pairs)


def test_several_passes_and_parts_find_the_same_corners(monkeypatch):
    rng = np.random.default_rng(0)
    scenes = [cv2.resize(rng.integers(0, 256, (30, 40), np.uint8), (320, 240)) for _ in range(5)]
    crops = [scene[y : y + 180, x:300] for scene in scenes for x, y in ((0, 0), (20, 9), (9, 40))]
    images = [cv2.flip(c, 1) if n % 2 else c for n, c in enumerate(crops)]
    prints = image_hash.compute_fingerprints(images)
    labels = np.arange(len(images))

    def find():
        shared = corner_matches.find_shared_corners(prints, labels)
        return sorted((flag, i, j, a.tolist(), b.tolist()) for flag, (i, j, a, b) in shared)

    expected = find()
    assert {flag for flag, *_ in expected} == {False, True}
    assert len(expected) >= 15
    for images_per_pass, images_per_part in ((15, 4), (6, 2000), (4, 2), (1, 1)):
        monkeypatch.setattr(corner_matches, "IMAGES_PER_PASS", images_per_pass)
        monkeypatch.setattr(corner_matches, "IMAGES_PER_PART", images_per_part)
        assert find() == expected
