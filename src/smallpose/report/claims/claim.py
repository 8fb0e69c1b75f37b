"""A claim of the paper, the comparisons that test it, and the verdict on them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from smallpose.core.counts import format_count
from smallpose.core.interval import Interval
from smallpose.report.inputs.paper_values import Paper

Relation = Literal["above", "at most", "within", "equals"]
Key = tuple[str, ...]


@dataclass(frozen=True)
class Assertion:
    """Two numbers of a result source, and the relation that a claim states between them.

    Args:
        left, right: keys of the numbers; `right` may be a constant.
        relation: "above" by more than the margin, or "within" the margin of each other.
    """

    left: Key
    relation: Relation
    right: Key | float
    margin: float = 0.0


@dataclass(frozen=True)
class Comparison:
    """Two numbers that were compared.

    Args:
        what: in words, such as `SimCC R50 B AP_S above AP_M`.
        difference: left minus right; None where one of them is unknown.
        holds: True or False where the whole interval agrees, else None.
        how: the two numbers, such as `68.0 against 67.3`.
    """

    what: str
    difference: Interval | None
    holds: bool | None
    how: str = ""

    def __str__(self) -> str:
        number = "not known" if self.difference is None else self.difference.format()
        return f"{self.what}: {number}" + (f" ({self.how})" if self.how else "")

    @property
    def size(self) -> float:
        """Return the absolute difference; 0 where it is unknown."""
        return 0.0 if self.difference is None else abs(self.difference.value)

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values for JSON."""
        number = self.difference
        return {
            "what": self.what,
            "value": None if number is None else number.value,
            "interval": None if number is None else [number.low, number.high],
            "holds": self.holds,
            "how": self.how,
        }


def compare_numbers(
    what: str, difference: Interval, relation: Relation, margin: float = 0.0, how: str = ""
) -> Comparison:
    """Check whether a difference has the relation to 0; undecided if its interval is."""
    if relation == "above":
        holds = difference.is_above(margin)
    elif relation == "within":
        holds = difference.is_within(margin)
    elif relation == "equals":
        holds = difference.is_within(0.0) is not False
    else:
        is_above = difference.is_above(margin)
        holds = None if is_above is None else not is_above
    return Comparison(what, difference, holds, how)


class ResultSource:
    """Numbers by key: the paper's tables, our runs, or statistics of data sets."""

    def value(self, key: Key) -> Interval | None:
        """Return a number; None where it is unknown."""
        raise NotImplementedError

    def describe(self, assertion: Assertion) -> tuple[str, str]:
        """Describe what is compared, and how: the two numbers."""
        raise NotImplementedError

    def list_caveats(self, assertions: Sequence[Assertion]) -> list[str]:
        """List reasons why the comparisons may not be fair."""
        return []

    def subtract(self, left: Key, right: Key, num_comparisons: int = 1) -> Interval | None:
        """Compute left minus right; None where one of them is unknown.

        Args:
            num_comparisons: of a claim; statistical intervals widen with it, so that the chance of
                a false alarm among all stays 5 %.
        """
        one, other = self.value(left), self.value(right)
        return None if one is None or other is None else one - other

    def compare(self, assertion: Assertion, num_comparisons: int) -> Comparison:
        """Compare the numbers of one assertion out of several."""
        what, how = self.describe(assertion)
        relation, margin = assertion.relation, assertion.margin
        difference = self._subtract_right(assertion)
        if difference is None:
            return Comparison(what, None, None, how)
        compared = compare_numbers(what, difference, relation, margin, how)
        if compared.holds is not False:
            return compared
        # A claim needs all of its comparisons to hold, and one of many fails by chance.
        wide = self._subtract_right(assertion, num_comparisons) or difference
        return Comparison(
            what, difference, compare_numbers(what, wide, relation, margin).holds, how
        )

    def judge(self, assertions: "Assertions") -> "Finding":
        """Judge a claim by all of its assertions."""
        if callable(assertions):
            assertions = assertions(self)
        comparisons = [self.compare(assertion, len(assertions)) for assertion in assertions]
        return Finding(tuple(comparisons), tuple(self.list_caveats(assertions)))

    def _subtract_right(self, assertion: Assertion, num_comparisons: int = 1) -> Interval | None:
        if isinstance(assertion.right, tuple):
            return self.subtract(assertion.left, assertion.right, num_comparisons)
        left = self.value(assertion.left)
        return None if left is None else left - Interval.exact(assertion.right)


Assertions = Sequence[Assertion] | Callable[[Any], Sequence[Assertion]]


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper in our words, and what tests it.

    Args:
        key: `C1` to `C15` for sentences about methods and data, `E…` for printed numbers, `N…` for
            what the tables show and the text leaves out, `D19` for the abstract.
        where: section, table or figure.
        sentence: `{name}` stands for a number of the paper's text.
        formula: how we test it.
        results: assertions about cells of the results tables, the paper's and those of our runs.
        printed: compares the paper's printed numbers with each other.
        datasets: assertions about statistics of data sets.
        note: what a reader should know whatever the verdict.
    """

    key: str
    where: str
    sentence: str
    formula: str
    results: Assertions = ()
    printed: Callable[[Paper], Iterable[Comparison]] | None = None
    datasets: Assertions = ()
    note: str = ""


@dataclass(frozen=True)
class Finding:
    """The comparisons of a claim and the verdict on them.

    Args:
        caveats: why even a supported claim may not mean what it says.
    """

    comparisons: tuple[Comparison, ...]
    caveats: tuple[str, ...] = ()

    @property
    def is_known(self) -> bool:
        """Return whether any comparison has its numbers."""
        return any(c.difference is not None for c in self.comparisons)

    @property
    def verdict(self) -> Literal["supported", "not supported", "cannot tell"]:
        """Return the verdict: all comparisons must hold, and one that fails breaks the claim."""
        outcomes = {c.holds for c in self.comparisons}
        if False in outcomes:
            return "not supported"
        return "supported" if outcomes == {True} else "cannot tell"

    @property
    def decisive(self) -> Comparison | None:
        """Return the clearest failure, else an undecided comparison, else the weakest success."""
        broken = [c for c in self.comparisons if c.holds is False]
        undecided = [c for c in self.comparisons if c.holds is None]
        if broken:
            return max(broken, key=lambda c: c.size)
        if undecided:
            return max(undecided, key=lambda c: c.difference is not None)
        return min(self.comparisons, key=lambda c: c.size, default=None)

    @property
    def why(self) -> str:
        """Return the decisive numbers as a sentence."""
        if self.decisive is None:
            return "nothing to compare"
        if len(self.comparisons) == 1:
            return str(self.decisive)
        known = [c.holds for c in self.comparisons if c.difference is not None]
        counts = {
            "hold": known.count(True),
            "do not": known.count(False),
            "cannot be told": known.count(None),
            "lack a number": len(self.comparisons) - len(known),
        }
        words = ", ".join(f"{number} {word}" for word, number in counts.items() if number)
        return f"{self.decisive}; of {format_count(len(self.comparisons), 'comparison')} {words}"

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values for JSON."""
        return {
            "verdict": self.verdict,
            "why": self.why,
            "decides": None if self.decisive is None else self.decisive.to_dict(),
            "cells": [comparison.to_dict() for comparison in self.comparisons],
            "caveats": list(self.caveats),
        }
