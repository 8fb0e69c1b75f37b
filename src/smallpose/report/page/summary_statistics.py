"""The question on the page's first line: how small may a person get, and which run to take?

From how tall on half of the people are found, and whether the best run on small people is really
better than the others: both with 95 % intervals over images, or over videos where images have one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.scoring.bootstrap import draw_weights
from smallpose.report.inputs.person_matching import MATCH_OKS, PersonMatches
from smallpose.report.inputs.runs import Run
from smallpose.report.inputs.scores import SeedGroup, compute_difference, score_run

Floats = NDArray[np.float64]
NUM_RESAMPLES = 200
NUM_BINS = 40
METRIC, PROTOCOL = "AP_S", "owned"  # our own conclusions are drawn from `owned`


@dataclass(frozen=True)
class HeightLimit:
    """The height from which on at least half of the people are found.

    Args:
        height: px; 0 where half are found at every height, infinite where at none.
        low, high: 95 %, likewise.
        smallest, largest: px, heights of the people looked at.
    """

    height: float
    low: float
    high: float
    smallest: float
    largest: float

    def __str__(self) -> str:
        if self.height == 0:
            return f"below {self.smallest:.0f} px"
        if np.isinf(self.height):
            return "at no height"
        return f"{self.height:.0f} px"

    @property
    def ends(self) -> str:
        """The interval in words."""
        if self.high == 0:
            return f"below {self.smallest:.0f} px"
        low = f"below {self.smallest:.0f}" if self.low == 0 else f"{self.low:.0f}"
        if np.isinf(self.low):
            return f"above {self.largest:.0f} px"
        high = f"above {self.largest:.0f}" if np.isinf(self.high) else f"{self.high:.0f}"
        return f"{low} to {high} px"


def find_half_detected_height(
    truth: Instances, pairing: PersonMatches, draws: int = NUM_RESAMPLES
) -> HeightLimit | None:
    """Where the share found (OKS from 0.5) rises to one half along the height of people's boxes.

    The share in bins of equally many people is first made to rise with height (isotonic
    regression), so that one lucky bin of tiny people does not decide. None without people.
    """
    height = truth.boxes_xywh[:, 3]
    judged = np.flatnonzero(np.isfinite(pairing.oks) & (height > 0))
    if not len(judged):
        return None
    judged = judged[np.argsort(height[judged], kind="stable")]
    bins = min(NUM_BINS, max(len(judged) // 10, 1))
    number = np.arange(len(judged)) * bins // len(judged)
    log = np.log(height[judged])
    middle = np.bincount(number, log, bins) / np.bincount(number, minlength=bins)
    hit = (pairing.oks[judged] >= MATCH_OKS).astype(np.float64)
    image = truth.image_rows[judged]
    drawn = []
    for weights in draw_weights(truth.images.groups, draws, 0):
        for weight in weights[:, image].astype(np.float64):
            drawn.append(_locate_half(hit, weight, number, middle))
    low, high = np.quantile(drawn, (0.025, 0.975), method="nearest") if drawn else (np.nan, np.nan)
    at = _locate_half(hit, np.ones(len(hit)), number, middle)
    ends = np.exp(log[[0, -1]])
    return HeightLimit(at, float(low), float(high), float(ends[0]), float(ends[1]))


def _locate_half(hit: Floats, weight: Floats, number: NDArray[np.intp], middle: Floats) -> float:
    """px where the rising share reaches one half; 0 before the first bin, infinite never."""
    total = np.asarray(np.bincount(number, weight, len(middle)), dtype=np.float64)
    there = total > 0
    share = fit_nondecreasing(
        np.bincount(number, hit * weight, len(middle))[there] / total[there], total[there]
    )
    x = middle[there]
    if not len(x) or share[-1] < 0.5:
        return np.inf
    first = int(np.argmax(share >= 0.5))
    if first == 0:
        return 0.0
    low, high = share[first - 1], share[first]
    return float(np.exp(x[first - 1] + (0.5 - low) / (high - low) * (x[first] - x[first - 1])))


def fit_nondecreasing(values: Floats, weights: Floats) -> Floats:
    """The nearest values, by weighted squares, that never fall (pool adjacent violators).

    >>> rising(np.array([0.0, 0.6, 0.4, 1.0]), np.ones(4)).tolist()
    [0.0, 0.5, 0.5, 1.0]
    """
    blocks: list[tuple[float, float, int]] = []  # mean, weight, how many
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, total, count = value, weight, 1
        while blocks and blocks[-1][0] >= mean:
            before, heavy, many = blocks.pop()
            mean = (before * heavy + mean * total) / (heavy + total)
            total, count = heavy + total, many + count
        blocks.append((mean, total, count))
    return np.repeat([b[0] for b in blocks], [b[2] for b in blocks])


@dataclass(frozen=True)
class Lead:
    """By how much the best run is ahead of another on small people, in points of AP_S (`owned`).

    Args:
        joints: that both were scored on, in words.
    """

    difference: float
    low: float
    high: float
    joints: str

    @property
    def verdict(self) -> str:
        """What the interval says."""
        if self.low > 0:
            return "ahead"
        return "behind" if self.high < 0 else "cannot tell"


def compute_leads(
    truth: Instances,
    best: SeedGroup,
    others: Sequence[SeedGroup],
    found: Callable[[Run], Predictions],
) -> list[Lead | None]:
    """The best runs against each of the others, on the same draws of images and the same joints.

    Args:
        best, others: runs that differ in nothing but their seed, with their scores.
        found: what a run found.
    Returns: None for runs that cannot be compared: other joints, or nobody small.
    """

    def on_17(seeds: SeedGroup) -> SeedGroup:
        draws = len(seeds.scores[0].draws[PROTOCOL][METRIC])
        how: dict[str, Any] = {"keypoints": "coco17", "protocols": (PROTOCOL,), "draws": draws}
        return SeedGroup(
            seeds.runs, tuple(score_run(r, truth, found(r), **how) for r in seeds.runs)
        )

    out: list[Lead | None] = []
    ours = found(best.first_run).skeleton
    seventeen: SeedGroup | None = None
    for other in others:
        one, words = best, f"the {len(ours)} joints"
        theirs = found(other.first_run).skeleton
        if theirs.name != ours.name:
            if "coco17" not in {theirs.name, ours.name}:
                out.append(None)
                continue
            # Runs of 17 joints and of 21 can only be compared on the 17.
            words = "the 17 joints that both have"
            if ours.name == "coco17":
                other = on_17(other)
            else:
                one = seventeen = seventeen or on_17(best)
        by = compute_difference(one, other, (METRIC, METRIC), PROTOCOL)
        if by is None or by.low is None or by.high is None:
            out.append(None)
        else:
            out.append(Lead(by.value, by.low, by.high, words))
    return out
