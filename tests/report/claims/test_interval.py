"""Numbers with ends: what is sure of them, and that ends of sums enclose every sum."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smallpose.report.claims.claim import Cell, judged
from smallpose.report.claims.interval import Span, exact, printed, rounds_to

decimals = st.integers(-999, 999).map(lambda n: n / 10)
inside = st.floats(-0.05, 0.05)


@given(decimals, decimals, inside, inside)
def test_the_difference_of_rounded_numbers_encloses_that_of_the_true_ones(a, b, da, db):
    span = printed(f"{a:.1f}") - printed(f"{b:.1f}")
    assert span.low - 1e-9 <= (a + da) - (b + db) <= span.high + 1e-9


@given(decimals, decimals)
def test_the_higher_of_two_printed_numbers_is_surely_higher(a, b):
    span = printed(f"{a:.1f}") - printed(f"{b:.1f}")
    expected = None if a == b else a > b
    assert span.above(0.0) is expected


@pytest.mark.parametrize(
    ("span", "above"),
    [
        (Span(2, 1, 3), True),
        (Span(-2, -3, -1), False),
        (Span(1, -1, 3), None),
        (exact(0), False),
        (exact(1), True),
        (exact(-1), False),
    ],
)
def test_above_needs_the_whole_interval(span: Span, above: bool | None):
    assert span.above(0.0) is above


def test_shares_are_compared_as_they_would_be_printed():
    assert rounds_to(55.567, "55.6")
    assert rounds_to(8.066, "8")
    assert not rounds_to(37.85, "39")


def cell(holds: bool | None, value: float = 1.0) -> Cell:
    return Cell(str(value), Span(value, value - 1, value + 1), holds)


def test_one_broken_comparison_breaks_the_claim_and_the_clearest_decides():
    finding = judged([cell(True), cell(False, -2), cell(False, -9), cell(None)])
    assert finding.verdict == "not supported"
    assert finding.decides == cell(False, -9)


def test_one_unsure_comparison_leaves_it_open():
    finding = judged([cell(True, 5), cell(None, 0.1)])
    assert (finding.verdict, finding.decides) == ("cannot tell", cell(None, 0.1))
    assert judged([]).verdict == "cannot tell"


def test_the_weakest_comparison_decides_a_supported_claim():
    assert judged([cell(True, 5), cell(True, 2)]).decides == cell(True, 2)


def test_a_zero_has_no_minus():
    assert Span(-0.0001, -0.15, 0.15).text() == "0.00 (-0.15 to 0.15)"
