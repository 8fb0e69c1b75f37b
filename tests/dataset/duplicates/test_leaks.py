"""Near-duplicates are found among strangers, leaks are named, and offenders move to one side."""

import argparse
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from smallpose.cli import audit
from smallpose.core.errors import InputError, RefusedError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import SMALLPOSE
from smallpose.dataset.duplicates.image_alignment import DuplicatePair
from smallpose.dataset.duplicates.image_hash import compute_fingerprints, read_grey
from smallpose.dataset.duplicates.leaks import (
    LeakReport,
    encode_leaks,
    find_leaking_pairs,
    format_leaks,
    move_leaking_images,
)
from smallpose.dataset.duplicates.near_duplicates import (
    MAX_HASH_DISTANCE,
    find_near_duplicates,
    find_near_hashes,
)
from smallpose.io.coco_annotations import write_coco

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


def test_two_mpii_images_of_one_video_are_found(real):
    """Both are training pictures of MPII; the same man at the same truck."""
    names = ("004645041", "051423444", "005808361", "060754485")
    pairs = find_near_duplicates([real / "mpii" / "images" / f"{n}.jpg" for n in names])
    assert [(p.first, p.second) for p in pairs] == [(0, 3)]


def test_the_kind_of_a_pair_names_the_alteration(scenes):
    rng = np.random.default_rng(0)
    p = scenes[0]
    copies = [p, recompressed(p), p[:, ::-1].copy(), cropped(p, rng), cropped(p[:, ::-1], rng)]
    kinds = {q.second: q.kind for q in find_near_duplicates(copies) if q.first == 0}
    assert kinds == {1: "same", 2: "mirrored", 3: "crop", 4: "mirrored crop"}


def test_images_without_detail_are_in_no_pair():
    ramp = np.linspace(0, 255, 300)[None].repeat(200, axis=0).astype(np.uint8)
    assert find_near_duplicates([ramp, ramp, np.full((90, 90), 7, np.uint8)]) == []


def test_images_with_one_label_are_not_compared(scenes):
    crowd = [scenes[0], recompressed(scenes[0]), scenes[0]]
    pairs = find_near_duplicates(crowd, labels=["video", "video", ""])
    assert [(p.first, p.second) for p in pairs] == [(0, 2), (1, 2)]


def test_files_threads_and_arrays_give_the_same_fingerprints(scenes, tmp_path):
    paths = []
    for n, picture in enumerate(scenes[:6]):
        paths.append(tmp_path / f"{n}.png")
        cv2.imwrite(str(paths[-1]), picture)
    one, two = compute_fingerprints(scenes[:6]), compute_fingerprints(paths, workers=2)
    for field in ("hashes", "thumbs", "codes", "points", "owners"):
        assert np.array_equal(getattr(one, field), getattr(two, field)), field


def test_no_images_have_no_duplicates():
    assert find_near_duplicates([]) == []


@pytest.mark.parametrize("seed", range(5))
def test_near_hashes_equal_those_of_brute_force(seed):
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, 400, dtype=np.uint64)
    for n in range(100):  # neighbours at every distance up to twice the radius
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


def pair(first: int, second: int) -> DuplicatePair:
    return DuplicatePair(first, second, False, 0.9, 1.0, False)


def test_a_leak_is_a_pair_in_different_splits():
    sides = ("train", "train", "test")
    assert find_leaking_pairs(sides, [pair(0, 1), pair(1, 2)]) == [pair(1, 2)]


def test_connected_images_move_to_test_together():
    sides = ("train", "train", "test", "train", "train", "test")
    pairs = [pair(0, 1), pair(1, 2), pair(3, 4)]
    moved = move_leaking_images(sides, pairs)
    assert moved == ("test", "test", "test", "train", "train", "test")
    assert find_leaking_pairs(moved, pairs) == []
    assert move_leaking_images(sides, pairs, target="train")[:3] == ("train",) * 3


def test_a_video_moves_entirely():
    sides = ("train", "train", "test", "train")
    groups = ("train 7", "train 7", "", "train 8")
    assert move_leaking_images(sides, [pair(1, 2)], groups) == ("test", "test", "test", "train")


def test_moving_twice_changes_nothing():
    rng = np.random.default_rng(1)
    sides = tuple(rng.choice(["train", "test"], 60))
    pairs = [pair(min(a, b), max(a, b)) for a, b in rng.integers(0, 60, (40, 2)) if a != b]
    moved = move_leaking_images(sides, pairs)
    assert find_leaking_pairs(moved, pairs) == []
    assert move_leaking_images(moved, pairs) == moved


def test_the_report_lists_leaks_and_images_to_move():
    leaks = LeakReport(
        ("coco/a.jpg", "mpii/b.jpg", "mpii/c.jpg"),
        ("train", "test", "test"),
        ("coco", "mpii", "mpii"),
        ("", "", ""),
        (pair(0, 1), pair(1, 2)),
    )
    machine = encode_leaks(leaks)
    assert (machine["near_duplicates"], machine["leaks"]) == (2, 1)
    assert machine["move_to_test"] == ["coco/a.jpg"]
    assert [p["leak"] for p in machine["pairs"]] == [True, False]
    text = format_leaks(leaks)
    assert "| coco/a.jpg | mpii/b.jpg | same | 0.90 |" in text
    assert "| coco – mpii | 1 |" in text


def test_a_file_that_is_no_image_is_named(tmp_path: Path):
    (tmp_path / "a.jpg").write_text("hello")
    with pytest.raises(InputError, match=r"a\.jpg"):
        compute_fingerprints([tmp_path / "a.jpg"])


@pytest.fixture
def leaky(tmp_path: Path) -> Path:
    """A set as `build` leaves it whose test side holds a mirrored crop of a training picture."""
    folder = tmp_path / "set"
    rng = np.random.default_rng(2)
    pictures = {"coco/0.png": scene(0), "coco/1.png": scene(1), "mpii/2.png": scene(2)}
    pictures |= {"mpii/3.png": cropped(scene(0), rng, 0.8)[:, ::-1].copy(), "aic/4.png": scene(4)}
    names = {"train": list(pictures)[:3], "test": [*list(pictures)[3:], "aic/gone.png"]}
    for number, (split, own) in enumerate(names.items()):
        keypoints = np.zeros((len(own), 21, 3))
        keypoints[:, :9] = (50, 60, 2)  # all on one spot
        images = make_images(
            [10 * number + n for n in range(1, len(own) + 1)],
            own,
            [300] * 3,
            [200] * 3,
            source=[1 + n % 3 for n in range(len(own))],
        )
        people = make_instances(
            SMALLPOSE, images, range(len(own)), [[20, 20, 60, 90]] * len(own), keypoints
        )
        write_coco(people, folder / "annotations" / f"{split}.json")
    for name, picture in pictures.items():
        (folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / "images" / name), picture)
    manifest = {"sources": {}, "files": {}, "pictures": {}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def audit_json(*words: str) -> None:
    parser = argparse.ArgumentParser()
    audit.add_arguments(parser)
    audit.run_command(parser.parse_args(list(words)))


def test_audit_prints_leaks_suspects_and_missing_images(leaky, tmp_path, capsys):
    out = tmp_path / "audit.json"
    audit_json(str(leaky), "--json", str(out), "--sheet", str(tmp_path / "sheets"))
    found = json.loads(out.read_text())
    assert [(p["first"], p["second"], p["kind"]) for p in found["leaks"]["pairs"]] == [
        ("coco/0.png", "mpii/3.png", "mirrored crop")
    ]
    assert found["leaks"]["move_to_test"] == ["coco/0.png"]
    assert found["leaks"]["missing"] == ["aic/gone.png"]
    assert [p["reason"] for p in found["labels"]["train"]] == ["collapsed"] * 3
    text = capsys.readouterr().out
    assert "1 of them leaks between train and test" in text
    assert "keypoints lie on one spot" in text
    sheet = cv2.imread(str(tmp_path / "sheets" / "suspects-train.png"))
    assert sheet is not None and sheet.std() > 10


def test_audit_of_labels_needs_no_images_and_writes_json_to_stdout(leaky, capsys):
    shutil.rmtree(leaky / "images")
    audit_json(str(leaky), "--labels-only", "--json", "-")
    found = json.loads(capsys.readouterr().out)
    assert found["leaks"] is None and len(found["labels"]["test"]) == 3


def test_audit_refuses_a_link_that_leaves_the_sources(leaky, tmp_path):
    outside = tmp_path / "outside.png"
    cv2.imwrite(str(outside), scene(9))
    (leaky / "images" / "coco" / "0.png").unlink()
    (leaky / "images" / "coco" / "0.png").symlink_to(outside)
    with pytest.raises(RefusedError, match="leaves"):
        audit_json(str(leaky))
