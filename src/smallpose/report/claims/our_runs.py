"""Cells of our own runs, with intervals that pair the results of two runs on the same images.

Several seeds of one method are averaged, and their spread widens the interval.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from smallpose.core.instances import Instances
from smallpose.core.interval import Interval
from smallpose.core.predictions import Predictions
from smallpose.evaluation.scoring.bootstrap import LEVEL
from smallpose.report.claims.cells import METHODS, CellSource
from smallpose.report.claims.claim import Key
from smallpose.report.inputs import paper_values
from smallpose.report.inputs.runs import Run
from smallpose.report.inputs.scores import (
    RunScore,
    SeedGroup,
    compute_difference,
    has_more_than_coco17,
    score_run_on_both,
)

PROTOCOLS = ("owned", "coco")
Cells = Mapping[tuple[str, str], SeedGroup]


class RunSource(CellSource):
    """The cells of our runs by one protocol.

    A method of the paper is represented by its own runs, or else by those of one variant of it,
    such as a tiny variant.
    """

    setting_labels: Mapping[str, str] = {
        "B17": "B (17 joints)",
        "subset": "subsets",
        "subset17": "subsets (17 joints)",
    }

    def __init__(self, cells: Cells, protocol: str) -> None:
        self.cells = cells
        self.protocol = protocol

    def value(self, key: Key) -> Interval | None:
        """Return the mean over seeds with its interval; None without an interval."""
        group = self.cells.get((key[0], key[1]))
        return _require_ends(group.measure(key[2], self.protocol) if group else None)

    def subtract(self, left: Key, right: Key, num_comparisons: int = 1) -> Interval | None:
        """Compute left minus right, paired over images and unpaired over seeds."""
        one, other = (self.cells.get((key[0], key[1])) for key in (left, right))
        if one is None or other is None:
            return None
        level = 1 - (1 - LEVEL) / num_comparisons
        metrics = left[2], right[2]
        return _require_ends(compute_difference(one, other, metrics, self.protocol, level))

    def label(self, method: str) -> str:
        """Return the name of the run that represents a method of the paper."""
        groups = [group for (name, _), group in self.cells.items() if name == method]
        return super().label(groups[0].first_run.method if groups else method)

    def learning_rate(self, method: str, setting: str) -> float | None:
        """Return the learning rate of the run's recipe."""
        group = self.cells.get((method, setting))
        rate = group.first_run.recipe_fields.get("learning_rate") if group else None
        return float(rate) if isinstance(rate, int | float) else None


def _require_ends(number: Interval | None) -> Interval | None:
    return number if number is not None and number.has_ends else None


@dataclass(frozen=True)
class OurResults:
    """Our runs as a source for each protocol, `owned` first.

    Args:
        notes: which variants represent which methods, and what the intervals do not cover.
    """

    sources: Mapping[str, RunSource]
    notes: tuple[str, ...]


def collect_our_results(
    runs: Sequence[Run],
    truth: Instances,
    predictions: Mapping[int, Predictions],
    num_resamples: int | None = None,
    scores: Mapping[int, RunScore] | None = None,
) -> OurResults | None:
    """Score the runs; None when none of them is trained on a built set and has its result file.

    Args:
        predictions: on `truth`, by the index of the run.
        num_resamples: of the bootstrap (default: as many as take about a minute).
        scores: of runs that were scored already, by index.
    """

    def get_score(index: int) -> RunScore:
        run, detections = runs[index], predictions[index]
        known = (scores or {}).get(index)
        is_missing_17 = run.setting == "B" and has_more_than_coco17(truth, detections)
        if known is not None and (known.on_coco17 is not None or not is_missing_17):
            return known
        return score_run_on_both(
            run, truth, detections, protocols=PROTOCOLS, num_resamples=num_resamples
        )

    cells: dict[tuple[str, str], SeedGroup] = {}
    for (method, setting), indices in choose_runs(runs, predictions).items():
        group = tuple(runs[n] for n in indices)
        scored = tuple(get_score(n) for n in indices)
        cells[method, setting] = SeedGroup(group, scored)
        if setting in ("B", "subset"):
            # Where there are no other joints, the scores are those on 17 already.
            on_17 = tuple(one.on_coco17 or one for one in scored)
            cells[method, f"{setting}17"] = SeedGroup(group, on_17)
    if not cells:
        return None
    return OurResults({p: RunSource(cells, p) for p in PROTOCOLS}, tuple(_list_notes(cells)))


def choose_runs(
    runs: Sequence[Run], predictions: Collection[int]
) -> dict[tuple[str, str], list[int]]:
    """Choose the runs for each of the paper's methods and settings: one method, one recipe.

    Args:
        predictions: indices of the runs that have a result file on the set.
    """
    usable = [
        n
        for n, run in enumerate(runs)
        if n in predictions and not run.is_untrained and not run.own_set
    ]
    chosen: dict[tuple[str, str], list[int]] = {}
    for method in METHODS:
        variants = [n for n in usable if paper_values.find_paper_method(runs[n].method) == method]
        names = [runs[n].method for n in variants]
        name = method if method in names else next(iter(names), "")
        for n in (n for n in variants if runs[n].method == name):
            group = chosen.setdefault((method, runs[n].trained_on), [])
            if not group or runs[group[0]].recipe == runs[n].recipe:
                group.append(n)
    return chosen


def _list_notes(cells: Cells) -> list[str]:
    notes = []
    used = {method: group.first_run.method for (method, _), group in cells.items()}
    variants = [f"{used[method]} for {method}" for method in used if used[method] != method]
    if variants:
        words = ", ".join(variants)
        notes.append(f"stand-ins: {words}; their results need not hold for the methods themselves")
    if any(len(group.scores) == 1 for group in cells.values()):
        notes.append(
            "cells with one seed: their intervals cover the choice of test images, not the chance "
            "of training"
        )
    steps = {group.first_run.steps for (_, setting), group in cells.items() if setting == "B"}
    if len(steps) > 1:
        notes.append("methods were trained for different numbers of steps")
    return notes
