"""Tell users that many of the people predicted have low scores, and how to leave them out.

Models that find people themselves return many that are none, with low scores. AP ranks by score
and needs them; whoever counts people or works on with them does not.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.predictions import Predictions

Floats = NDArray[np.float64]

LOW_SHARE = 0.2  # of the best score of an image: what `predict --draw` leaves out
MIN_LOW_SHARE = 1 / 3  # of the people predicted; with fewer low scores there is no remark
MIN_NUM_LOW = 5


class ScoreCollector:
    """Collects the scores of predictions that come in parts; an image is in one part alone."""

    def __init__(self) -> None:
        self._scores: list[Floats] = []
        self._best: list[Floats] = []

    def add_predictions(self, predictions: Predictions) -> None:
        """Add the people of some images."""
        self.add_scores(predictions.scores, predictions.image_ids.tolist())

    def add_scores(self, scores: Iterable[float], image_ids: Iterable[int | str]) -> None:
        """Add (d,) scores and the images that they belong to."""
        column = np.array(list(scores), dtype=np.float64)
        best: dict[int | str, float] = {}
        for score, image_id in zip(column.tolist(), image_ids, strict=True):
            best[image_id] = max(score, best.get(image_id, score))
        self._scores.append(column)
        self._best.append(np.array(list(best.values()), dtype=np.float64))

    def compute_low_limit(self) -> float:
        """Return a fifth of the best score of an image (median), below which scores are low."""
        best = np.concatenate([*self._best, np.zeros(0)])
        return float(f"{LOW_SHARE * np.median(best):.2g}") if len(best) else 0.0

    def describe_low_scores(self) -> str:
        """Return how many people have a low score and what to type; "" where they are few."""
        scores = np.concatenate([*self._scores, np.zeros(0)])
        if not len(scores):
            return ""
        limit = self.compute_low_limit()
        if limit <= 0:
            return ""  # where the best scores are 0 or less, a share of them is no lower
        num_low = int((scores < limit).sum())
        if num_low < max(MIN_NUM_LOW, MIN_LOW_SHARE * len(scores)):
            return ""
        people = format_count(len(scores), "person", "people")
        return (
            f"{num_low:,} of {people} have a score below {limit:g}, a fifth of the best in an "
            f"image (median): add --min-score {limit:g} to leave them out; AP needs no such limit"
        )
