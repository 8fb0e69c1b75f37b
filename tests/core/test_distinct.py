import numpy as np
import pytest

from smallpose.core.distinct import count_distinct, has_duplicates, is_member


@pytest.mark.parametrize("size", [0, 1, 50])
def test_distinct_values_and_membership_equal_numpys(size):
    rng = np.random.default_rng(size)
    values, members = rng.integers(-9, 9, (2, size))
    assert [a.tolist() for a in count_distinct(values)] == [
        a.tolist() for a in np.unique(values, return_counts=True)
    ]
    assert is_member(values, members[:20]).tolist() == np.isin(values, members[:20]).tolist()
    assert not is_member(values, members[:0]).any()


@pytest.mark.parametrize("order", ["rising", "in runs", "mixed"])
def test_values_side_by_side_are_counted_as_any_others(order):
    rng = np.random.default_rng(1)
    values = rng.integers(-(2**40), 2**40, 20).repeat(rng.integers(1, 5, 20))
    if order == "rising":
        values.sort()
    if order == "mixed":
        rng.shuffle(values)
    assert [a.tolist() for a in count_distinct(values)] == [
        a.tolist() for a in np.unique(values, return_counts=True)
    ]
    members = values[::7]
    assert is_member(values, members).tolist() == np.isin(values, members).tolist()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], False),
        ([5], False),
        ([3, 1, 2], False),
        ([3, 1, 3], True),
        ([-(2**63), 2**63 - 1], False),
        ([-(2**63), 2**63 - 1, -(2**63)], True),
    ],
)
def test_values_that_occur_twice_are_seen(values, expected):
    assert has_duplicates(np.array(values, np.int64)) == expected
