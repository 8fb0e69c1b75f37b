"""Finished runs scored anew on one truth: every protocol, intervals, and draws that can be paired.

Runs hold their evaluation, but two of them can only be compared well on the same draws of images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.evaluate import Evaluation, evaluate
from smallpose.evaluation.scoring.bootstrap import (
    LEVEL,
    Interval,
    compute_interval,
    count_clusters,
    resample_metrics,
)
from smallpose.report.inputs.runs import PROTOCOLS, Run, group_seeds

Floats = NDArray[np.float64]
MAX_RESAMPLES, MIN_RESAMPLES = 1000, 200
_WORK = 2e8  # detections times draws; above it there are fewer draws


@dataclass(frozen=True)
class RunScore:
    """One run's numbers.

    Args:
        draws: by protocol and name, (b,) values under draws of images; the same draws for all.
        clusters: images, or videos, that were drawn from.
    """

    run: Run
    evaluation: Evaluation
    draws: Mapping[str, Mapping[str, Floats]]
    clusters: int

    def value(self, name: str, protocol: str = "coco") -> float | None:
        """In points."""
        value = self.evaluation.protocols.get(protocol, {}).get(name)
        return None if value is None else 100 * value

    def ends(self, name: str, protocol: str = "coco") -> Interval:
        """The 95 % interval, in points; None where nobody is there."""
        values = self.draws.get(protocol, {}).get(name)
        ends = None if values is None else compute_interval(values, self.clusters)
        return None if ends is None else [100 * end for end in ends]


def score_run(
    run: Run,
    truth: Instances,
    found: Predictions,
    *,
    keypoints: str | None = None,
    protocols: Sequence[str] = PROTOCOLS,
    draws: int | None = None,
) -> RunScore:
    """Evaluate what a run found.

    Args:
        keypoints: "coco17" scores runs of setting B on the joints of A.
        draws: of the bootstrap; without, 1,000 or what takes about a minute.
    """
    if draws is None:
        draws = int(np.clip(_WORK / max(len(found), 1), MIN_RESAMPLES, MAX_RESAMPLES))
    result = evaluate(truth, found, protocols=protocols, keypoints=keypoints)
    spread = resample_metrics(result.match_counts, protocols, 20, draws)
    return RunScore(run, result, spread, count_clusters(result.match_counts.groups))


@dataclass(frozen=True)
class Measurement:
    """Points, and the ends of their 95 % interval where it is known."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class SeedGroup:
    """Runs that differ in nothing but their seed, or, of subsets, in which images were drawn.

    Args:
        scores: one for each run; none where the runs' data or result files are gone, and then
            there are the numbers that the runs wrote down.
    """

    runs: tuple[Run, ...]
    scores: tuple[RunScore, ...] = ()

    @property
    def first_run(self) -> Run:
        """Any of them; they are alike."""
        return self.runs[0]

    def protocols(self) -> tuple[str, ...]:
        """Those there are numbers of."""
        if self.scores:
            return tuple(p for p in PROTOCOLS if p in self.scores[0].evaluation.protocols)
        return self.first_run.protocols

    def values(self, name: str, protocol: str) -> list[float] | None:
        """Points of each run; None when one has none."""
        ones = self.scores or self.runs
        values = [
            one.value(name, protocol) if isinstance(one, RunScore) else one.metric(name, protocol)
            for one in ones
        ]
        return None if None in values else [v for v in values if v is not None]

    def draws(self, name: str, protocol: str) -> Floats:
        """(b,) points of their mean; only with scores."""
        return np.asarray(100 * np.mean([s.draws[protocol][name] for s in self.scores], axis=0))

    def measure(self, name: str, protocol: str = "coco") -> Measurement | None:
        """The mean over seeds; its interval holds the choice of images and that of seeds."""
        values = self.values(name, protocol)
        if values is None:
            return None
        middle = float(np.mean(values))
        if self.scores:
            span = compute_spread(
                middle, self.draws(name, protocol), [values], self.scores[0].clusters
            )
            if span is None:
                return Measurement(middle)
            # How much few seeds differ reaches beyond what an average precision can be.
            return Measurement(middle, max(span[0], 0.0), min(span[1], 100.0))
        ends = self.first_run.ends(name, protocol) if len(values) == 1 else None
        return Measurement(middle) if ends is None else Measurement(middle, *ends)


def compute_difference(
    one: SeedGroup, other: SeedGroup, names: tuple[str, str], protocol: str, level: float = LEVEL
) -> Measurement | None:
    """A number of the first minus one of the second: paired over images, unpaired over seeds."""
    a, b = one.values(names[0], protocol), other.values(names[1], protocol)
    if a is None or b is None or not (one.scores and other.scores):
        return None
    middle = float(np.mean(a) - np.mean(b))
    draws = one.draws(names[0], protocol) - other.draws(names[1], protocol)
    span = compute_spread(middle, draws, [a, b], one.scores[0].clusters, level)
    return Measurement(middle) if span is None else Measurement(middle, *span)


def compute_spread(
    middle: float,
    draws: Floats,
    values: Sequence[Sequence[float]],
    clusters: int,
    level: float = LEVEL,
) -> tuple[float, float] | None:
    """The ends around a mean, from draws of images and from how much seeds differ."""
    ends = compute_interval(draws, clusters, level)
    if ends is None:
        return None
    seeds = _compute_seed_spread(values, level)
    low, high = max(middle - ends[0], 0.0), max(ends[1] - middle, 0.0)
    return middle - float(np.hypot(low, seeds)), middle + float(np.hypot(high, seeds))


def _compute_seed_spread(values: Sequence[Sequence[float]], level: float) -> float:
    """How far the mean over seeds, or the difference of two, may be off; 0 with one seed each."""
    parts = [(np.var(v, ddof=1) / len(v), len(v) - 1) for v in values if len(v) > 1]
    if not parts:
        return 0.0
    from scipy.special import stdtrit

    t = -float(stdtrit(sum(free for _, free in parts), (1 - level) / 2))
    return t * float(np.sqrt(sum(part for part, _ in parts)))


def group_scores(
    runs: Sequence[Run], scores: Mapping[int, RunScore] | None = None
) -> list[SeedGroup]:
    """Runs that are alike but for their seed, together, in the order of their first.

    Args:
        scores: of each run, by its place; a group has scores only when all of its runs do.
    """
    known = scores or {}
    return [
        SeedGroup(
            tuple(runs[n] for n in numbers),
            tuple(known[n] for n in numbers) if all(n in known for n in numbers) else (),
        )
        for numbers in group_seeds(runs)
    ]
