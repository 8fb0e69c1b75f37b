"""Compute how small a person may get and which run is best, for the page's first lines.

The height from which half of the people are detected, and the lead of the best run on small people
over the others, both with 95 % intervals over images, or over videos if images have one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.matching.arrays import Floats, Ints
from smallpose.evaluation.scoring.bootstrap import draw_weights
from smallpose.report.inputs.person_matching import PersonMatches
from smallpose.report.inputs.runs import Run
from smallpose.report.inputs.scores import SeedGroup, compute_difference, score_run

NUM_RESAMPLES = 200
NUM_BINS = 40
MIN_BIN_PEOPLE = 10
# Our own conclusions are drawn from `owned`.
METRIC = "AP_S"
PROTOCOL = "owned"


@dataclass(frozen=True)
class HeightLimit:
    """The height from which on at least half of the people are detected.

    Args:
        height: px; 0 if half are detected at every height, infinite if at none.
        low, high: 95 %, likewise.
        smallest, largest: px, heights of the people counted.
    """

    height: float
    low: float
    high: float
    smallest: float
    largest: float

    @property
    def is_below_all(self) -> bool:
        """Return whether half are detected at every height."""
        return self.height == 0

    @property
    def is_above_all(self) -> bool:
        """Return whether half are detected at no height."""
        return self.height == np.inf

    @property
    def is_inside(self) -> bool:
        """Return whether the limit lies between the heights counted."""
        return not (self.is_below_all or self.is_above_all)

    @property
    def ends(self) -> str:
        """Return the interval in words."""
        if self.high == 0:
            return f"below {self.smallest:.0f} px"
        low = f"below {self.smallest:.0f}" if self.low == 0 else f"{self.low:.0f}"
        if np.isinf(self.low):
            return f"above {self.largest:.0f} px"
        high = f"above {self.largest:.0f}" if np.isinf(self.high) else f"{self.high:.0f}"
        return f"{low} to {high} px"


def find_half_detected_height(
    truth: Instances, matches: PersonMatches, num_resamples: int = NUM_RESAMPLES
) -> HeightLimit | None:
    """Find where the share detected rises to one half along the height of people's boxes.

    The share in bins of equally many people is first made to rise with height (isotonic
    regression), so that one lucky bin of tiny people does not decide.

    Returns: None without people.
    """
    height = truth.boxes_xywh[:, 3]
    people = np.flatnonzero(matches.is_scored & (height > 0))
    if not len(people):
        return None
    people = people[np.argsort(height[people], kind="stable")]
    log_height = np.log(height[people])
    bins = _Bins.split(log_height)
    is_matched = matches.is_matched[people].astype(np.float64)
    image = truth.image_rows[people]
    resampled = [
        bins.locate_half(is_matched, weight)
        for weights in draw_weights(truth.images.groups, num_resamples, 0)
        for weight in weights[:, image].astype(np.float64)
    ]
    low, high = np.nan, np.nan
    if resampled:
        low, high = np.quantile(resampled, (0.025, 0.975), method="nearest")
    smallest, largest = np.exp(log_height[[0, -1]])
    return HeightLimit(
        height=bins.locate_half(is_matched, np.ones(len(people))),
        low=float(low),
        high=float(high),
        smallest=float(smallest),
        largest=float(largest),
    )


@dataclass(frozen=True)
class _Bins:
    """Bins of equally many people along height.

    Args:
        number: (n,) bin of each person.
        centre: (b,) mean of the logarithm of their heights.
    """

    number: Ints
    centre: Floats

    @staticmethod
    def split(log_height: Floats) -> "_Bins":
        """Split people, sorted by height, into bins."""
        num_bins = min(NUM_BINS, max(len(log_height) // MIN_BIN_PEOPLE, 1))
        number = np.arange(len(log_height)) * num_bins // len(log_height)
        total = np.bincount(number, log_height, num_bins)
        return _Bins(number, total / np.bincount(number, minlength=num_bins))

    def locate_half(self, is_matched: Floats, weight: Floats) -> float:
        """Locate the px where the rising share reaches one half.

        Returns: 0 before the first bin, infinity if it never does.
        """
        num_bins = len(self.centre)
        total = np.asarray(np.bincount(self.number, weight, num_bins), dtype=np.float64)
        has_people = total > 0
        total, x = total[has_people], self.centre[has_people]
        matched = np.bincount(self.number, is_matched * weight, num_bins)[has_people]
        share = fit_nondecreasing(matched / total, total)
        if not len(x) or share[-1] < 0.5:
            return np.inf
        first = int(np.argmax(share >= 0.5))
        if first == 0:
            return 0.0
        low, high = share[first - 1], share[first]
        return float(np.exp(x[first - 1] + (0.5 - low) / (high - low) * (x[first] - x[first - 1])))


def fit_nondecreasing(values: Floats, weights: Floats) -> Floats:
    """Fit the nearest values, by weighted squares, that never fall (pool adjacent violators).

    >>> fit_nondecreasing(np.array([0.0, 0.6, 0.4, 1.0]), np.ones(4)).tolist()
    [0.0, 0.5, 0.5, 1.0]
    """
    blocks: list[tuple[float, float, int]] = []  # mean, weight, number of values
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, total, count = value, weight, 1
        while blocks and blocks[-1][0] >= mean:
            last_mean, last_total, last_count = blocks.pop()
            mean = (last_mean * last_total + mean * total) / (last_total + total)
            total, count = last_total + total, last_count + count
        blocks.append((mean, total, count))
    return np.repeat([b[0] for b in blocks], [b[2] for b in blocks])


@dataclass(frozen=True)
class Lead:
    """The lead of the best run over another on small people, in points of AP_S (`owned`).

    Args:
        joints: those that both were scored on, in words.
    """

    difference: float
    low: float
    high: float
    joints: str

    @property
    def verdict(self) -> str:
        """Return "ahead", "behind" or "cannot tell", as the interval allows."""
        if self.low > 0:
            return "ahead"
        return "behind" if self.high < 0 else "cannot tell"

    @property
    def ends(self) -> str:
        """Return the interval in words."""
        return f"{self.low:+.1f} to {self.high:+.1f}"


def compute_leads(
    truth: Instances,
    best: SeedGroup,
    others: Sequence[SeedGroup],
    get_predictions: Callable[[Run], Predictions],
) -> list[Lead | None]:
    """Compare the best run with each of the others, on the same resamples and the same joints.

    Args:
        best, others: runs that differ in nothing but their seed, with their scores.
        get_predictions: returns the predictions of a run.
    Returns: None for runs that cannot be compared: other joints, or no small people.
    """
    best_on_17: SeedGroup | None = None
    best_skeleton = get_predictions(best.first_run).skeleton
    leads: list[Lead | None] = []
    for other in others:
        skeleton = get_predictions(other.first_run).skeleton
        if skeleton.name == best_skeleton.name:
            leads.append(_compute_lead(best, other, f"the {len(best_skeleton)} joints"))
        elif "coco17" not in {skeleton.name, best_skeleton.name}:
            leads.append(None)
        else:
            # Runs of 17 joints and of 21 can only be compared on the 17.
            joints = "the 17 joints that both have"
            if best_skeleton.name == "coco17":
                on_17 = _score_on_17(truth, other, get_predictions)
                leads.append(_compute_lead(best, on_17, joints))
            else:
                best_on_17 = best_on_17 or _score_on_17(truth, best, get_predictions)
                leads.append(_compute_lead(best_on_17, other, joints))
    return leads


def _score_on_17(
    truth: Instances, group: SeedGroup, get_predictions: Callable[[Run], Predictions]
) -> SeedGroup:
    known = group.on_coco17()
    if known is not None and known.scores:
        return known
    num_resamples = len(group.scores[0].resamples[PROTOCOL][METRIC])
    scores = tuple(
        score_run(
            run,
            truth,
            get_predictions(run),
            keypoints="coco17",
            protocols=(PROTOCOL,),
            num_resamples=num_resamples,
        )
        for run in group.runs
    )
    return SeedGroup(group.runs, scores)


def _compute_lead(best: SeedGroup, other: SeedGroup, joints: str) -> Lead | None:
    difference = compute_difference(best, other, (METRIC, METRIC), PROTOCOL)
    if difference is None or not difference.has_ends:
        return None
    return Lead(difference.value, difference.low, difference.high, joints)
