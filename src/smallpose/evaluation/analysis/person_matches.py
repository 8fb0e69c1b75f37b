"""Match each person with one prediction as the evaluation does, also those it does not match.

At an OKS of 0.5 these are the evaluation's matches. The people and predictions that are left are
then matched by the same rule at lower thresholds, so that an unmatched person has the prediction
that fits them best.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.analysis.error_diagnosis import MIN_OKS
from smallpose.evaluation.config import ScoringConfig
from smallpose.evaluation.matching.arrays import Candidates, Floats, ImageGroups, Ints, Mask
from smallpose.evaluation.matching.greedy import match_greedily
from smallpose.evaluation.matching.image_groups import group_by_image
from smallpose.evaluation.matching.keypoint_selection import ScoredPoses, select_keypoints
from smallpose.evaluation.matching.oks import compute_pair_oks, find_candidates

MATCH_OKS = 0.5  # COCO's lowest threshold
SHOWN_OKS = 1e-6  # of the farthest prediction that a person is matched with


@dataclass(frozen=True)
class PersonMatches:
    """The prediction of each labelled person, and the predictions without a person.

    Args:
        rows: (n,) rows of the predictions; -1 for a person without one.
        oks: (n,) 0 to 1; 0 without a prediction, NaN for people that the evaluation ignores.
        is_matched: (n,) the evaluation matches the person at an OKS of 0.5.
        unmatched: (f,) rows of the predictions that match neither a person nor an ignored region
            from an OKS of 0.1 on.
    """

    rows: Ints
    oks: Floats
    is_matched: Mask
    unmatched: Ints

    @property
    def is_scored(self) -> Mask:
        """Return (n,) whether the person counts in the evaluation."""
        return np.isfinite(self.oks)


def match_people(
    truth: Instances, predictions: Predictions, max_detections: int | None = None, **options: Any
) -> PersonMatches:
    """Match each person with one prediction, as the evaluation does.

    Args:
        max_detections: of an image (default: all, as under the protocols `owned` and `recall`).
        options: others of `evaluate`.
    """
    config = ScoringConfig(**options)
    scored = select_keypoints(truth, predictions, config)
    groups = group_by_image(truth, predictions, max_detections)
    person, min_oks = _match_in_steps(groups, scored)
    is_counted = scored.classes[0]
    has_person = (person >= 0) & is_counted[person]
    detections, people = groups.detections[has_person], person[has_person]
    rows = np.full(len(truth), -1, dtype=np.intp)
    rows[people] = detections
    oks = np.where(is_counted, 0.0, np.nan)
    oks[people] = compute_pair_oks(scored.poses, detections, people)
    is_matched = np.zeros(len(truth), dtype=bool)
    is_matched[people] = min_oks[has_person] == MATCH_OKS
    return PersonMatches(
        rows=rows,
        oks=oks,
        is_matched=is_matched,
        unmatched=np.sort(groups.detections[min_oks < MIN_OKS]),
    )


def _match_in_steps(groups: ImageGroups, scored: ScoredPoses) -> tuple[Ints, Floats]:
    """Match at falling thresholds, each time what is left.

    Returns: (d,) the person of each detection, -1 for none; (d,) the threshold, 0 for none.
    """
    is_crowd = scored.poses.is_crowd
    candidates = find_candidates(groups, scored.poses, SHOWN_OKS)
    person = np.full(len(groups.detections), -1, dtype=np.intp)
    min_oks = np.zeros(len(groups.detections))
    for threshold in (MATCH_OKS, MIN_OKS, SHOWN_OKS):
        is_taken = np.zeros(len(is_crowd), dtype=bool)
        is_taken[person[person >= 0]] = True
        is_available = (~is_taken | is_crowd)[candidates.people]
        is_left = is_available & (person[candidates.detections] < 0)
        partner = np.full((1, 1, len(person)), -1, dtype=np.intp)
        match_greedily(
            Candidates(
                detections=candidates.detections[is_left],
                people=candidates.people[is_left],
                oks=candidates.oks[is_left],
            ),
            groups.rank,
            scored.classes[:1],
            is_crowd,
            np.array([threshold]),
            partner,
        )
        is_new = partner[0, 0] >= 0
        person[is_new] = partner[0, 0, is_new]
        min_oks[is_new] = threshold
    return person, min_oks
