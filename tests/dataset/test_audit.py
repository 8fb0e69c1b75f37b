"""Near-duplicates are found among strangers, leaks are named, and offenders move to one side."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from smallpose.dataset.audit import (
    Leaks,
    leaks_between,
    leaks_json,
    leaks_markdown,
    move_offenders,
)
from smallpose.dataset.hashing import fingerprints, read_grey
from smallpose.dataset.near import NEAR_BITS, Pair, find_near_duplicates, near_hashes

Grey = NDArray[np.uint8]
PICTURES = 50


def scene(seed: int) -> Grey:
    """A picture unlike any other: a shaded ground, boards, balls and bars, some grain."""
    rng = np.random.default_rng(seed)
    height, width = (int(v) for v in rng.integers(200, 480, 2))
    slope = np.linspace(0, rng.uniform(-80, 80), width)[None] + np.linspace(0, 60, height)[:, None]
    canvas = np.clip(slope + rng.uniform(60, 160), 0, 255).astype(np.uint8)
    for _ in range(45):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        shade = int(rng.integers(0, 256))
        size = [int(v) for v in rng.integers(6, 60, 2)]
        if rng.random() < 0.4:
            cv2.ellipse(canvas, (x, y), size, float(rng.uniform(0, 180)), 0, 360, shade, -1)
        else:
            angle = float(rng.uniform(0, 180))
            corners = cv2.boxPoints(((x, y), size, angle)).astype(np.int32)
            cv2.fillPoly(canvas, [corners], shade)
    grain = rng.normal(0, 4, canvas.shape)
    return np.clip(canvas + grain, 0, 255).astype(np.uint8)


def cropped(picture: Grey, rng: np.random.Generator, area: float = 0.7) -> Grey:
    """A window of that share of the area, of any shape, anywhere."""
    height, width = picture.shape
    share = np.exp(rng.uniform(np.log(area), 0))
    w, h = round(width * share), round(height * area / share)
    x, y = rng.integers(0, width - w + 1), rng.integers(0, height - h + 1)
    return picture[y : y + h, x : x + w]


def recompressed(picture: Grey, quality: int = 30) -> Grey:
    ok, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert ok
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)


def resized(picture: Grey, factor: float) -> Grey:
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return cv2.resize(picture, None, fx=factor, fy=factor, interpolation=how)


ALTERED: dict[str, Callable[[Grey, np.random.Generator], Grey]] = {
    "recompressed": lambda p, rng: recompressed(p),
    "mirrored": lambda p, rng: p[:, ::-1].copy(),
    "cropped": cropped,
    "half as large": lambda p, rng: resized(p, 0.5),
    "larger": lambda p, rng: resized(p, 1.7),
    "all at once": lambda p, rng: recompressed(resized(cropped(p, rng)[:, ::-1], 0.7)),
}


def recall_and_precision(pictures: list[Grey], how: str) -> tuple[float, float]:
    rng = np.random.default_rng(5)
    copies = [ALTERED[how](p, rng) for p in pictures]
    n = len(pictures)
    pairs = {(p.first, p.second) for p in find_near_duplicates([*pictures, *copies])}
    found = {(i, i + n) for i in range(n)} & pairs
    return len(found) / n, len(found) / max(len(pairs), 1)


@pytest.fixture(scope="module")
def scenes() -> list[Grey]:
    return [scene(seed) for seed in range(PICTURES)]


@pytest.mark.parametrize("how", ALTERED)
def test_altered_copies_are_found_and_nothing_else(scenes, how):
    recall, precision = recall_and_precision(scenes, how)
    assert recall > 0.95
    assert precision > 0.99


@pytest.mark.parametrize("how", ["cropped", "all at once"])
def test_altered_copies_of_real_photographs_are_found(real, how):
    files = sorted((real / "coco").rglob("*.jpg")) + sorted((real / "mpii").rglob("0[24]*.jpg"))
    recall, precision = recall_and_precision([read_grey(f) for f in files], how)
    assert recall > 0.95
    assert precision > 0.99


def test_frames_of_one_video_are_found_and_other_photographs_are_not(real):
    frames = sorted((real / "posetrack").rglob("000001_mpiinew_test/*.jpg"))
    others = sorted((real / "coco").rglob("*.jpg"))[:40]
    pairs = find_near_duplicates([*frames, *others])
    assert {p.second - p.first for p in pairs} >= {1}
    assert all(p.second < len(frames) for p in pairs)
    assert {n for p in pairs for n in (p.first, p.second)} == set(range(len(frames)))


def test_two_frames_of_a_video_that_mpii_holds_as_strangers_are_found(real):
    """Both are training pictures of MPII; the same man at the same truck."""
    names = ("004645041", "051423444", "005808361", "060754485")
    pairs = find_near_duplicates([real / "mpii" / "images" / f"{n}.jpg" for n in names])
    assert [(p.first, p.second) for p in pairs] == [(0, 3)]


def test_a_pair_says_how_the_two_are_alike(scenes):
    rng = np.random.default_rng(0)
    p = scenes[0]
    copies = [p, recompressed(p), p[:, ::-1].copy(), cropped(p, rng), cropped(p[:, ::-1], rng)]
    kinds = {q.second: q.kind for q in find_near_duplicates(copies) if q.first == 0}
    assert kinds == {1: "same", 2: "mirrored", 3: "crop", 4: "mirrored crop"}


def test_plain_pictures_resemble_nobody():
    ramp = np.linspace(0, 255, 300)[None].repeat(200, axis=0).astype(np.uint8)
    assert find_near_duplicates([ramp, ramp, np.full((90, 90), 7, np.uint8)]) == []


def test_pictures_with_one_label_are_not_compared(scenes):
    crowd = [scenes[0], recompressed(scenes[0]), scenes[0]]
    pairs = find_near_duplicates(crowd, apart=["video", "video", ""])
    assert [(p.first, p.second) for p in pairs] == [(0, 2), (1, 2)]


def test_files_threads_and_arrays_give_the_same_prints(scenes, tmp_path):
    paths = []
    for n, picture in enumerate(scenes[:6]):
        paths.append(tmp_path / f"{n}.png")
        cv2.imwrite(str(paths[-1]), picture)
    one, two = fingerprints(scenes[:6]), fingerprints(paths, jobs=2)
    for field in ("hashes", "thumbs", "codes", "points", "owners"):
        assert np.array_equal(getattr(one, field), getattr(two, field)), field


def test_no_pictures_have_no_duplicates():
    assert find_near_duplicates([]) == []


@pytest.mark.parametrize("seed", range(5))
def test_the_index_finds_exactly_the_hashes_that_brute_force_finds(seed):
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, 400, dtype=np.uint64)
    for n in range(100):  # neighbours at every distance up to twice the radius
        bits = rng.choice(64, rng.integers(0, 2 * NEAR_BITS), replace=False)
        hashes[200 + n] = hashes[n] ^ np.bitwise_or.reduce(np.uint64(1) << bits.astype(np.uint64))
    distance = np.bitwise_count(hashes[:, None] ^ hashes[None])
    expected = np.argwhere(np.triu(distance <= NEAR_BITS, 1))
    assert len(expected) > 20
    assert np.array_equal(near_hashes(hashes), expected)
    np.fill_diagonal(distance, 64)
    assert np.array_equal(near_hashes(hashes, hashes), np.argwhere(distance <= NEAR_BITS))


def pair(first: int, second: int) -> Pair:
    return Pair(first, second, False, 0.9, 1.0, False)


def test_a_leak_is_a_pair_on_two_sides():
    sides = ("train", "train", "test")
    assert leaks_between(sides, [pair(0, 1), pair(1, 2)]) == [pair(1, 2)]


def test_all_that_hang_together_move_to_the_test_side():
    sides = ("train", "train", "test", "train", "train", "test")
    pairs = [pair(0, 1), pair(1, 2), pair(3, 4)]
    moved = move_offenders(sides, pairs)
    assert moved == ("test", "test", "test", "train", "train", "test")
    assert leaks_between(moved, pairs) == []
    assert move_offenders(sides, pairs, to="train")[:3] == ("train",) * 3


def test_moving_twice_moves_nothing_more():
    rng = np.random.default_rng(1)
    sides = tuple(rng.choice(["train", "test"], 60))
    pairs = [pair(min(a, b), max(a, b)) for a, b in rng.integers(0, 60, (40, 2)) if a != b]
    moved = move_offenders(sides, pairs)
    assert leaks_between(moved, pairs) == []
    assert move_offenders(moved, pairs) == moved


def test_the_report_names_leaks_and_moves():
    leaks = Leaks(
        ("coco/a.jpg", "mpii/b.jpg", "mpii/c.jpg"),
        ("train", "test", "test"),
        ("coco", "mpii", "mpii"),
        (pair(0, 1), pair(1, 2)),
    )
    machine = leaks_json(leaks)
    assert (machine["near_duplicates"], machine["leaks"]) == (2, 1)
    assert machine["move_to_test"] == ["coco/a.jpg"]
    assert [p["leak"] for p in machine["pairs"]] == [True, False]
    text = leaks_markdown(leaks)
    assert "| coco/a.jpg | mpii/b.jpg | same | 0.90 |" in text
    assert "| coco – mpii | 1 |" in text


def test_a_file_that_is_no_picture_is_named(tmp_path: Path):
    from smallpose.core.errors import InputError

    (tmp_path / "a.jpg").write_text("hello")
    with pytest.raises(InputError, match=r"a\.jpg"):
        fingerprints([tmp_path / "a.jpg"])
