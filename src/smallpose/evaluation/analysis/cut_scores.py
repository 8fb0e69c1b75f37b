"""Tell compared results one of which lacks the detections of low scores that another has.

AP counts detections of all scores. A tool that leaves those below a limit out (Ultralytics below
.25 by default) has a lower AP than with them, which says nothing about its model.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from smallpose.core.counts import format_count
from smallpose.core.score_limits import ScoreLimit
from smallpose.evaluation.comparability import describe_label_boxes
from smallpose.evaluation.matching.arrays import Floats

if TYPE_CHECKING:
    from smallpose.evaluation.evaluate import Evaluation

LOWER_AP = "its AP is lower for that"  # in the note
MAX_SAMPLE = 1001  # scores that are kept of a result
_MIN_LIMIT = 0.05  # lowest score of results that may have been cut
_MIN_SHARE_BELOW = 0.05  # of the detections of another result
_MIN_BELOW = 10  # of them, likewise


@dataclass(frozen=True)
class ScoreFacts:
    """What is known of the scores of a result.

    Args:
        scores: (d,) of its detections; of many, a sample with the lowest and the highest.
        num_detections: of the result.
        limit: what limits on scores left out, as in "--min-score 0.3 left out 25 of 105
            detections"; "" where they left out nothing, None where that is not known.
    """

    scores: Floats
    num_detections: int
    limit: str | None = None

    def count_below(self, score: float) -> int:
        """Return how many detections have a lower score."""
        share = np.count_nonzero(self.scores < score) / max(len(self.scores), 1)
        return round(share * self.num_detections)

    def sample(self) -> Floats:
        """Return at most `MAX_SAMPLE` of the scores, evenly spaced in their order."""
        num_kept = min(len(self.scores), MAX_SAMPLE)
        rows = np.linspace(0, max(len(self.scores) - 1, 0), num_kept).round().astype(np.intp)
        return np.sort(self.scores)[rows]


def collect_score_facts(evaluation: "Evaluation", environment: Mapping[str, Any]) -> ScoreFacts:
    """Collect what is known of the scores of a result.

    Args:
        environment: what the result was computed with, as far as it is known.
    """
    counts = evaluation.match_counts
    num_people = int(counts.num_people[:, 0].sum())
    if describe_label_boxes(evaluation.settings) and len(counts.scores) >= num_people:
        limit: str | None = ""  # each labelled person has a detection
    else:
        limit = _describe_recorded_limit(environment)
    return ScoreFacts(counts.scores, len(counts.scores), limit)


def _describe_recorded_limit(environment: Mapping[str, Any]) -> str | None:
    """Describe the limits on scores that `smallpose predict` recorded, as `ScoreFacts.limit`."""
    recorded = environment.get("score_limits") or {}
    if "smallpose" not in environment or not isinstance(recorded, Mapping):
        return None
    try:
        limits = [
            ScoreLimit(name, float(one["score"]), int(one["left_out"]), int(one["detections"]))
            for name, one in recorded.items()
            if "oks" not in one  # a limit on overlap
        ]
    except (KeyError, TypeError, ValueError):  # a file that was edited
        return None
    return ", ".join(limit.describe() for limit in limits if limit.num_left_out)


def describe_cut_scores(facts: Mapping[str, ScoreFacts]) -> dict[str, str]:
    """Say which results have no score below a limit where others have many.

    Args:
        facts: by the name of the result.

    Returns: a note on each of these results, by its name.
    """
    notes = {name: _describe_cut(name, facts) for name in facts}
    return {name: note for name, note in notes.items() if note}


def _describe_cut(name: str, facts: Mapping[str, ScoreFacts]) -> str:
    own = facts[name]
    lowest = float(own.scores.min(initial=np.inf))
    is_known = bool(own.limit)
    # Equal scores are no detections of high scores alone; they have a note of their own.
    is_cut = (is_known or lowest >= _MIN_LIMIT) and lowest < own.scores.max(initial=-np.inf)
    if own.limit == "" or not is_cut:
        return ""
    below = {other: one.count_below(lowest) for other, one in facts.items()}
    # All below: scores of another scale.
    others = [other for other, one in facts.items() if below[other] < one.num_detections]
    other = max(others, key=lambda key: below[key] / facts[key].num_detections)
    total = facts[other].num_detections
    if below[other] < max(_MIN_BELOW, _MIN_SHARE_BELOW * total):
        return ""
    detections = format_count(total, "detection")
    shown = math.floor(1000 * lowest) / 1000
    text = f"{name} has no score below {shown:g}, and {other} has {below[other]:,} of {detections} "
    if is_known:
        return (
            f"{text}there: {name} was written with a limit on scores ({own.limit}), and "
            f"{LOWER_AP}; predict without one"
        )
    return (
        f"{text}there: if {name} was written with a limit on scores, {LOWER_AP}; write it without "
        "one (Ultralytics: conf=0.01)"
    )
