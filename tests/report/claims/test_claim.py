"""Verdicts follow from comparisons: all must hold, and one that fails breaks a claim."""

import pytest

from smallpose.core.interval import Interval
from smallpose.report.claims.claim import Comparison, Finding, compare_numbers
from smallpose.report.claims.printed_numbers import _compare_rounded


def comparison(holds: bool | None, value: float = 1.0) -> Comparison:
    return Comparison(str(value), Interval(value, value - 1, value + 1), holds)


def test_one_failed_comparison_breaks_the_claim_and_the_clearest_one_decides():
    comparisons = (comparison(True), comparison(False, -2), comparison(False, -9), comparison(None))
    finding = Finding(comparisons)
    assert finding.verdict == "not supported"
    assert finding.decisive == comparison(False, -9)


def test_one_undecided_comparison_leaves_the_claim_open():
    finding = Finding((comparison(True, 5), comparison(None, 0.1)))
    assert (finding.verdict, finding.decisive) == ("cannot tell", comparison(None, 0.1))
    assert Finding(()).verdict == "cannot tell"


def test_an_undecided_comparison_with_numbers_is_named_before_one_without():
    unknown = Comparison("x", None, None)
    assert Finding((unknown, comparison(None, 0.1))).decisive == comparison(None, 0.1)


def test_the_weakest_comparison_decides_a_supported_claim():
    assert Finding((comparison(True, 5), comparison(True, 2))).decisive == comparison(True, 2)


@pytest.mark.parametrize(
    ("relation", "low", "high", "holds"),
    [
        ("above", 1, 3, True),
        ("above", -1, 3, None),
        ("within", -1, 1, True),
        ("at most", -3, -1, True),
        ("at most", 1, 3, False),
        ("at most", -1, 3, None),
        ("equals", -1, 1, True),
        ("equals", 1, 3, False),
    ],
)
def test_each_relation_is_checked_on_the_whole_interval(relation, low, high, holds):
    difference = Interval((low + high) / 2, low, high)
    margin = 2.0 if relation == "within" else 0.0
    assert compare_numbers("x", difference, relation, margin).holds is holds


@pytest.mark.parametrize(
    ("number", "printed", "holds"),
    [(55.567, "55.6", True), (8.066, "8", True), (37.85, "39", False)],
)
def test_numbers_are_compared_as_they_would_be_printed(number: float, printed: str, holds: bool):
    assert _compare_rounded("x", number, printed, "").holds is holds
