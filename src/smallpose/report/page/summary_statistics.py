"""Compute how small a person may get and which run is best, for the page's first lines.

The height from which half of the people are detected, and the lead of the best run on small people
over the others, both with 95 % intervals over images, or over videos if images have one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from smallpose.core.counts import format_count
from smallpose.core.instances import Instances
from smallpose.core.interval import Interval
from smallpose.core.predictions import Predictions
from smallpose.core.student_t import compute_t_quantile
from smallpose.evaluation.analysis.comparison import apply_holm_correction, compute_p_value
from smallpose.evaluation.analysis.half_detected import HalfDetected
from smallpose.evaluation.analysis.half_detected_fit import locate_half
from smallpose.evaluation.protocols import AP_NAMES
from smallpose.evaluation.scoring.bootstrap import (
    LEVEL,
    count_class_clusters,
    get_class_index,
    index_clusters,
)
from smallpose.evaluation.scoring.cluster_units import name_unit
from smallpose.evaluation.scoring.detected_people import DetectedPeople, measure_share_outside
from smallpose.report.inputs.person_matching import PersonMatches
from smallpose.report.inputs.runs import Run
from smallpose.report.inputs.scores import SeedGroup, compute_difference, score_run

# Our own conclusions are drawn from `owned`.
METRIC = "AP_S"
PROTOCOL = "owned"
# Those that `compare` scores, and corrects p-values over.
COMPARED_PROTOCOLS = ("coco", "owned")
SIGNIFICANCE = 0.05
CONSTANT = "0 here and in all resamples"


def find_height_limit(
    truth: Instances, matches: PersonMatches, doubt: str = "", caution: str = ""
) -> HalfDetected:
    """Find the height from which on half of the people are detected, as `evaluate` does.

    Args:
        doubt: why a note lets no height be named; "" where none does.
        caution: what a note says against a height that is named.
    """
    people = np.flatnonzero(matches.is_scored)
    image = truth.image_rows[people]
    detected = DetectedPeople(
        image_ids=truth.images.ids[image],
        height=truth.boxes_xywh[people, 3],
        outside=measure_share_outside(truth.boxes_xywh, truth.keypoints)[people],
        is_detected=matches.is_matched[people],
    )
    half = locate_half(detected, index_clusters(truth.images.groups)[image])
    return replace(half, doubt=doubt, caution=caution, unit=name_unit(truth.images.groups))


@dataclass(frozen=True)
class Lead:
    """The lead of the best run over another on small people, in points of AP_S (`owned`).

    Args:
        low, high: ends of its 95 % interval, by itself.
        joints: those that both were scored on, in words.
        everyone: the lead over all people, in points of AP (`owned`).
        p, p_everyone: of both, corrected as by `compare`; None where too few images decide.
        num_tests: the comparisons that p-values are corrected for.
    """

    difference: float
    low: float
    high: float
    joints: str
    everyone: Interval | None = None
    p: float | None = None
    p_everyone: float | None = None
    num_tests: int = 0

    @property
    def verdict(self) -> str:
        """Return "ahead", "behind" or "cannot tell" on small people, as `compare` decides."""
        return _decide(self.difference, self.p)

    @property
    def verdict_everyone(self) -> str:
        """Return the same over all people."""
        return _decide(self.everyone.value if self.everyone else 0.0, self.p_everyone)

    @property
    def interval(self) -> Interval:
        """Return the difference on small people with its interval."""
        return Interval(self.difference, self.low, self.high)

    @property
    def ends(self) -> str:
        """Return the interval in words, or why there is none."""
        return describe_ends(self.interval)


def describe_ends(lead: Interval) -> str:
    """Describe the interval of a lead; one that is 0 in all resamples has none, as in `compare`."""
    if lead.low == lead.high == 0:
        return f"no interval: {CONSTANT}"
    return f"{lead.low:+.1f} to {lead.high:+.1f}"


def _decide(difference: float, p: float | None) -> str:
    if p is None or p >= SIGNIFICANCE:
        return "cannot tell"
    return "ahead" if difference > 0 else "behind"


@dataclass(frozen=True)
class _Pair:
    """The best run and another, scored on the same joints."""

    best: SeedGroup
    other: SeedGroup
    joints: str


def compute_leads(
    truth: Instances,
    best: SeedGroup,
    others: Sequence[SeedGroup],
    get_predictions: Callable[[Run], Predictions],
) -> list[Lead | None]:
    """Compare the best run with each of the others, on the same resamples and the same joints.

    Verdicts follow the rule of `compare`: p-values are corrected over all classes under `coco` and
    `owned` and over all of the others.

    Args:
        best, others: runs that differ in nothing but their seed, with their scores.
        get_predictions: returns the predictions of a run.
    Returns: None for runs that cannot be compared: other joints, or no small people.
    """
    best_on_17: SeedGroup | None = None
    best_skeleton = get_predictions(best.first_run).skeleton
    pairs: list[_Pair | None] = []
    for other in others:
        skeleton = get_predictions(other.first_run).skeleton
        if skeleton.name == best_skeleton.name:
            joints = f"the {format_count(len(best_skeleton), 'joint')}"
            pairs.append(_Pair(best, other, joints))
        elif "coco17" not in {skeleton.name, best_skeleton.name}:
            pairs.append(None)
        else:
            # Runs of 17 joints and of 21 can only be compared on the 17.
            joints = "the 17 joints that both have"
            if best_skeleton.name == "coco17":
                on_17 = _score_on_17(truth, other, get_predictions)
                pairs.append(_Pair(best, on_17, joints))
            else:
                best_on_17 = best_on_17 or _score_on_17(truth, best, get_predictions)
                pairs.append(_Pair(best_on_17, other, joints))
    p_values = _compute_p_values(pairs)
    return [
        None if pair is None else _compute_lead(pair, index, p_values)
        for index, pair in enumerate(pairs)
    ]


def _compute_p_values(pairs: Sequence[_Pair | None]) -> dict[tuple[int, str, str], float]:
    """Compute the corrected p-values of all pairs, by index of the pair, protocol and metric."""
    p_values = {
        (index, protocol, name): p
        for index, pair in enumerate(pairs)
        if pair is not None
        for protocol in COMPARED_PROTOCOLS
        for name in AP_NAMES
        if (p := _compute_p(pair, name, protocol)) is not None
    }
    corrected = apply_holm_correction(list(p_values.values()))
    return dict(zip(p_values, corrected, strict=True))


def _compute_p(pair: _Pair, name: str, protocol: str) -> float | None:
    """Compute the p-value of a difference from its interval, which also covers seeds."""
    groups = (pair.best, pair.other)
    if any(protocol not in score.resamples for group in groups for score in group.scores):
        return None
    difference = compute_difference(*groups, (name, name), protocol)
    if difference is None or not difference.has_ends:
        return None
    score = pair.best.scores[0]
    class_clusters = count_class_clusters(score.evaluation.match_counts)
    half_width = (difference.high - difference.low) / 2
    error = half_width / compute_t_quantile(LEVEL, score.num_clusters - 1)
    return compute_p_value(difference.value, error, int(class_clusters[get_class_index(name)]))


def _score_on_17(
    truth: Instances, group: SeedGroup, get_predictions: Callable[[Run], Predictions]
) -> SeedGroup:
    known = group.on_coco17()
    if known is not None and known.scores:
        return known
    num_resamples = len(group.scores[0].resamples[PROTOCOL][METRIC])
    scores = tuple(
        score_run(
            run,
            truth,
            get_predictions(run),
            keypoints="coco17",
            protocols=COMPARED_PROTOCOLS,
            num_resamples=num_resamples,
        )
        for run in group.runs
    )
    return SeedGroup(group.runs, scores)


def _compute_lead(
    pair: _Pair, index: int, p_values: Mapping[tuple[int, str, str], float]
) -> Lead | None:
    difference = compute_difference(pair.best, pair.other, (METRIC, METRIC), PROTOCOL)
    if difference is None or not difference.has_ends:
        return None
    return Lead(
        difference=difference.value,
        low=difference.low,
        high=difference.high,
        joints=pair.joints,
        everyone=compute_difference(pair.best, pair.other, ("AP", "AP"), PROTOCOL),
        p=p_values.get((index, PROTOCOL, METRIC)),
        p_everyone=p_values.get((index, PROTOCOL, "AP")),
        num_tests=len(p_values),
    )
