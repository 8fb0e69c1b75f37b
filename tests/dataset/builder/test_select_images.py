"""Selection: every image with a small person, others until the mix is the paper's."""

import numpy as np
import pytest

from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.dataset.builder.select_images import PAPER_MIX, select_images

SIDES = {"S": 50.0, "M": 150.0, "L": 400.0}


def world(images, source=1):
    """Images as strings of their people's sizes, such as "SSM"."""
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
    chosen = select(world(images), seed)
    assert {i for i, p in enumerate(images) if "S" in p} <= set(chosen.rows.tolist())
    assert chosen.num_with_small == 37


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_mix_is_the_papers_within_half_a_percentage_point(split):
    rng = np.random.default_rng(0)
    images = ["SSS"] * 2000 + [("M" if r < 0.8 else "L") for r in rng.random(9000)]
    chosen = select(world(images), split=split)
    shares = np.array(chosen.mix) / sum(chosen.mix)
    wanted = np.array(PAPER_MIX[split]) / sum(PAPER_MIX[split])
    assert np.abs(shares - wanted).max() < 0.005
    assert chosen.note == ""


def test_the_same_seed_draws_the_same_images_and_another_seed_others():
    people = world(["S"] * 50 + ["M"] * 200)
    assert np.array_equal(select(people, 7).rows, select(people, 7).rows)
    assert not np.array_equal(select(people, 7).rows, select(people, 8).rows)


def test_a_mix_out_of_reach_is_explained():
    crowded = select(world(["SMMM"] * 10 + ["M"] * 50))
    assert crowded.pool == 50
    assert len(crowded.rows) == 10
    assert "bring more medium and large ones along" in crowded.note
    lonely = select(world(["S"] * 10 + ["M"]))
    assert len(lonely.rows) == 11
    assert "no more images without small people" in lonely.note


def test_images_without_labelled_people_are_never_selected():
    people = world(["S", "M", "M"])
    nobody = people.take(np.array([0, 1]))
    assert 2 not in select(nobody).rows


def test_images_are_drawn_from_each_source_in_proportion():
    people = world(["S"] * 900 + ["M"] * 3000, source=[1] * 900 + [1] * 2000 + [2] * 1000)
    drawn = [r for r in select(people).rows.tolist() if r >= 900]
    of_first = sum(r < 2900 for r in drawn) / len(drawn)
    assert abs(of_first - 2 / 3) < 0.01
