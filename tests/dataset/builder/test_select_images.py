"""Tests of `builder/select_images.py`: all images with small people, and the paper's mix."""

import numpy as np
import pytest

from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.dataset.builder import select_images as module
from smallpose.dataset.builder.select_images import (
    PAPER_MIX,
    select_all_images,
    select_images,
)

SIDES = {"S": 50.0, "M": 150.0, "L": 400.0}


def make_people(images, source=1):
    """Make people from images as strings of their people's sizes, such as "SSM"."""
    rows = [i for i, people in enumerate(images) for _ in people]
    boxes = [(0, 0, SIDES[p], SIDES[p]) for people in images for p in people]
    keypoints = np.full((len(rows), 17, 3), 2.0)
    table = make_images(range(len(images)), [f"{i}.jpg" for i in range(len(images))], source=source)
    return make_instances(COCO17, table, rows, boxes, keypoints)


def select(people, seed=0, split="train"):
    rows = np.arange(len(people.images))
    return select_images(people, rows, split, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(10))
def test_every_image_with_a_small_person_is_selected_for_every_seed(seed):
    images = ["SM"] * 37 + ["M"] * 40 + ["L"] * 23
    np.random.default_rng(7).shuffle(images)
    selection = select(make_people(images), seed)
    assert {i for i, p in enumerate(images) if "S" in p} <= set(selection.rows.tolist())
    assert selection.num_with_small == 37


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_mix_is_the_papers_within_half_a_percentage_point(split):
    rng = np.random.default_rng(0)
    images = ["SSS"] * 2000 + [("M" if r < 0.8 else "L") for r in rng.random(9000)]
    selection = select(make_people(images), split=split)
    shares = np.array(selection.mix) / sum(selection.mix)
    target = np.array(PAPER_MIX[split]) / sum(PAPER_MIX[split])
    assert np.abs(shares - target).max() < 0.005
    assert selection.note == ""


def test_the_same_seed_draws_the_same_images_and_another_seed_others():
    people = make_people(["S"] * 50 + ["M"] * 200)
    assert np.array_equal(select(people, 7).rows, select(people, 7).rows)
    assert not np.array_equal(select(people, 7).rows, select(people, 8).rows)


def test_a_mix_out_of_reach_is_explained():
    with_large = select(make_people(["SMMM"] * 10 + ["M"] * 50))
    assert with_large.pool == 50
    assert len(with_large.rows) == 10
    assert "also contain more medium and large ones" in with_large.note
    few_others = select(make_people(["S"] * 10 + ["M"]))
    assert len(few_others.rows) == 11
    assert "no more images without small people" in few_others.note


def test_images_without_labelled_people_are_never_selected():
    people = make_people(["S", "M", "M"])
    labelled = people.take(np.array([0, 1]))
    assert 2 not in select(labelled).rows


def test_images_are_drawn_from_each_source_in_proportion():
    people = make_people(["S"] * 900 + ["M"] * 3000, source=[1] * 900 + [1] * 2000 + [2] * 1000)
    drawn = [r for r in select(people).rows.tolist() if r >= 900]
    share_of_first = sum(r < 2900 for r in drawn) / len(drawn)
    assert abs(share_of_first - 2 / 3) < 0.01


def test_a_draw_that_overshoots_or_stops_early_is_named_as_such():
    beyond = select(make_people(["S"] * 10 + ["M" * 10] * 3))
    assert len(beyond.rows) == 11
    assert "the last image that was drawn led beyond it" in beyond.note
    early = select(make_people(["S"] * 10 + ["M" * 200] * 3))
    assert len(early.rows) == 10
    assert "one more image would lead farther from it" in early.note


def test_images_that_are_left_out_are_counted_with_their_reason():
    people = make_people(["S"] + ["M"] * 6 + ["S", "M"])
    unlabelled = people.take(np.arange(7))
    selection = select(unlabelled)
    text = selection.describe_left_out("train")
    not_drawn = 6 - (len(selection.rows) - 1)
    assert text.startswith(f"train: {not_drawn + 2} of 9 images are left out: {not_drawn} without ")
    assert text.endswith("; 2 without a person with keypoints")
    everything = select_all_images(unlabelled, np.arange(9), "train")
    assert everything.rows.tolist() == list(range(9))
    assert everything.note == everything.describe_left_out("train") == ""


def draw_with_numpy(counts, mix, order, target):
    """Draw as the paper's mix asks for, plainly: what `_draw_images` does faster."""

    def share(mix):
        return float(mix[0] / max(mix.sum(), 1))

    def distance(queue):
        after = mix + counts[queue[-1]]
        return float(np.abs(after / max(after.sum(), 1) - target).sum())

    is_large = counts[order, 2] > counts[order, 1]
    queues = [order[~is_large].tolist()[::-1], order[is_large].tolist()[::-1]]
    drawn = []
    while share(mix) > target[0] and any(queues):
        best = min((q for q in queues if q), key=distance)
        after = mix + counts[best[-1]]
        if abs(share(after) - target[0]) > abs(share(mix) - target[0]):
            break
        drawn.append(best.pop())
        mix = after
    return drawn


@pytest.mark.parametrize("seed", range(8))
def test_images_are_drawn_as_plainly_with_numpy(seed):
    rng = np.random.default_rng(seed)
    counts = rng.geometric(0.4, (300, 3)) - 1
    counts[rng.random(300) < 0.2] = 0
    pool = np.flatnonzero(rng.random(300) < 0.8)
    source = rng.integers(1, 4, 300).astype(np.int8)
    mix = rng.integers(0, 900, 3) * (seed > 0)
    target = module._get_target_mix("train" if seed % 2 else "test")
    positions = module._draw_stratified_positions(source[pool], np.random.default_rng(1))
    order = pool[np.argsort(positions, kind="stable")]
    arguments = (counts, mix, pool, source, target, np.random.default_rng(1))
    assert module._draw_images(*arguments).tolist() == draw_with_numpy(counts, mix, order, target)
