"""The cells of our own runs, with intervals that pair what two runs found in the same images.

Several seeds of one method are averaged, and how much they differ widens the interval.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.core.skeleton import COCO17
from smallpose.evaluation.intervals import LEVEL, interval
from smallpose.report import paper
from smallpose.report.claims.boards import Key
from smallpose.report.claims.spans import Span
from smallpose.report.results import Run
from smallpose.report.scores import Score, score
from smallpose.table.instances import Instances
from smallpose.table.predictions import Predictions

Floats = NDArray[np.float64]
PROTOCOLS = ("owned", "coco")


@dataclass(frozen=True)
class Seeds:
    """Runs that differ in nothing but their seed, or, of subsets, in which images were drawn."""

    scores: tuple[Score, ...]

    def values(self, name: str, protocol: str) -> list[float] | None:
        """Points of each."""
        values = [s.value(name, protocol) for s in self.scores]
        return None if None in values else [v for v in values if v is not None]

    def draws(self, name: str, protocol: str) -> Floats:
        """(b,) points of their mean."""
        return np.asarray(100 * np.mean([s.draws[protocol][name] for s in self.scores], axis=0))


class RunBoard:
    """What our runs say, by one protocol.

    A method of the paper is stood for by its own runs, or else by those of one variant of it, such
    as a tiny twin; `stand_ins` says which.
    """

    settings: Mapping[str, str] = {"B17": "B (17 joints)", "subset": "subsets"}

    def __init__(self, cells: Mapping[tuple[str, str], Seeds], protocol: str) -> None:
        self.cells, self.protocol = cells, protocol

    def number(self, key: Key) -> Span | None:
        """The mean over seeds with its interval."""
        there = self._cell(key)
        if there is None:
            return None
        values = there.values(key[2], self.protocol)
        if values is None:
            return None
        return self._span(
            float(np.mean(values)), there.draws(key[2], self.protocol), [values], there
        )

    def difference(self, one: Key, other: Key, among: int = 1) -> Span | None:
        """Paired over the images drawn; unpaired over seeds."""
        a, b = self._cell(one), self._cell(other)
        if a is None or b is None:
            return None
        values = a.values(one[2], self.protocol), b.values(other[2], self.protocol)
        if values[0] is None or values[1] is None:
            return None
        draws = a.draws(one[2], self.protocol) - b.draws(other[2], self.protocol)
        both = [values[0], values[1]]
        middle = float(np.mean(values[0]) - np.mean(values[1]))
        return self._span(middle, draws, both, a, 1 - (1 - LEVEL) / among)

    def learning_rate(self, method: str, setting: str) -> float | None:
        """Of the run's recipe."""
        there = self.cells.get((method, setting))
        rate = None if there is None else there.scores[0].run.recipe_fields.get("learning_rate")
        return float(rate) if isinstance(rate, int | float) else None

    def _cell(self, key: Key) -> Seeds | None:
        return self.cells.get((key[0], key[1]))

    def _span(
        self,
        middle: float,
        draws: Floats,
        values: Sequence[Sequence[float]],
        there: Seeds,
        level: float = LEVEL,
    ) -> Span | None:
        ends = interval(draws, there.scores[0].clusters, level)
        if ends is None:
            return None
        seeds = _seed_reach(values, level)
        low, high = max(middle - ends[0], 0.0), max(ends[1] - middle, 0.0)
        return Span(
            middle, middle - float(np.hypot(low, seeds)), middle + float(np.hypot(high, seeds))
        )


def _seed_reach(values: Sequence[Sequence[float]], level: float) -> float:
    """How far the mean over seeds, or the difference of two, may be off; 0 with one seed each."""
    parts = [(np.var(v, ddof=1) / len(v), len(v) - 1) for v in values if len(v) > 1]
    if not parts:
        return 0.0
    from scipy.special import stdtrit

    t = -float(stdtrit(sum(free for _, free in parts), (1 - level) / 2))
    return t * float(np.sqrt(sum(part for part, _ in parts)))


@dataclass(frozen=True)
class Ours:
    """Our runs, ready to be asked.

    Args:
        boards: by protocol, `owned` first.
        notes: what stands for what, and what the intervals do not cover.
    """

    boards: Mapping[str, RunBoard]
    notes: tuple[str, ...]


def ours(
    runs: Sequence[Run],
    truth: Instances,
    found: Mapping[int, Predictions],
    draws: int | None = None,
) -> Ours | None:
    """The boards of these runs; None when none of them is trained and has its result file.

    Args:
        found: what each found in `truth`, by its place among the runs.
        draws: of the bootstrap; as many as take about a minute without.
    """
    there = [n for n, run in enumerate(runs) if n in found and not run.untrained]
    cells: dict[tuple[str, str], Seeds] = {}
    for (family, setting), numbers in _chosen(runs, there).items():
        scored = [
            score(runs[n], truth, found[n], protocols=PROTOCOLS, draws=draws) for n in numbers
        ]
        cells[family, setting] = Seeds(tuple(scored))
        if setting == "B":
            cells[family, "B17"] = Seeds(
                tuple(
                    _on_17(one, truth, found[n], draws)
                    for one, n in zip(scored, numbers, strict=True)
                )
            )
    if not cells:
        return None
    return Ours({p: RunBoard(cells, p) for p in PROTOCOLS}, tuple(_notes(cells)))


def _on_17(scored: Score, truth: Instances, found: Predictions, draws: int | None) -> Score:
    if found.skeleton == COCO17 or truth.skeleton == COCO17:
        return scored
    return score(scored.run, truth, found, keypoints="coco17", protocols=PROTOCOLS, draws=draws)


def _chosen(runs: Sequence[Run], there: Sequence[int]) -> dict[tuple[str, str], list[int]]:
    """By the paper's method and setting, the runs that stand for it: one method, one recipe."""
    out: dict[tuple[str, str], list[int]] = {}
    for family in (m.name for m in paper.METHODS):
        own = [n for n in there if paper.family(runs[n].method) == family]
        if not own:
            continue
        names = [runs[n].method for n in own]
        method = family if family in names else names[0]
        for n in own:
            first = out.setdefault((family, runs[n].trained_on), [])
            alike = not first or runs[first[0]].recipe == runs[n].recipe
            if runs[n].method == method and alike:
                first.append(n)
    return {key: numbers for key, numbers in out.items() if numbers}


def _notes(cells: Mapping[tuple[str, str], Seeds]) -> list[str]:
    notes = []
    twins = {
        family: s.scores[0].run.method
        for (family, _), s in cells.items()
        if s.scores[0].run.method != family
    }
    if twins:
        words = ", ".join(f"{twin} for {family}" for family, twin in twins.items())
        notes.append(f"stand-ins: {words}; what they show need not hold for the methods themselves")
    if any(len(s.scores) == 1 for s in cells.values()):
        notes.append(
            "cells with one seed: their intervals cover the choice of test images, not the chance "
            "of training"
        )
    steps = {s.scores[0].run.steps for (_, setting), s in cells.items() if setting == "B"}
    if len(steps) > 1:
        notes.append("methods were trained for different numbers of steps")
    return notes
