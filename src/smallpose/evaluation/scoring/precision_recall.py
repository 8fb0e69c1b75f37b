"""Turn matches, sorted by score, into precision at 101 recalls, and that into AP and AR.

As in COCO: precision is made to fall monotonically with recall and read off at recalls
0, .01, …, 1; AP is its mean over recalls and OKS thresholds, AR the mean of the final recalls.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smallpose.evaluation.matching import native
from smallpose.evaluation.matching.arrays import Bits, Floats, Ints
from smallpose.evaluation.matching.oks import TINY

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)


class Curves(NamedTuple):
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
        is_false = (false_positives[counting] >> t) & 1
        fp = np.cumsum(is_false, dtype=np.int64)[positives]
        precision[t], index = _read_off_precision(fp, num_people, recalls)
        is_reached = index < len(positives)
        recall[t] = len(positives) / num_people
        score_at[t, is_reached] = scores[counting[positives[index[is_reached]]]]
        # A recall of 0 is reached by the very first detection, true or false.
        if len(order):
            score_at[t, recalls <= 0] = scores[order[0]]
    return precision, recall, score_at


@native.prefer_compiled(native.accumulate_changes)
def accumulate_changes(
    position: Ints,
    true_positives: Bits,
    false_positives: Bits,
    replaced: Bits,
    common_counts: NDArray[np.int32],
    num_people: int,
    recalls: Floats = RECALLS,
) -> tuple[Floats, Floats]:
    """Return (t, r) precision and (t,) recall where most false positives are common to many calls.

    Args:
        position: (e,) of some detections in the order of all, rising; the others have no true
            positives here, and the common false positives.
        true_positives, false_positives: (e,) of these detections.
        replaced: (e,) their common false positives.
        common_counts: (t, o) common false positives up to each position; see `count_up_to`.
        num_people: who must be detected; above 0.
    """
    num_thresholds = len(common_counts)
    precision = np.zeros((num_thresholds, len(recalls)))
    recall = np.zeros(num_thresholds)
    for t in range(num_thresholds):
        positives = np.flatnonzero((true_positives >> t) & 1)
        is_false, was_false = (
            ((bits >> t) & 1).astype(int) for bits in (false_positives, replaced)
        )
        change = np.cumsum(is_false - was_false)
        fp = common_counts[t][position[positives]] + change[positives]
        precision[t], _ = _read_off_precision(fp, num_people, recalls)
        recall[t] = len(positives) / num_people
    return precision, recall


def count_up_to(flags: Bits, num_thresholds: int) -> NDArray[np.int32]:
    """Count the (o,) detections with bit t up to each one, for each threshold: (t, o)."""
    counts = np.empty((num_thresholds, len(flags)), np.int32)
    for t, row in enumerate(counts):
        np.cumsum((flags >> t) & 1, dtype=np.int32, out=row)
    return counts


def _read_off_precision(
    fp: NDArray[np.integer], num_people: int, recalls: Floats
) -> tuple[Floats, Ints]:
    """Return (r,) precision and the first true positive at each recall, `len(fp)` beyond.

    Args:
        fp: false positives before each true positive.
    """
    tp = np.arange(1.0, len(fp) + 1)
    # Recall only rises, and precision only peaks, at true positives: the rest is not needed.
    falling = np.maximum.accumulate((tp / (fp.astype(float) + tp + TINY))[::-1])[::-1]
    index = np.searchsorted(tp / num_people, recalls, side="left")
    return np.append(falling, 0.0)[index], index
