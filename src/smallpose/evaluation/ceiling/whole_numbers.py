"""Whether results are in whole pixels, apart from what that costs, so that scoring starts fast."""

import numpy as np

from smallpose.core.predictions import Predictions

MIN_DETECTIONS = 20  # fewer may have whole numbers by chance


def has_whole_numbers(predictions: Predictions) -> bool:
    """Return whether all coordinates of enough detections are whole numbers."""
    return len(predictions) >= MIN_DETECTIONS and are_whole(predictions)


def are_whole(predictions: Predictions) -> bool:
    """Return whether all coordinates of the joints are whole numbers."""
    # Most files have fractions in the first detections, and need not be read any further.
    for rows in (slice(0, MIN_DETECTIONS), slice(None)):
        xy = predictions.keypoints[rows, :, :2]
        if not (xy == np.round(xy)).all():
            return False
    return True
