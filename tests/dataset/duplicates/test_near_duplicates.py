"""Tests of `image_hash.py`, `image_alignment.py` and `near_duplicates.py`."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.dataset.duplicates import corner_matches
from smallpose.dataset.duplicates.image_hash import compute_fingerprints, read_grey
from smallpose.dataset.duplicates.near_duplicates import (
    MAX_HASH_DISTANCE,
    find_near_duplicates,
    find_near_hashes,
)

Grey = NDArray[np.uint8]
NUM_SCENES = 50


def recompress(image: Grey, quality: int = 30) -> Grey:
    ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert ok
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)


def resize(image: Grey, factor: float) -> Grey:
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=interpolation)


# Each alters an image, given a generator and the fixture `crop`.
ALTERATIONS: dict[str, Callable[..., Grey]] = {
    "recompressed": lambda p, rng, crop: recompress(p),
    "mirrored": lambda p, rng, crop: p[:, ::-1].copy(),
    "cropped": lambda p, rng, crop: crop(p, rng),
    "half as large": lambda p, rng, crop: resize(p, 0.5),
    "larger": lambda p, rng, crop: resize(p, 1.7),
    "all together": lambda p, rng, crop: recompress(resize(crop(p, rng)[:, ::-1], 0.7)),
}


def measure_recall_and_precision(images: list[Grey], name: str, crop) -> tuple[float, float]:
    rng = np.random.default_rng(5)
    copies = [ALTERATIONS[name](image, rng, crop) for image in images]
    n = len(images)
    pairs = {(p.first, p.second) for p in find_near_duplicates([*images, *copies])}
    true_pairs = {(i, i + n) for i in range(n)} & pairs
    return len(true_pairs) / n, len(true_pairs) / max(len(pairs), 1)


@pytest.fixture(scope="module")
def scenes(draw_scene) -> list[Grey]:
    return [draw_scene(seed) for seed in range(NUM_SCENES)]


@pytest.mark.parametrize("name", ALTERATIONS)
def test_altered_copies_are_found_and_nothing_else(scenes, name, crop):
    recall, precision = measure_recall_and_precision(scenes, name, crop)
    assert recall > 0.95
    assert precision > 0.99


@pytest.mark.parametrize("name", ["cropped", "all together"])
def test_altered_copies_of_real_photographs_are_found(real, name, crop):
    files = sorted((real / "coco").rglob("*.jpg")) + sorted((real / "mpii").rglob("0[24]*.jpg"))
    recall, precision = measure_recall_and_precision([read_grey(f) for f in files], name, crop)
    assert recall > 0.95
    assert precision > 0.99


def test_frames_of_one_video_are_found_and_other_photographs_are_not(real):
    frames = sorted((real / "posetrack").rglob("000001_mpiinew_test/*.jpg"))
    others = sorted((real / "coco").rglob("*.jpg"))[:40]
    pairs = find_near_duplicates([*frames, *others])
    assert {p.second - p.first for p in pairs} >= {1}
    assert all(p.second < len(frames) for p in pairs)
    assert {n for p in pairs for n in (p.first, p.second)} == set(range(len(frames)))


def test_two_mpii_images_of_one_video_are_found(real):
    """Both are training images of MPII, of one man at one truck."""
    names = ("004645041", "051423444", "005808361", "060754485")
    pairs = find_near_duplicates([real / "mpii" / "images" / f"{n}.jpg" for n in names])
    assert [(p.first, p.second) for p in pairs] == [(0, 3)]


def test_the_kind_of_a_pair_names_the_alteration(scenes, crop):
    rng = np.random.default_rng(0)
    p = scenes[0]
    copies = [p, recompress(p), p[:, ::-1].copy(), crop(p, rng), crop(p[:, ::-1], rng)]
    kinds = {q.second: q.kind for q in find_near_duplicates(copies) if q.first == 0}
    assert kinds == {1: "same", 2: "mirrored", 3: "crop", 4: "mirrored crop"}


def test_images_without_detail_are_in_no_pair():
    ramp = np.linspace(0, 255, 300)[None].repeat(200, axis=0).astype(np.uint8)
    assert find_near_duplicates([ramp, ramp, np.full((90, 90), 7, np.uint8)]) == []


def test_images_with_one_label_are_not_compared(scenes):
    copies = [scenes[0], recompress(scenes[0]), scenes[0]]
    pairs = find_near_duplicates(copies, labels=["video", "video", ""])
    assert [(p.first, p.second) for p in pairs] == [(0, 2), (1, 2)]


def test_files_threads_and_arrays_give_the_same_fingerprints(scenes, tmp_path):
    paths = []
    for n, image in enumerate(scenes[:6]):
        paths.append(tmp_path / f"{n}.png")
        cv2.imwrite(str(paths[-1]), image)
    from_arrays, from_files = (
        compute_fingerprints(scenes[:6]),
        compute_fingerprints(paths, workers=2),
    )
    for field in ("hashes", "thumbnails", "descriptors", "corner_positions", "image_index"):
        assert np.array_equal(getattr(from_arrays, field), getattr(from_files, field)), field


def test_no_images_have_no_duplicates():
    assert find_near_duplicates([]) == []


@pytest.mark.parametrize("seed", range(5))
def test_near_hashes_equal_those_of_brute_force(seed):
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, 400, dtype=np.uint64)
    for n in range(100):  # neighbours at every distance up to twice the limit
        bits = rng.choice(64, rng.integers(0, 2 * MAX_HASH_DISTANCE), replace=False)
        hashes[200 + n] = hashes[n] ^ np.bitwise_or.reduce(np.uint64(1) << bits.astype(np.uint64))
    distance = np.bitwise_count(hashes[:, None] ^ hashes[None])
    expected = np.argwhere(np.triu(distance <= MAX_HASH_DISTANCE, 1))
    assert len(expected) > 20
    assert np.array_equal(find_near_hashes(hashes), expected)
    np.fill_diagonal(distance, 64)
    assert np.array_equal(
        find_near_hashes(hashes, hashes), np.argwhere(distance <= MAX_HASH_DISTANCE)
    )


def test_a_file_that_is_no_image_is_named(tmp_path: Path):
    (tmp_path / "a.jpg").write_text("hello")
    with pytest.raises(InputError, match=r"a\.jpg"):
        compute_fingerprints([tmp_path / "a.jpg"])


def test_the_number_of_images_per_part_does_not_change_the_pairs(monkeypatch):
    rng = np.random.default_rng(3)
    images = []
    for _ in range(12):
        image = cv2.resize(rng.integers(0, 256, (24, 32), np.uint8), (320, 240))
        images += [image, image[20:220, 30:290], image[:, ::-1]]
    expected = find_near_duplicates([np.ascontiguousarray(p) for p in images])
    monkeypatch.setattr(corner_matches, "IMAGES_PER_PART", 5)
    assert find_near_duplicates([np.ascontiguousarray(p) for p in images]) == expected
    assert len(expected) >= 24
