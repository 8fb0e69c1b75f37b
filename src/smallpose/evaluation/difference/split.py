"""Split the AP difference of two results: people found, joints placed, ranking, false positives.

Each part is the Shapley value of its cause: the change of AP when this cause is taken from the
second result instead of the first, averaged over all orders in which the causes can be exchanged.
Therefore the parts add up to the difference, a cause in which the results do not differ has exactly
0, and the order in which causes are named does not matter.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import factorial
from typing import Any

import numpy as np

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.interval import Interval
from smallpose.core.predictions import Predictions
from smallpose.evaluation.analysis.common_joints import choose_common_joints
from smallpose.evaluation.config import ScoringConfig, refuse_unnamed_results
from smallpose.evaluation.difference.correspondence import (
    CAUSES,
    FALSE_POSITIVES,
    Correspondence,
    pair_detections,
)
from smallpose.evaluation.difference.mixtures import Mixer
from smallpose.evaluation.difference.two_results import TwoResults, join_results
from smallpose.evaluation.matching.arrays import Floats
from smallpose.evaluation.protocols import CLASSES
from smallpose.evaluation.scoring.bootstrap import (
    MIN_CLUSTERS,
    MIN_RESAMPLES,
    compute_difference_interval,
    compute_weighted_ap,
    count_clusters,
    draw_weights,
    index_clusters,
    list_ends,
)
from smallpose.evaluation.scoring.match_counts import MatchCounts

SPLIT_CLASSES = ("all", "small", "dense")
# The error of a standard error from 200 resamples is 5 %; sixteen mixtures are scored under each.
MAX_RESAMPLES = 200
_Mixture = tuple[bool, ...]  # for each of `CAUSES`, whether it is from the second result


@dataclass(frozen=True)
class SplitMetric:
    """The difference in one metric and its parts.

    Args:
        name: such as `AP_S`.
        base_value, other_value: AP of the two results; None without people.
        difference: other minus base.
        parts: by cause, which add up to the difference; None without people.
        intervals: 95 % of each part, where they can be computed.
        people: how many of the class were found by `both`, only one, or `neither` result.
    """

    name: str
    base_value: float | None
    other_value: float | None
    difference: float | None
    parts: dict[str, float | None]
    intervals: dict[str, Interval | None]
    people: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return the metric for JSON."""
        parts = {
            cause: {"value": value, "interval": list_ends(self.intervals[cause])}
            for cause, value in self.parts.items()
        }
        return {"difference": self.difference, **parts, "people": self.people}


@dataclass(frozen=True, repr=False)
class DifferenceSplit:
    """Where the difference between two results comes from.

    Args:
        base, other: names of the results.
        protocol: whose AP it is.
        metrics: of all, small and dense people.
        false_positives: detections that belong to no person in `both` results or in one only.
        num_resamples: that the intervals are made of.
    """

    base: str
    other: str
    protocol: str
    metrics: tuple[SplitMetric, ...]
    false_positives: dict[str, int]
    num_resamples: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the split for JSON."""
        return {
            "base": self.base,
            "other": self.other,
            "protocol": self.protocol,
            "metrics": {one.name: one.to_dict() for one in self.metrics},
            "false_positives": self.false_positives,
            "draws": self.num_resamples,
        }

    def __repr__(self) -> str:
        """Return what was split in one line; `print` shows all."""
        return f"DifferenceSplit({self.other} against {self.base}; print shows all)"

    def __str__(self) -> str:
        from smallpose.evaluation.difference.split_table import format_split

        return format_split(self)


def split_difference(
    truth: Instances,
    predictions: Mapping[str, Predictions],
    *,
    protocol: str = "coco",
    num_resamples: int = 1000,
    seed: int = 0,
    **options: Any,
) -> DifferenceSplit:
    """Split the difference in AP between two results.

    Args:
        predictions: two results by name; of the same joints, unless `keypoints` says which.
        protocol: `coco` or `owned`.
        num_resamples: of the bootstrap, for 95 % intervals; 0 for none, at most 200 are made.
        options: as for `evaluate`, without `protocols`.
    Raises: InputError when there are not two results, or for a protocol without precision.
    """
    refuse_unnamed_results("split_difference", truth, predictions)
    if len(predictions) != 2:
        raise InputError("split_difference", "not two results", "pass two results by name")
    if protocol not in ("coco", "owned"):
        raise InputError(
            f"protocol {protocol}", "false positives cost nothing in it", "use coco or owned"
        )
    if 0 < num_resamples < MIN_RESAMPLES:
        raise InputError(
            f"--intervals {num_resamples}", "too few resamples", "use 1000, or 0 for no intervals"
        )
    common = choose_common_joints(predictions, options.get("keypoints"))
    predictions, options["keypoints"] = common.predictions, common.keypoints
    config = ScoringConfig(protocols=(protocol,), **options)
    base, other = predictions.values()
    results = join_results(truth, base, other, config)
    correspondence = pair_detections(results)
    indices = [i for i, one in enumerate(CLASSES) if one.name in SPLIT_CLASSES]
    mixer = Mixer(results, correspondence, indices, config)
    active = mixer.list_active_causes()
    mixtures = _list_mixtures(active)
    counts = [mixer.count_matches(mixture) for mixture in mixtures]
    weights = _weight_mixtures(mixtures, active)
    num_resamples = min(num_resamples, MAX_RESAMPLES)
    values = np.array(
        [[curve.ap for curve in one.compute_curves(protocol, None)] for one in counts],
        dtype=np.float64,
    ).T
    resampled = _resample_values(counts, protocol, num_resamples, seed)
    names = tuple(predictions)
    return DifferenceSplit(
        base=names[0],
        other=names[1],
        protocol=protocol,
        metrics=tuple(
            _split_metric(
                f"AP{CLASSES[i].suffix}",
                counts[0],
                c,
                values[c],
                weights,
                resampled[c],
                people=_count_people(correspondence, results.scored.classes[i]),
            )
            for c, i in enumerate(indices)
        ),
        false_positives=_count_false_positives(results, correspondence),
        num_resamples=num_resamples,
    )


def _list_mixtures(active: Sequence[int]) -> list[_Mixture]:
    """List the mixtures to score; causes that change nothing go with the second result at the end.

    The first mixture is the first result and the last one the second.
    """
    mixtures = []
    for chosen in itertools.product((False, True), repeat=len(active)):
        mixture = [False] * len(CAUSES)
        for cause, is_other in zip(active, chosen, strict=True):
            mixture[cause] = is_other
        mixtures.append(tuple(mixture))
    mixtures[-1] = (True,) * len(CAUSES)
    return mixtures


def _weight_mixtures(mixtures: Sequence[_Mixture], active: Sequence[int]) -> Floats:
    """Return (4, s) weights whose products with the AP of the mixtures are the parts."""
    weights = np.zeros((len(CAUSES), len(mixtures)))
    n = len(active)
    for s, mixture in enumerate(mixtures):
        size = sum(mixture[cause] for cause in active)
        for cause in active:
            # Of all orders of n causes, the share in which exactly the others precede this one.
            others = size - mixture[cause]
            share = factorial(others) * factorial(n - others - 1) / factorial(n)
            weights[cause, s] = share if mixture[cause] else -share
    return weights


def _resample_values(
    counts: Sequence[MatchCounts], protocol: str, num_resamples: int, seed: int
) -> Floats:
    """Return the (c, s, b) AP of each class and mixture under the same resamples of images."""
    num_classes = len(counts[0].classes)
    batches = [np.zeros((num_classes, len(counts), 0))]
    if num_resamples:
        for weights in draw_weights(counts[0].groups, num_resamples, seed):
            batch = [
                [compute_weighted_ap(one, weights, None, protocol, c) for one in counts]
                for c in range(num_classes)
            ]
            batches.append(np.array(batch))
    return np.concatenate(batches, axis=2)


def _split_metric(
    name: str,
    counts: MatchCounts,
    c: int,
    values: Floats,
    weights: Floats,
    resampled: Floats,
    people: dict[str, int],
) -> SplitMetric:
    """Compute the parts of one metric.

    Args:
        counts: of any mixture: all have the same people.
        c: index of the class.
        values: (s,) of the mixtures; NaN without people.
        weights: (4, s) from `_weight_mixtures`.
        resampled: (s, b) of `_resample_values`.
    """
    if np.isnan(values).any():
        nothing = dict.fromkeys(CAUSES)
        return SplitMetric(name, None, None, None, dict(nothing), dict(nothing), people)
    base, other = float(values[0]), float(values[-1])
    parts = weights @ values
    drawn = weights @ resampled
    clusters = index_clusters(counts.groups)
    has_people = counts.num_people[:, c] > 0
    is_enough = drawn.shape[1] > 0 and len(np.unique(clusters[has_people])) >= MIN_CLUSTERS
    intervals: dict[str, Interval | None] = dict.fromkeys(CAUSES)
    if is_enough:
        num_clusters = count_clusters(counts.groups)
        for i, cause in enumerate(CAUSES):
            draws = drawn[i] if weights[i].any() else np.zeros(drawn.shape[1])
            intervals[cause] = compute_difference_interval(float(parts[i]), draws, num_clusters)
    return SplitMetric(
        name=name,
        base_value=base,
        other_value=other,
        difference=other - base,
        parts=dict(zip(CAUSES, parts.tolist(), strict=True)),
        intervals=intervals,
        people=people,
    )


def _count_people(correspondence: Correspondence, is_member: Any) -> dict[str, int]:
    in_base, in_other = correspondence.is_found[:, is_member]
    return {
        "both": int((in_base & in_other).sum()),
        "base_only": int((in_base & ~in_other).sum()),
        "other_only": int((in_other & ~in_base).sum()),
        "neither": int((~in_base & ~in_other).sum()),
    }


def _count_false_positives(results: TwoResults, correspondence: Correspondence) -> dict[str, int]:
    both = correspondence
    single = both.single_rows[both.single_causes == FALSE_POSITIVES]
    in_base = int((single < results.num_base).sum())
    return {
        "both": int((both.pair_causes == FALSE_POSITIVES).sum()),
        "base_only": in_base,
        "other_only": len(single) - in_base,
    }
