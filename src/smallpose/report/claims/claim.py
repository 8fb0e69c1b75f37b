"""What a claim is, what is found out about it, and how single comparisons make a verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from smallpose.report.claims.interval import Span

Verdict = Literal["supported", "not supported", "cannot tell"]


@dataclass(frozen=True)
class Cell:
    """One comparison.

    Args:
        what: in words, such as `SimCC R50 B: AP_S above AP_M`.
        span: the number that decides it; None where it is not known.
        holds: surely so, surely not, or neither.
        how: the numbers it was made from, such as `68.0 against 67.3`.
    """

    what: str
    span: Span | None
    holds: bool | None
    how: str = ""

    def text(self) -> str:
        """For people."""
        number = "not known" if self.span is None else self.span.text()
        return f"{self.what}: {number}" + (f" ({self.how})" if self.how else "")


@dataclass(frozen=True)
class Finding:
    """What came out.

    Args:
        decides: the comparison that decides: of a broken claim the one that breaks it most clearly,
            of a supported one the weakest, else the one that is not sure.
        cells: all comparisons.
        caveats: why even a supported claim may not mean what it says.
    """

    verdict: Verdict
    decides: Cell | None
    cells: tuple[Cell, ...]
    caveats: tuple[str, ...] = ()

    @property
    def why(self) -> str:
        """A sentence made of the numbers."""
        if self.decides is None:
            return "nothing to compare"
        text = self.decides.text()
        if len(self.cells) == 1:
            return text
        known = [c for c in self.cells if c.span is not None]
        numbers = {
            "hold": sum(c.holds is True for c in self.cells),
            "do not": sum(c.holds is False for c in self.cells),
            "cannot be told": sum(c.holds is None for c in known),
            "lack a number": len(self.cells) - len(known),
        }
        counts = [f"{n} {word}" for word, n in numbers.items() if n]
        return f"{text}; of {len(self.cells)} comparisons {', '.join(counts)}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "verdict": self.verdict,
            "why": self.why,
            "decides": None if self.decides is None else _plain(self.decides),
            "cells": [_plain(cell) for cell in self.cells],
            "caveats": list(self.caveats),
        }


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper, in our words.

    Args:
        key: `C1` to `C15` of the sentences about methods and data, `E…` of printed numbers, `N…` of
            what the tables show and the text leaves out, `D19` of the abstract.
        where: the section, table or figure.
        formula: how we test it.
        note: what a reader should know whatever comes out.
    """

    key: str
    where: str
    sentence: str
    formula: str
    note: str = ""


def judged(cells: Sequence[Cell], caveats: Sequence[str] = ()) -> Finding:
    """All of them must hold; one that surely does not breaks the claim."""
    broken = [c for c in cells if c.holds is False]
    unsure = [c for c in cells if c.holds is None]
    if broken:
        return Finding("not supported", _clearest(broken), tuple(cells), tuple(caveats))
    if unsure or not cells:
        known = [c for c in unsure if c.span is not None]
        first = next(iter(known or unsure), None)
        return Finding("cannot tell", first, tuple(cells), tuple(caveats))
    return Finding("supported", _weakest(cells), tuple(cells), tuple(caveats))


def _clearest(cells: Sequence[Cell]) -> Cell:
    return max(cells, key=lambda c: 0.0 if c.span is None else abs(c.span.value))


def _weakest(cells: Sequence[Cell]) -> Cell:
    return min(cells, key=lambda c: float("inf") if c.span is None else abs(c.span.value))


def _plain(cell: Cell) -> dict[str, Any]:
    span = cell.span
    return {
        "what": cell.what,
        "value": None if span is None else span.value,
        "interval": None if span is None else [span.low, span.high],
        "holds": cell.holds,
        "how": cell.how,
    }
