"""Compute how small a person may get and which run is best, for the page's first lines.

The height from which half of the people are detected, and the lead of the best run on small people
over the others, both with 95 % intervals over images, or over videos if images have one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from smallpose.core.counts import format_count
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.analysis.half_detected import HalfDetected, locate_half
from smallpose.evaluation.scoring.bootstrap import index_clusters
from smallpose.evaluation.scoring.detected_people import DetectedPeople, measure_share_outside
from smallpose.report.inputs.person_matching import PersonMatches
from smallpose.report.inputs.runs import Run
from smallpose.report.inputs.scores import SeedGroup, compute_difference, score_run

# Our own conclusions are drawn from `owned`.
METRIC = "AP_S"
PROTOCOL = "owned"


def find_height_limit(truth: Instances, matches: PersonMatches) -> HalfDetected:
    """Find the height from which on half of the people are detected, as `evaluate` does."""
    people = np.flatnonzero(matches.is_scored)
    image = truth.image_rows[people]
    detected = DetectedPeople(
        image_ids=truth.images.ids[image],
        height=truth.boxes_xywh[people, 3],
        outside=measure_share_outside(truth.boxes_xywh, truth.keypoints)[people],
        is_detected=matches.is_matched[people],
    )
    return locate_half(detected, index_clusters(truth.images.groups)[image])


@dataclass(frozen=True)
class Lead:
    """The lead of the best run over another on small people, in points of AP_S (`owned`).

    Args:
        joints: those that both were scored on, in words.
    """

    difference: float
    low: float
    high: float
    joints: str

    @property
    def verdict(self) -> str:
        """Return "ahead", "behind" or "cannot tell", as the interval allows."""
        if self.low > 0:
            return "ahead"
        return "behind" if self.high < 0 else "cannot tell"

    @property
    def ends(self) -> str:
        """Return the interval in words."""
        return f"{self.low:+.1f} to {self.high:+.1f}"


def compute_leads(
    truth: Instances,
    best: SeedGroup,
    others: Sequence[SeedGroup],
    get_predictions: Callable[[Run], Predictions],
) -> list[Lead | None]:
    """Compare the best run with each of the others, on the same resamples and the same joints.

    Args:
        best, others: runs that differ in nothing but their seed, with their scores.
        get_predictions: returns the predictions of a run.
    Returns: None for runs that cannot be compared: other joints, or no small people.
    """
    best_on_17: SeedGroup | None = None
    best_skeleton = get_predictions(best.first_run).skeleton
    leads: list[Lead | None] = []
    for other in others:
        skeleton = get_predictions(other.first_run).skeleton
        if skeleton.name == best_skeleton.name:
            leads.append(
                _compute_lead(best, other, f"the {format_count(len(best_skeleton), 'joint')}")
            )
        elif "coco17" not in {skeleton.name, best_skeleton.name}:
            leads.append(None)
        else:
            # Runs of 17 joints and of 21 can only be compared on the 17.
            joints = "the 17 joints that both have"
            if best_skeleton.name == "coco17":
                on_17 = _score_on_17(truth, other, get_predictions)
                leads.append(_compute_lead(best, on_17, joints))
            else:
                best_on_17 = best_on_17 or _score_on_17(truth, best, get_predictions)
                leads.append(_compute_lead(best_on_17, other, joints))
    return leads


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
            protocols=(PROTOCOL,),
            num_resamples=num_resamples,
        )
        for run in group.runs
    )
    return SeedGroup(group.runs, scores)


def _compute_lead(best: SeedGroup, other: SeedGroup, joints: str) -> Lead | None:
    difference = compute_difference(best, other, (METRIC, METRIC), PROTOCOL)
    if difference is None or not difference.has_ends:
        return None
    return Lead(difference.value, difference.low, difference.high, joints)
