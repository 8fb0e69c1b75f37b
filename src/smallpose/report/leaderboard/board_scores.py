"""Compute what a row of a leaderboard keeps of an evaluation: scores, resamples and intervals."""

from smallpose.evaluation.evaluate import Evaluation
from smallpose.evaluation.scoring.bootstrap import (
    MIN_CLUSTERS,
    compute_interval,
    count_class_clusters,
    count_clusters,
    get_class_index,
    resample_metrics,
)
from smallpose.report.leaderboard.board import RANKED, Draws, Rules

PROTOCOLS = ("coco", "owned")
MAX_DETECTIONS = 20  # of an image that count under `coco`


def select_ranked(metrics: dict[str, float | None]) -> dict[str, float | None]:
    """Return the metrics by which rows are ranked."""
    return {name: metrics[name] for name in RANKED}


def resample_scores(evaluation: Evaluation, rules: Rules) -> Draws:
    """Resample the ranked metrics, by `protocol/metric`."""
    resamples = resample_metrics(
        evaluation.match_counts, PROTOCOLS, MAX_DETECTIONS, rules.num_resamples, rules.seed
    )
    return {
        f"{protocol}/{name}": resamples[protocol][name] for protocol in PROTOCOLS for name in RANKED
    }


def compute_score_intervals(
    evaluation: Evaluation, draws: Draws
) -> dict[str, dict[str, tuple[float, float] | None]]:
    """Compute the 95 % interval of each ranked metric; None where there are too few images."""
    counts = evaluation.match_counts
    num_clusters = count_clusters(counts.groups)
    class_clusters = count_class_clusters(counts)
    intervals: dict[str, dict[str, tuple[float, float] | None]] = {}
    for protocol in PROTOCOLS:
        intervals[protocol] = {}
        for name in RANKED:
            value = evaluation[protocol][name]
            interval = compute_interval(value, draws[f"{protocol}/{name}"], num_clusters)
            if class_clusters[get_class_index(name)] < MIN_CLUSTERS:
                interval = None
            ends = None if interval is None else (interval.low, interval.high)
            intervals[protocol][name] = ends
    return intervals
