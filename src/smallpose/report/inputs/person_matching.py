"""The predictions of a run with their matches, and the share of people detected along height."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.analysis.person_matches import PersonMatches, match_people
from smallpose.evaluation.matching.arrays import Floats

__all__ = [
    "DetectionCurve",
    "PersonMatches",
    "RunPredictions",
    "compute_detection_by_height",
    "match_people",
]

MIN_BIN_PEOPLE = 20


@dataclass(frozen=True)
class RunPredictions:
    """The predictions of one run for the test set, and their matches.

    Args:
        label: the run's name in tables and legends.
    """

    label: str
    predictions: Predictions
    matches: PersonMatches


@dataclass(frozen=True)
class DetectionCurve:
    """The share of people detected along a size, in bins of equally many people.

    Args:
        x: (b,) mean height of each bin, px.
        share: (b,) 0 to 1.
        people: (b,) in each bin.
    """

    x: Floats
    share: Floats
    people: NDArray[np.int64]


def compute_detection_by_height(
    truth: Instances, matches: PersonMatches, num_bins: int = 12
) -> DetectionCurve:
    """Compute the share of people matched (OKS from 0.5) by the height of their box in px."""
    scored = np.flatnonzero(matches.is_scored & (truth.boxes_xywh[:, 3] > 0))
    height = truth.boxes_xywh[scored, 3]
    order = np.argsort(height, kind="stable")
    num_bins = min(num_bins, max(len(order) // MIN_BIN_PEOPLE, 1))
    parts = [part for part in np.array_split(order, num_bins) if len(part)]
    is_matched = matches.is_matched[scored]
    return DetectionCurve(
        x=np.array([height[part].mean() for part in parts]),
        share=np.array([is_matched[part].mean() for part in parts]),
        people=np.array([len(part) for part in parts], dtype=np.int64),
    )
