"""Finished runs scored anew on one truth: every protocol, intervals, and draws that can be paired.

Runs hold their evaluation, but two of them can only be compared well on the same draws of images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.evaluation.intervals import Interval, cluster_count, draws_of, interval
from smallpose.evaluation.metrics import Evaluation, evaluate
from smallpose.report.results import PROTOCOLS, Run
from smallpose.table.instances import Instances
from smallpose.table.predictions import Predictions

Floats = NDArray[np.float64]
DRAWS, FEWEST = 1000, 200
_WORK = 2e8  # detections times draws; above it there are fewer draws


@dataclass(frozen=True)
class Score:
    """One run's numbers.

    Args:
        draws: by protocol and name, (b,) values under draws of images; the same draws for all.
        clusters: images, or videos, that were drawn from.
    """

    run: Run
    evaluation: Evaluation
    draws: Mapping[str, Mapping[str, Floats]]
    clusters: int

    def value(self, name: str, protocol: str = "coco") -> float | None:
        """In points."""
        value = self.evaluation.protocols.get(protocol, {}).get(name)
        return None if value is None else 100 * value

    def ends(self, name: str, protocol: str = "coco") -> Interval:
        """The 95 % interval, in points; None where nobody is there."""
        values = self.draws.get(protocol, {}).get(name)
        ends = None if values is None else interval(values, self.clusters)
        return None if ends is None else [100 * end for end in ends]


def score(
    run: Run,
    truth: Instances,
    found: Predictions,
    *,
    keypoints: str | None = None,
    protocols: Sequence[str] = PROTOCOLS,
    draws: int | None = None,
) -> Score:
    """Evaluate what a run found.

    Args:
        keypoints: "coco17" scores runs of setting B on the joints of A.
        draws: of the bootstrap; without, 1,000 or what takes about a minute.
    """
    if draws is None:
        draws = int(np.clip(_WORK / max(len(found), 1), FEWEST, DRAWS))
    result = evaluate(truth, found, protocols=protocols, keypoints=keypoints)
    spread = draws_of(result.tally, protocols, 20, draws)
    return Score(run, result, spread, cluster_count(result.tally.groups))
