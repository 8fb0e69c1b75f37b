from pathlib import Path

import numpy as np
import pytest

from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.io.coco_annotations import read_coco
from smallpose.stats.distributions import (
    AREA_EDGES,
    AREA_NAMES,
    build_area_histogram,
    count_people_per_image,
)


def make_people(seed: int, n: int = 400, images: int = 60) -> Instances:
    rng = np.random.default_rng(seed)
    images_table = make_images(range(images), [f"{i}.jpg" for i in range(images)])
    boxes = np.concatenate([np.zeros((n, 2)), rng.uniform(0, 400, (n, 2))], axis=1)
    keypoints = np.full((n, 17, 3), 2.0)
    return make_instances(
        COCO17,
        images_table,
        rng.integers(0, images, n),
        boxes,
        keypoints,
        iscrowd=rng.random(n) < 0.1,
    )


@pytest.mark.parametrize("seed", range(10))
def test_histogram_counts_sum_to_the_people(seed: int):
    people = make_people(seed)
    histogram = build_area_histogram(people)
    assert histogram.total == np.count_nonzero(people.is_counted)
    assert histogram.shares.sum() == pytest.approx(1.0)


def test_a_bin_contains_its_lower_edge_and_not_its_upper_one():
    images = make_images([1], ["a.jpg"])
    boxes = [[0, 0, 32, 32], [0, 0, 128, 96], [0, 0, 256, 192], [0, 0, 1023, 1]]
    people = make_instances(COCO17, images, [0] * 4, boxes, np.full((4, 17, 3), 2.0))
    assert build_area_histogram(people).counts.tolist() == [1, 1, 0, 0, 1, 0, 1]


def test_the_edges_have_names_and_the_last_bin_is_open():
    assert len(AREA_NAMES) == len(AREA_EDGES)
    assert AREA_EDGES[-1] == np.inf
    assert build_area_histogram(make_people(0)).to_dict()["edges"][-1] is None


def test_boxes_with_a_negative_side_are_in_the_first_bin():
    images = make_images([1], ["a.jpg"])
    people = make_instances(COCO17, images, [0], [[0, 0, -5, 9]], np.full((1, 17, 3), 2.0))
    assert build_area_histogram(people).counts.tolist() == [1, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("seed", range(10))
def test_people_per_image_includes_every_person_and_every_image(seed: int):
    people = make_people(seed)
    counts = count_people_per_image(people)
    assert counts.sum() == len(people.images)
    assert (counts * np.arange(len(counts))).sum() == np.count_nonzero(people.is_counted)
    all_people = count_people_per_image(people, include_ignored=True)
    assert (all_people * np.arange(len(all_people))).sum() == len(people)


def test_an_empty_table_has_empty_bins():
    people = make_people(0, n=0)
    assert build_area_histogram(people).total == 0
    assert count_people_per_image(people).tolist() == [60]


def test_no_person_of_crowdpose_is_below_32_by_32(real: Path):
    people = read_coco(real / "other/crowdpose/crowdpose_val.json.gz")
    assert build_area_histogram(people).counts[0] == 0
    assert people.area[people.is_counted].min() == pytest.approx(1486, abs=1)
