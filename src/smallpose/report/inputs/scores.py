"""Score finished runs again on one ground truth: every protocol, with intervals that can be paired.

Runs record their evaluation, but two of them can only be compared well on the same resamples of
images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Instances
from smallpose.core.interval import Interval
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import COCO17
from smallpose.core.student_t import compute_t_quantile
from smallpose.evaluation.evaluate import Evaluation, evaluate
from smallpose.evaluation.metric_names import Metrics
from smallpose.evaluation.scoring.bootstrap import (
    LEVEL,
    MIN_CLUSTERS,
    compute_difference_interval,
    compute_interval,
    count_class_clusters,
    count_clusters,
    get_class_index,
    resample_metrics,
)
from smallpose.report.inputs.runs import PROTOCOLS, Run, group_seeds

Floats = NDArray[np.float64]
MIN_RESAMPLES = 200
MAX_RESAMPLES = 1000
_MAX_WORK = 2e8  # detections times resamples; above it there are fewer resamples
_MAX_QUICK_WORK = 2.5e6  # likewise, where the scores should take no longer than reading the files


@dataclass(frozen=True)
class RunScore:
    """The scores of one run.

    Args:
        resamples: by protocol and metric, (b,) values over resamples of images, the same for all
            runs.
        num_clusters: images, or videos, that are resampled.
        on_coco17: the scores on COCO's 17 joints; None where they were not computed, or where the
            run or the ground truth has no others.
    """

    run: Run
    evaluation: Evaluation
    resamples: Mapping[str, Mapping[str, Floats]]
    num_clusters: int
    on_coco17: "RunScore | None" = None

    def metric(self, name: str, protocol: str = "coco") -> float | None:
        """Return a metric in points; None for an empty class."""
        value = self.evaluation.protocols.get(protocol, Metrics()).get(name)
        return None if value is None else 100 * value

    def interval(self, name: str, protocol: str = "coco") -> Interval | None:
        """Return a metric in points with its 95 % interval; None for an empty class."""
        resamples = self.resamples.get(protocol, {}).get(name)
        if resamples is None:
            return None
        value = self.evaluation[protocol][name]
        interval = compute_interval(value, resamples, self.num_clusters)
        if interval is None or not self.has_enough_people(name):
            return None
        return interval * 100

    def has_enough_people(self, name: str) -> bool:
        """Return whether the people of the metric's class are in enough images for an interval."""
        class_clusters = count_class_clusters(self.evaluation.match_counts)
        return bool(class_clusters[get_class_index(name)] >= MIN_CLUSTERS)


Scored = Run | RunScore


def choose_num_resamples(num_detections: int, max_work: float = _MAX_QUICK_WORK) -> int:
    """Choose how many resamples a result is worth: 1,000 of a small one, 200 of a large one.

    Intervals are made of standard errors; with 200 resamples these are known within 5 %.
    """
    affordable = max_work / max(num_detections, 1)
    return int(np.clip(affordable, MIN_RESAMPLES, MAX_RESAMPLES))


def score_run(
    run: Run,
    truth: Instances,
    predictions: Predictions,
    *,
    keypoints: str | None = None,
    protocols: Sequence[str] = PROTOCOLS,
    num_resamples: int | None = None,
) -> RunScore:
    """Evaluate the predictions of a run.

    Args:
        keypoints: "coco17" scores runs of setting B on the joints of A.
        num_resamples: of the bootstrap (default: 1,000, or what takes about a minute).
    """
    if num_resamples is None:
        num_resamples = choose_num_resamples(len(predictions), _MAX_WORK)
    result = evaluate(truth, predictions, protocols=protocols, keypoints=keypoints)
    resamples = resample_metrics(result.match_counts, protocols, 20, num_resamples)
    return RunScore(run, result, resamples, count_clusters(result.match_counts.groups))


def score_run_on_both(
    run: Run,
    truth: Instances,
    predictions: Predictions,
    *,
    protocols: Sequence[str] = PROTOCOLS,
    num_resamples: int | None = None,
) -> RunScore:
    """Evaluate a run on its own joints, and if it has more than COCO's 17 on these as well.

    Only the latter can be compared with setting A. A run without training is scored once.
    """
    score = partial(
        score_run,
        truth=truth,
        predictions=predictions,
        protocols=protocols,
        num_resamples=num_resamples,
    )
    if run.is_untrained or not has_more_than_coco17(truth, predictions):
        return score(run)
    return replace(score(run), on_coco17=score(run.on_coco17(), keypoints="coco17"))


def has_more_than_coco17(truth: Instances, predictions: Predictions) -> bool:
    """Return whether scores on COCO's 17 joints differ from those on the joints of both."""
    names = [set(part.skeleton.joints) for part in (truth, predictions)]
    return all(joints > set(COCO17.joints) for joints in names)


@dataclass(frozen=True)
class SeedGroup:
    """Runs that differ in nothing but their seed, or, for subsets, in the images drawn.

    Args:
        scores: one for each run; empty where the runs' data or result files are missing, and then
            the numbers are those that the runs recorded.
    """

    runs: tuple[Run, ...]
    scores: tuple[RunScore, ...] = ()

    @property
    def first_run(self) -> Run:
        """Return one run for all that they share."""
        return self.runs[0]

    def on_coco17(self) -> "SeedGroup | None":
        """Return the group as scored on COCO's 17 joints; None where that is unknown."""
        if self.first_run.setting != "B" or self.first_run.is_untrained:
            return None
        runs = tuple(run.on_coco17() for run in self.runs)
        scores = tuple(score.on_coco17 for score in self.scores if score.on_coco17 is not None)
        group = SeedGroup(runs, scores if len(scores) == len(runs) else ())
        return group if group.protocols() else None

    def protocols(self) -> tuple[str, ...]:
        """Return the protocols that the runs are scored by."""
        if self.scores:
            return tuple(p for p in PROTOCOLS if p in self.scores[0].evaluation.protocols)
        return self.first_run.protocols

    def values(self, name: str, protocol: str) -> list[float] | None:
        """Return the points of each run; None when one of them has no value."""
        values = [scored.metric(name, protocol) for scored in self.scores or self.runs]
        return None if None in values else [v for v in values if v is not None]

    def resample_mean(self, name: str, protocol: str) -> Floats:
        """Return (b,) points of the mean over runs in each resample; needs scores."""
        draws = _keep_shared([score.resamples[protocol][name] for score in self.scores])
        return np.asarray(100 * np.mean(draws, axis=0))

    def measure(self, name: str, protocol: str = "coco") -> Interval | None:
        """Return the mean over seeds; its interval covers the choice of images and of seeds."""
        values = self.values(name, protocol)
        if values is None:
            return None
        mean = float(np.mean(values))
        if self.scores:
            resamples = self.resample_mean(name, protocol)
            of_images = compute_interval(mean / 100, resamples / 100, self.scores[0].num_clusters)
            if of_images is None or not self.scores[0].has_enough_people(name):
                return Interval(mean)
            spread = widen_by_seeds(of_images * 100, [values])
            # The spread of few seeds can reach beyond the range of an average precision.
            return Interval(mean, max(spread.low, 0.0), min(spread.high, 100.0))
        recorded = self.first_run.interval(name, protocol) if len(values) == 1 else None
        return recorded or Interval(mean)


def _keep_shared(draws: Sequence[Floats]) -> list[Floats]:
    """Keep the resamples that all have: runs of more detections have fewer, and the first agree."""
    shared = min(len(values) for values in draws)
    return [values[:shared] for values in draws]


def compute_difference(
    one: SeedGroup, other: SeedGroup, names: tuple[str, str], protocol: str, level: float = LEVEL
) -> Interval | None:
    """Subtract a metric of the second from one of the first.

    Images are paired, seeds are not.
    """
    a, b = one.values(names[0], protocol), other.values(names[1], protocol)
    if a is None or b is None or not (one.scores and other.scores):
        return None
    mean = float(np.mean(a) - np.mean(b))
    groups = zip((one, other), names, strict=True)
    left, right = _keep_shared([group.resample_mean(name, protocol) for group, name in groups])
    resamples = left - right
    of_images = compute_difference_interval(mean, resamples, one.scores[0].num_clusters, level)
    if of_images is None or not all(one.scores[0].has_enough_people(name) for name in names):
        return Interval(mean)
    return widen_by_seeds(of_images, [a, b], level)


def widen_by_seeds(
    of_images: Interval, values: Sequence[Sequence[float]], level: float = LEVEL
) -> Interval:
    """Widen an interval over images by the spread of seeds.

    Args:
        values: of each seed, one list for a mean, two for a difference.
    """
    seeds = _compute_seed_spread(values, level)
    mean = of_images.value
    low, high = max(mean - of_images.low, 0.0), max(of_images.high - mean, 0.0)
    ends = mean - float(np.hypot(low, seeds)), mean + float(np.hypot(high, seeds))
    return Interval(mean, *ends)


def _compute_seed_spread(values: Sequence[Sequence[float]], level: float) -> float:
    """Compute the half-width of the interval over seeds, for a mean or a difference of two.

    It is 0 with one seed each.
    """
    parts = [(np.var(v, ddof=1) / len(v), len(v) - 1) for v in values if len(v) > 1]
    if not parts:
        return 0.0
    t = compute_t_quantile(level, sum(free for _, free in parts))
    return t * float(np.sqrt(sum(part for part, _ in parts)))


def group_scores(
    runs: Sequence[Run], scores: Mapping[int, RunScore] | None = None
) -> list[SeedGroup]:
    """Group runs that differ in nothing but their seed, in the order of their first.

    Args:
        scores: of each run, by its index; a group has scores only when all of its runs do.
    """
    scores = scores or {}
    return [
        SeedGroup(
            runs=tuple(runs[n] for n in indices),
            scores=tuple(scores[n] for n in indices) if all(n in scores for n in indices) else (),
        )
        for indices in group_seeds(runs)
    ]
