"""Tests of `duplicates/leaks.py`: leaks are pairs in different splits, and moving removes them."""

import numpy as np
import pytest

from smallpose.dataset.duplicates.image_alignment import DuplicatePair
from smallpose.dataset.duplicates.leaks import (
    LeakReport,
    balance_leaking_images,
    encode_leaks,
    find_leaking_pairs,
    format_leaks,
    move_leaking_images,
)


def make_pair(first: int, second: int) -> DuplicatePair:
    return DuplicatePair(first, second, False, 0.9, 1.0, False)


def test_a_leak_is_a_pair_in_different_splits():
    splits = ("train", "train", "test")
    assert find_leaking_pairs(splits, [make_pair(0, 1), make_pair(1, 2)]) == [make_pair(1, 2)]


def test_connected_images_move_to_test_together():
    splits = ("train", "train", "test", "train", "train", "test")
    pairs = [make_pair(0, 1), make_pair(1, 2), make_pair(3, 4)]
    moved = move_leaking_images(splits, pairs)
    assert moved == ("test", "test", "test", "train", "train", "test")
    assert find_leaking_pairs(moved, pairs) == []
    assert move_leaking_images(splits, pairs, target="train")[:3] == ("train",) * 3


def test_a_video_moves_entirely():
    splits = ("train", "train", "test", "train")
    groups = ("train 7", "train 7", "", "train 8")
    assert move_leaking_images(splits, [make_pair(1, 2)], groups) == (
        "test",
        "test",
        "test",
        "train",
    )


def test_moving_twice_changes_nothing():
    rng = np.random.default_rng(1)
    splits = tuple(rng.choice(["train", "test"], 60))
    pairs = [make_pair(min(a, b), max(a, b)) for a, b in rng.integers(0, 60, (40, 2)) if a != b]
    moved = move_leaking_images(splits, pairs)
    assert find_leaking_pairs(moved, pairs) == []
    assert move_leaking_images(moved, pairs) == moved


def test_the_report_lists_leaks_and_images_to_move():
    leaks = LeakReport(
        names=("coco/a.jpg", "mpii/b.jpg", "mpii/c.jpg"),
        splits=("train", "test", "test"),
        sources=("coco", "mpii", "mpii"),
        groups=("", "", ""),
        pairs=(make_pair(0, 1), make_pair(1, 2)),
    )
    report = encode_leaks(leaks)
    assert (report["near_duplicates"], report["leaks"]) == (2, 1)
    assert report["move_to_test"] == ["coco/a.jpg"]
    assert [p["leak"] for p in report["pairs"]] == [True, False]
    text = format_leaks(leaks)
    assert "coco/a.jpg  mpii/b.jpg      same  0.90" in text
    assert "coco – mpii  1" in text


@pytest.mark.parametrize("seed", range(20))
def test_the_test_split_keeps_its_size_as_far_as_components_allow(seed):
    """Compared with every assignment of the components that may move to either split."""
    rng = np.random.default_rng(seed)
    m = 40
    splits = tuple(rng.choice(["train", "test"], m).tolist())
    is_official_test = [bool(s == "test" and rng.random() < 0.1) for s in splits]
    pairs = [
        make_pair(int(min(a, b)), int(max(a, b))) for a, b in rng.integers(0, m, (22, 2)) if a != b
    ]
    groups = [f"g{i // 3}" if i < 12 else "" for i in range(m)]
    balanced = balance_leaking_images(
        splits, pairs, groups, is_official_test, np.random.default_rng(0)
    )
    assert find_leaking_pairs(balanced, pairs) == []
    assert all(
        balanced[n] == "test" for n in range(m) if is_official_test[n] and splits[n] == "test"
    )
    leaking = {
        n
        for n, s in enumerate(splits)
        if move_leaking_images(splits, pairs, groups, "test")[n] != s
        or move_leaking_images(splits, pairs, groups, "train")[n] != s
    }
    assert all(balanced[n] == splits[n] for n in range(m) if n not in leaking)
    label = list(range(m))
    for _ in range(m):
        for p in pairs:
            label[p.first] = label[p.second] = min(label[p.first], label[p.second])
        for name in set(groups) - {""}:
            members = [n for n in range(m) if groups[n] == name]
            for n in members:
                label[n] = min(label[k] for k in members)
    components = [[n for n in leaking if label[n] == c] for c in {label[n] for n in leaking}]
    free = [len(p) for p in components if not any(is_official_test[n] for n in p)]
    num_fixed = sum(splits[n] == "test" for n in range(m) if n not in leaking)
    num_fixed += sum(len(p) for p in components if any(is_official_test[n] for n in p))
    wanted = sum(s == "test" for s in splits)
    reachable = {num_fixed}
    for size in free:
        reachable |= {r + size for r in reachable}
    best = min(abs(r - wanted) for r in reachable)
    assert abs(sum(s == "test" for s in balanced) - wanted) == best
