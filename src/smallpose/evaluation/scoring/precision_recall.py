"""Matches, sorted by score, to precision at 101 recalls, and from there to AP and AR.

As in COCO: precision is made to fall monotonically with recall and read off at recalls
0, .01, …, 1; AP is its mean over recalls and OKS thresholds, AR the mean of the final recalls.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.evaluation.matching import native
from smallpose.evaluation.matching.oks import TINY

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bits = NDArray[np.uint16]
THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class Curves:
    """Precision and recall of one class; all -1 when nobody is in it.

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
        """Mean precision; None without people."""
        return average_valid(self.precision)

    @property
    def ar(self) -> float | None:
        """Mean recall; None without people."""
        return average_valid(self.recall)


def average_valid(values: Floats) -> float | None:
    """As pycocotools sums up: over what is not -1; None when nothing is left.

    >>> mean(np.array([0.25, 0.75])), mean(np.array([-1.0]))
    (0.5, None)
    """
    there = values[values > -1]
    return float(np.mean(there)) if len(there) else None


def compute_curves(
    order: Ints,
    scores: Floats,
    hit: Bits,
    false: Bits,
    people: int,
    thresholds: int = len(THRESHOLDS),
    recalls: Floats = RECALLS,
) -> Curves:
    """Precision and recall of one class at each threshold.

    Args:
        order: (e,) detections by falling score; equal ones in the order COCO would meet them.
        scores: (d,) of all detections.
        hit, false: (d,) bit t: a true, a false positive at threshold t.
        people: how many there were to find.
    """
    shape = (thresholds, len(recalls))
    if people == 0:
        return Curves(np.full(shape, -1.0), np.full(thresholds, -1.0), np.full(shape, -1.0))
    if native.CORE is not None:
        columns = (hit, false, native.floats(scores), people, recalls, thresholds)
        return Curves(*native.curve(order, *columns))
    out = Curves(np.zeros(shape), np.zeros(thresholds), np.zeros(shape))
    # What counts neither way at any threshold moves nothing.
    alive = order[(hit | false)[order] > 0]
    for t in range(thresholds):
        true = np.flatnonzero((hit[alive] >> t) & 1)
        tp = np.arange(1.0, len(true) + 1)
        fp = np.cumsum((false[alive] >> t) & 1, dtype=np.int64)[true].astype(float)
        # Recall only rises, and precision only peaks, at true positives: the rest is not needed.
        precision = tp / (fp + tp + TINY)
        falling = np.maximum.accumulate(precision[::-1])[::-1]
        place = np.searchsorted(tp / people, recalls, side="left")
        reached = place < len(true)
        out.recall[t] = len(true) / people
        out.precision[t, reached] = falling[place[reached]]
        out.scores[t, reached] = scores[alive[true[place[reached]]]]
        # A recall of 0 is reached by the very first detection, right or wrong.
        if len(order):
            out.scores[t, recalls <= 0] = scores[order[0]]
    return out
