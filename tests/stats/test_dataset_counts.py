from fractions import Fraction
from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.skeleton import SMALLPOSE
from smallpose.stats.counts import count_by_source, count_people
from smallpose.stats.crowding import crowd_index
from smallpose.stats.dataset_counts import (
    DatasetCounts,
    count_dataset,
    count_partials,
    merge_partials,
)
from smallpose.stats.distributions import build_area_histogram, count_people_per_image
from smallpose.stats.exact_sum import combine_digits, sum_digits
from smallpose.stats.mean_interval import estimate_mean


def make_people(images: int, seed: int) -> Instances:
    """Images of up to 12 people of all sources, some crowd regions and some without keypoints."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.arange(images), rng.integers(0, 13, images))
    n = len(rows)
    keypoints = rng.uniform(0, 200, (n, 21, 3))
    keypoints[:, :, 2] = rng.integers(0, 3, (n, 21))
    keypoints[rng.random(n) < 0.05] = 0
    boxes = np.concatenate([rng.uniform(0, 100, (n, 2)), rng.uniform(1, 250, (n, 2))], axis=1)
    source = rng.integers(0, 6, images)
    names = [f"{i}.jpg" for i in range(images)]
    return make_instances(
        SMALLPOSE,
        make_images(range(images), names, source=source),
        rows,
        boxes,
        keypoints,
        iscrowd=rng.random(n) < 0.05,
        source=source[rows],
    )


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=40))
@settings(max_examples=200, deadline=None)
def test_exact_sums_equal_sums_of_fractions(values):
    array = np.array(values, dtype=np.float64)
    assert combine_digits(sum_digits(array)) == sum((Fraction(v) for v in values), Fraction(0))


@pytest.mark.parametrize("seed", range(5))
def test_parts_merged_in_any_order_have_the_counts_of_the_whole(seed):
    people = make_people(60, seed)
    rng = np.random.default_rng(seed)
    whole = count_partials(people)
    rows = rng.permutation(60)
    cuts = np.sort(rng.integers(0, 61, 5))
    parts = [count_partials(people.take_images(r)) for r in np.split(rows, cuts)]
    merged = reduce(merge_partials, parts)
    backwards = reduce(lambda a, b: merge_partials(b, a), parts[::-1])
    for other in (merged, backwards):
        one, two = DatasetCounts(whole), DatasetCounts(other)
        assert one.counts == two.counts and one.sources == two.sources
        assert one.crowding.to_dict() == two.crowding.to_dict()
        for name in ("areas", "crowd_index", "crowd_index_sum", "crowd_index_squares"):
            assert np.array_equal(whole[name], other[name]), name
        for name in ("people_per_image", "annotations_per_image"):
            assert np.array_equal(np.trim_zeros(whole[name], "b"), np.trim_zeros(other[name], "b"))


def test_dataset_counts_equal_the_plain_functions():
    people = make_people(80, 9)
    counted = count_dataset(people)
    assert counted.counts == count_people(people)
    assert counted.sources == count_by_source(people)
    assert np.array_equal(counted.area_histogram.counts, build_area_histogram(people).counts)
    assert np.array_equal(counted.people_per_image, count_people_per_image(people))
    assert np.array_equal(
        counted.annotations_per_image, count_people_per_image(people, include_ignored=True)
    )
    index = crowd_index(people)
    index = index[np.isfinite(index)]
    assert counted.crowding.mean == pytest.approx(index.mean(), rel=1e-14)
    error = index.std(ddof=1) / np.sqrt(len(index))
    assert counted.crowding.standard_error == pytest.approx(error, rel=1e-12)
    assert counted.crowding.histogram.total == len(index)
    direct, merged = estimate_mean(index), counted.crowding.estimate
    assert (merged.low, merged.high) == pytest.approx((direct.low, direct.high), rel=1e-12)


def test_a_table_without_people_has_no_mean_and_adds_nothing():
    empty = make_people(4, 0).take_images(np.zeros(0, dtype=np.intp))
    assert count_dataset(empty).crowding.to_dict() == {
        "images": 0,
        "mean": None,
        "standard_error": None,
    }
    people = count_partials(make_people(10, 1))
    assert (
        DatasetCounts(merge_partials(people, count_partials(empty))).counts
        == DatasetCounts(people).counts
    )
