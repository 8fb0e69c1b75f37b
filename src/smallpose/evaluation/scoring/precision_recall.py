"""Turn matches, sorted by score, into precision at 101 recalls, and that into AP and AR.

As in COCO: precision is made to fall monotonically with recall and read off at recalls
0, .01, …, 1; AP is its mean over recalls and OKS thresholds, AR the mean of the final recalls.
"""

from dataclasses import dataclass

import numpy as np

from smallpose.evaluation.matching import native
from smallpose.evaluation.matching.arrays import Bits, Floats, Ints
from smallpose.evaluation.matching.oks import TINY

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class Curves:
    """Precision and recall of one class; all -1 when it has no people.

    Args:
        precision: (t, r) at each threshold and recall.
        recall: (t,) reached with all detections.
        scores: (t, r) of the detection that reaches each recall; 0 beyond.
    """

    precision: Floats
    recall: Floats
    scores: Floats

    @property
    def ap(self) -> float | None:
        """Return the mean precision; None without people."""
        return average_valid(self.precision)

    @property
    def ar(self) -> float | None:
        """Return the mean recall; None without people."""
        return average_valid(self.recall)


def average_valid(values: Floats) -> float | None:
    """Average what is not -1, as pycocotools does; return None when nothing is left.

    >>> average_valid(np.array([0.25, 0.75])), average_valid(np.array([-1.0]))
    (0.5, None)
    """
    valid = values[values > -1]
    return float(np.mean(valid)) if len(valid) else None


def compute_curves(
    order: Ints,
    scores: Floats,
    *,
    true_positives: Bits,
    false_positives: Bits,
    num_people: int,
    num_thresholds: int = len(THRESHOLDS),
    recalls: Floats = RECALLS,
) -> Curves:
    """Compute precision and recall of one class at each threshold.

    Args:
        order: (e,) detections by falling score; equal ones in the order in which COCO meets them.
        scores: (d,) of all detections.
        true_positives, false_positives: (d,) bit t: at threshold t.
        num_people: who must be detected.
    """
    if num_people == 0:
        shape = (num_thresholds, len(recalls))
        return Curves(np.full(shape, -1.0), np.full(num_thresholds, -1.0), np.full(shape, -1.0))
    precision, recall, score_at = accumulate_matches(
        order, scores, true_positives, false_positives, num_people, num_thresholds, recalls
    )
    return Curves(precision, recall, score_at)


@native.prefer_compiled(native.accumulate_matches)
def accumulate_matches(
    order: Ints,
    scores: Floats,
    true_positives: Bits,
    false_positives: Bits,
    num_people: int,
    num_thresholds: int,
    recalls: Floats,
) -> tuple[Floats, Floats, Floats]:
    """Return the fields of `Curves` for a class with people; arguments as in `compute_curves`."""
    precision = np.zeros((num_thresholds, len(recalls)))
    score_at = np.zeros_like(precision)
    recall = np.zeros(num_thresholds)
    # What counts neither way at any threshold changes nothing.
    counting = order[(true_positives | false_positives)[order] > 0]
    for t in range(num_thresholds):
        positives = np.flatnonzero((true_positives[counting] >> t) & 1)
        tp = np.arange(1.0, len(positives) + 1)
        is_false = (false_positives[counting] >> t) & 1
        fp = np.cumsum(is_false, dtype=np.int64)[positives].astype(float)
        # Recall only rises, and precision only peaks, at true positives: the rest is not needed.
        falling = np.maximum.accumulate((tp / (fp + tp + TINY))[::-1])[::-1]
        index = np.searchsorted(tp / num_people, recalls, side="left")
        is_reached = index < len(positives)
        recall[t] = len(positives) / num_people
        precision[t, is_reached] = falling[index[is_reached]]
        score_at[t, is_reached] = scores[counting[positives[index[is_reached]]]]
        # A recall of 0 is reached by the very first detection, true or false.
        if len(order):
            score_at[t, recalls <= 0] = scores[order[0]]
    return precision, recall, score_at
