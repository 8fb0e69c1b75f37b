"""The cells of our own runs, with intervals that pair what two runs found in the same images.

Several seeds of one method are averaged, and how much they differ widens the interval.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from smallpose.core.instances import Instances
from smallpose.core.interval import Interval
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.scoring.bootstrap import LEVEL
from smallpose.report.claims.interval import Span
from smallpose.report.claims.result_source import Key
from smallpose.report.inputs import paper_values
from smallpose.report.inputs.runs import Run
from smallpose.report.inputs.scores import (
    RunScore,
    SeedGroup,
    compute_difference,
    score_run,
)

PROTOCOLS = ("owned", "coco")


class RunBoard:
    """What our runs say, by one protocol.

    A method of the paper is stood for by its own runs, or else by those of one variant of it, such
    as a tiny twin; `stand_ins` says which.
    """

    settings: Mapping[str, str] = {"B17": "B (17 joints)", "subset": "subsets"}

    def __init__(self, cells: Mapping[tuple[str, str], SeedGroup], protocol: str) -> None:
        self.cells, self.protocol = cells, protocol

    def number(self, key: Key) -> Span | None:
        """The mean over seeds with its interval."""
        there = self._cell(key)
        return None if there is None else _span(there.measure(key[2], self.protocol))

    def difference(self, one: Key, other: Key, among: int = 1) -> Span | None:
        """Paired over the images drawn; unpaired over seeds."""
        a, b = self._cell(one), self._cell(other)
        if a is None or b is None:
            return None
        level = 1 - (1 - LEVEL) / among
        return _span(compute_difference(a, b, (one[2], other[2]), self.protocol, level))

    def label(self, method: str) -> str:
        """Of the run that stands for a method of the paper."""
        own = next((s for (name, _), s in self.cells.items() if name == method), None)
        return paper_values.format_method_label(method if own is None else own.first_run.method)

    def learning_rate(self, method: str, setting: str) -> float | None:
        """Of the run's recipe."""
        there = self.cells.get((method, setting))
        rate = None if there is None else there.first_run.recipe_fields.get("learning_rate")
        return float(rate) if isinstance(rate, int | float) else None

    def _cell(self, key: Key) -> SeedGroup | None:
        return self.cells.get((key[0], key[1]))


def _span(measured: "Interval | None") -> Span | None:
    """None where there is no interval: then nothing can be told."""
    if measured is None or not measured.has_ends:
        return None
    return Span(measured.value, measured.low, measured.high)


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
    scores: Mapping[int, RunScore] | None = None,
) -> Ours | None:
    """The boards of these runs; None when none of them is trained and has its result file.

    Args:
        found: what each found in `truth`, by its place among the runs.
        draws: of the bootstrap; as many as take about a minute without.
        scores: of runs that were scored already, likewise.
    """
    known = scores or {}
    there = [n for n, run in enumerate(runs) if n in found and not run.is_untrained]
    cells: dict[tuple[str, str], SeedGroup] = {}
    for (family, setting), numbers in _chosen(runs, there).items():
        scored = [
            known.get(n)
            or score_run(runs[n], truth, found[n], protocols=PROTOCOLS, num_resamples=draws)
            for n in numbers
        ]
        alike = tuple(runs[n] for n in numbers)
        cells[family, setting] = SeedGroup(alike, tuple(scored))
        if setting == "B":
            cells[family, "B17"] = SeedGroup(
                alike,
                tuple(
                    _on_17(one, truth, found[n], draws)
                    for one, n in zip(scored, numbers, strict=True)
                ),
            )
    if not cells:
        return None
    return Ours({p: RunBoard(cells, p) for p in PROTOCOLS}, tuple(_notes(cells)))


def _on_17(scored: RunScore, truth: Instances, found: Predictions, draws: int | None) -> RunScore:
    if found.skeleton == COCO17 or truth.skeleton == COCO17:
        return scored
    return score_run(
        scored.run, truth, found, keypoints="coco17", protocols=PROTOCOLS, num_resamples=draws
    )


def _chosen(runs: Sequence[Run], there: Sequence[int]) -> dict[tuple[str, str], list[int]]:
    """By the paper's method and setting, the runs that stand for it: one method, one recipe."""
    out: dict[tuple[str, str], list[int]] = {}
    for family in (m.name for m in paper_values.METHODS):
        own = [n for n in there if paper_values.find_paper_method(runs[n].method) == family]
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


def _notes(cells: Mapping[tuple[str, str], SeedGroup]) -> list[str]:
    notes = []
    twins = {
        family: s.first_run.method
        for (family, _), s in cells.items()
        if s.first_run.method != family
    }
    if twins:
        words = ", ".join(f"{twin} for {family}" for family, twin in twins.items())
        notes.append(f"stand-ins: {words}; what they show need not hold for the methods themselves")
    if any(len(s.scores) == 1 for s in cells.values()):
        notes.append(
            "cells with one seed: their intervals cover the choice of test images, not the chance "
            "of training"
        )
    steps = {s.first_run.steps for (_, setting), s in cells.items() if setting == "B"}
    if len(steps) > 1:
        notes.append("methods were trained for different numbers of steps")
    return notes
