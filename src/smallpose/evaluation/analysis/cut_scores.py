"""Tell compared results one of which lacks the detections of low scores that another has.

AP counts detections of all scores. A tool that leaves those below a limit out (Ultralytics below
.25 by default) has a lower AP than with them, which says nothing about its model.
"""

import math
from collections.abc import Mapping

import numpy as np

from smallpose.core.counts import format_count
from smallpose.evaluation.matching.arrays import Floats

_MIN_LIMIT = 0.05  # lowest score of results that may have been cut
_MIN_SHARE_BELOW = 0.05  # of the detections of another result
_MIN_BELOW = 10  # of them, likewise


def describe_cut_scores(scores: Mapping[str, Floats]) -> list[str]:
    """Say which results have no score below a limit where others have many.

    Args:
        scores: (d,) of the detections, by the name of the result.
    """
    notes = []
    for name, own in scores.items():
        lowest = float(own.min(initial=np.inf))
        # Equal scores are no detections of high scores alone; they have a note of their own.
        if not _MIN_LIMIT <= lowest < own.max(initial=-np.inf):
            continue
        below = {other: int((one < lowest).sum()) for other, one in scores.items()}
        other = max(below, key=lambda key: below[key] / max(len(scores[key]), 1))
        total = len(scores[other])
        is_few = below[other] < max(_MIN_BELOW, _MIN_SHARE_BELOW * total)
        if is_few or below[other] == total:  # all: scores of another scale
            continue
        detections = format_count(total, "detection")
        shown = math.floor(1000 * lowest) / 1000
        notes.append(
            f"{name} has no score below {shown:g}, and {other} has {below[other]:,} of "
            f"{detections} there: if {name} was written with a limit on scores, its AP is lower "
            "for that; write it without one (Ultralytics: conf=0.01)"
        )
    return notes
