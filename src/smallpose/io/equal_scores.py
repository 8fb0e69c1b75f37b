"""Say that all scores of results are equal, so that nothing ranks their detections."""

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count

MIN_DETECTIONS = 5  # fewer may have one score by chance
EQUAL_SCORES = "so that AP depends on the order in the file"  # in the notes on it
EQUAL_SCORES_REMEDY = "write how confident the model is of each detection"


def find_equal_scores(scores: NDArray[np.float64]) -> str:
    """Say that all scores are equal; "" where they differ, or are too few to tell."""
    if len(scores) < MIN_DETECTIONS or scores[0] != scores[-1] or np.ptp(scores) != 0:
        return ""
    count = format_count(len(scores), "score is", "scores are")
    return f"all {count} {scores[0]:g}, {EQUAL_SCORES}"
