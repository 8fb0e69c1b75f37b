"""Intervals: arithmetic encloses every possible result, and comparisons need the whole interval."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smallpose.core.interval import Interval

decimals = st.integers(-999, 999).map(lambda n: n / 10)
roundings = st.floats(-0.05, 0.05)


@given(decimals, decimals, roundings, roundings)
def test_the_difference_of_rounded_numbers_encloses_that_of_the_true_ones(a, b, da, db):
    difference = Interval.printed(f"{a:.1f}") - Interval.printed(f"{b:.1f}")
    assert difference.low - 1e-9 <= (a + da) - (b + db) <= difference.high + 1e-9


@given(decimals, decimals)
def test_the_higher_of_two_printed_numbers_is_certainly_higher(a, b):
    difference = Interval.printed(f"{a:.1f}") - Interval.printed(f"{b:.1f}")
    expected = None if a == b else a > b
    assert difference.is_above(0.0) is expected


@pytest.mark.parametrize(
    ("interval", "is_above"),
    [
        (Interval(2, 1, 3), True),
        (Interval(-2, -3, -1), False),
        (Interval(1, -1, 3), None),
        (Interval.exact(0), False),
        (Interval.exact(1), True),
        (Interval.exact(-1), False),
    ],
)
def test_above_needs_the_whole_interval(interval: Interval, is_above: bool | None):
    assert interval.is_above(0.0) is is_above


@pytest.mark.parametrize(
    ("interval", "is_within"),
    [
        (Interval(0, -1, 1), True),
        (Interval(0, -3, 3), None),
        (Interval(5, 4, 6), False),
        (Interval(-5, -6, -4), False),
    ],
)
def test_within_needs_the_whole_interval(interval: Interval, is_within: bool | None):
    assert interval.is_within(2.0) is is_within


def test_a_rounded_zero_has_no_minus_sign():
    assert Interval(-0.0001, -0.15, 0.15).format() == "0.00 (-0.15 to 0.15)"


def test_unknown_ends_are_not_ends():
    assert not Interval(1.0).has_ends
    assert Interval.exact(1.0).has_ends
