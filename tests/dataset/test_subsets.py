"""Tests of `subsets.py`: people, areas and seeds as Table 5 requires (A43)."""

import numpy as np
import pytest

from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import SMALLPOSE
from smallpose.dataset.subsets import (
    compute_overlaps,
    count_coco_people,
    draw_subsets,
    read_subset,
    write_subset,
)

IMAGES = 4_000


@pytest.fixture(scope="module")
def people():
    """A small data set like the paper's: crowds of very different sizes from five sources."""
    rng = np.random.default_rng(5)
    source = rng.choice([1, 2, 3, 4, 5], IMAGES, p=[0.4, 0.1, 0.3, 0.1, 0.1])
    count = np.clip(rng.lognormal(1.7, 0.8, IMAGES), 1, 80).astype(int)
    rows = np.repeat(np.arange(IMAGES), count)
    side = np.exp(rng.normal(3.5 + 0.3 * source[rows] + rng.normal(0, 0.6, IMAGES)[rows], 0.5))
    boxes = np.stack([np.zeros_like(side), np.zeros_like(side), side, 2 * side], axis=1)
    keypoints = np.ones((len(rows), len(SMALLPOSE), 3))
    images = make_images(
        np.arange(1, IMAGES + 1), [f"{k}.jpg" for k in range(IMAGES)], source=source.astype(np.int8)
    )
    return make_instances(SMALLPOSE, images, rows, boxes, keypoints, source=source[rows])


def test_subsets_have_the_requested_people_and_the_areas_of_the_data_set(people):
    size = len(people) // 4
    subsets = draw_subsets(people, 5, size, seed=3)
    for subset in subsets:
        assert subset.people == pytest.approx(size, rel=0.005)
        assert subset.people == np.isin(people.image_rows, subset.image_rows).sum()
        assert subset.distance < 0.01


def test_subsets_are_independent_draws_and_reproducible(people):
    size = len(people) // 4
    first = draw_subsets(people, 5, size, seed=3)
    repeated = draw_subsets(people, 5, size, seed=3)
    assert all((a.image_rows == b.image_rows).all() for a, b in zip(first, repeated, strict=True))
    shared = compute_overlaps(first)
    assert (np.diag(shared) == 1).all()
    # Independent quarters share about a quarter.
    assert np.abs(shared[~np.eye(5, dtype=bool)] - 0.25).max() < 0.06


def test_the_default_size_is_that_of_the_coco_part(people):
    assert count_coco_people(people) == (people.source == 1).sum()


def test_more_people_than_the_data_set_has_is_an_error(people):
    with pytest.raises(InputError, match="the training set has"):
        draw_subsets(people, 1, len(people) + 1)


def test_a_subset_is_read_back_from_its_file(people, tmp_path):
    (subset,) = draw_subsets(people, 1, len(people) // 10)
    write_subset(tmp_path / "subset1.json", subset, people)
    number, chosen = read_subset(tmp_path / "subset1.json", people)
    assert number == 1 and len(chosen) == subset.people
    assert set(np.unique(chosen.image_rows)) == set(subset.image_rows.tolist())


def test_a_subset_of_another_data_set_is_refused(people, tmp_path):
    path = tmp_path / "subset.json"
    path.write_text('{"subset": 1, "seed": 0, "people": 1, "images": [999999]}')
    with pytest.raises(InputError, match="999999"):
        read_subset(path, people)
