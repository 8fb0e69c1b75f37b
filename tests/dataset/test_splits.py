"""Tests of `splits.py`: 8 : 2 as close as the groups allow, and no video in both splits."""

import itertools

import numpy as np
import pytest

from smallpose.core.instances import make_images
from smallpose.dataset.splits import assign_splits, find_closest_subset

MPII, POSETRACK = 2, 5


def make_table(groups, source=MPII):
    m = len(groups)
    return make_images(range(m), [f"{i}.jpg" for i in range(m)], source=source, groups=groups)


@pytest.mark.parametrize("seed", range(20))
def test_no_video_is_in_both_splits_and_a_fifth_is_test(seed):
    rng = np.random.default_rng(seed)
    groups = [f"v{g}" for g in rng.integers(0, 60, 900)]
    splits = assign_splits(make_table(groups), [""] * 900, "grouped", rng)
    by_group = {g: {s for s, h in zip(splits, groups, strict=True) if h == g} for g in set(groups)}
    assert all(len(s) == 1 for s in by_group.values())
    assert splits.count("test") == 180


@pytest.mark.parametrize("seed", range(30))
def test_the_closest_subset_equals_that_of_brute_force(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 40, 9).tolist()
    wanted = int(rng.integers(1, 60))
    chosen = find_closest_subset(sizes, wanted, rng)
    sums = [sum(c) for r in range(len(sizes) + 1) for c in itertools.combinations(sizes, r)]
    best = min(abs(s - wanted) for s in sums)
    assert abs(sum(sizes[i] for i in chosen) - wanted) == best
    assert len(set(chosen)) == len(chosen)


def test_images_without_a_video_are_split_one_by_one():
    splits = assign_splits(make_table([""] * 50), [""] * 50, "grouped", np.random.default_rng(0))
    assert splits.count("test") == 10


def test_the_paper_method_splits_frame_by_frame_and_divides_videos():
    groups = ["v"] * 100
    rng = np.random.default_rng(0)
    assert assign_splits(make_table(groups), [""] * 100, "paper", rng).count("test") == 20
    assert set(assign_splits(make_table(groups), [""] * 100, "grouped", rng)) == {"train"}


def test_official_splits_are_kept():
    official = ["train", "test", "test", "train"]
    splits = assign_splits(
        make_table(["", "", "a", "a"], 1), official, "grouped", np.random.default_rng(0)
    )
    assert list(splits) == official


def test_a_video_that_another_source_has_split_keeps_that_split():
    """PoseTrack's videos are from MPII, so its official split applies to both."""
    groups = ["000001_mpii", "000002_mpii"] + ["000001_mpii"] * 30 + [""] * 70
    source = [POSETRACK] * 2 + [MPII] * 100
    official = ["test", "train"] + [""] * 100
    for seed in range(5):
        splits = assign_splits(
            make_table(groups, source), official, "grouped", np.random.default_rng(seed)
        )
        assert set(splits[2:32]) == {"test"}
        assert set(splits[32:]) == {"train"}, "more than a fifth is in test already"


def test_equal_seeds_give_equal_splits_and_others_do_not():
    groups = [f"v{i % 37}" for i in range(200)]
    first, repeated, other = (
        assign_splits(make_table(groups), [""] * 200, "grouped", np.random.default_rng(s))
        for s in (1, 1, 2)
    )
    assert first == repeated
    assert first != other
