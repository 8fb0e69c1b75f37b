"""The height from which half of the people are detected, with its interval, as a sentence.

The limit is the height that splits people best into detected and missed ones: with the fewest
people missed above and detected below it. That is where the nearest rising curve (isotonic
regression) crosses one half. Its 95 % interval contains the heights that a likelihood ratio test
of "one half is reached here" does not reject (Banerjee and Wellner, 2001); people of one image or
video resemble each other, so the statistic is divided by their design effect near the limit.

No height is named where there are too few people, where many images were not predicted, where the
share detected falls again among tall people, where the interval contains the heights of more than
half of the people, or where it has no upper end and fewer than ten people are above the limit.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from smallpose.core.counts import choose_verb, format_count, format_part
from smallpose.evaluation.evaluate import Evaluation
from smallpose.evaluation.matching.arrays import Floats, Ints, Mask
from smallpose.evaluation.matching.image_groups import sort_rows
from smallpose.evaluation.scoring.bootstrap import MIN_CLUSTERS, index_clusters
from smallpose.evaluation.scoring.detected_people import DetectedPeople
from smallpose.io.label_faults import UNSETTLED
from smallpose.io.predicted_images import NO_HEIGHT

MIN_PEOPLE = 20
MIN_ABOVE = 10  # people above a limit whose interval has no upper end
MAX_WITHIN = 0.5  # share of people within the interval above which no height is named
MAX_OUTSIDE = 0.3  # share of labelled joints outside the box from which on a box is partial
MAX_FALSE = 0.5  # share of detections of nobody above which the sentence says how many they are
MIN_PARTIAL = 0.2  # share of partial boxes below the limit from which on the sentence says so
_CRITICAL = 2.26916  # 95 % quantile of the test's limit distribution, by Banerjee and Wellner
_NUM_BINS = 100
_MIN_TALLEST = 5  # people; fewer are not worth a remark
_NUM_GROUPS = 8  # of equally many people, in which a fall is looked for
# Standard errors by which shares are above one half, and below it among taller people. Where the
# share is one half at all heights, a false alarm is rarer than 5 % (tests hold it).
_RISE_ERRORS = 2.0
_FALL_ERRORS = 2.8
_EDGE = 1e-12
_Block = tuple[float, float, int]  # of equal fitted values: their mean, weight and number
SEE_RESOLUTION = "heights differ in more than size: see `smallpose resolution`"


@dataclass(frozen=True)
class Fall:
    """People, most of them detected, and taller people, most of them missed.

    Args:
        low, high: px, the heights of the former; `share` of them are detected.
        from_height: px of the latter, up to `to_height`; `share_above` of them are detected.
    """

    low: float
    high: float
    share: float
    from_height: float
    to_height: float
    share_above: float


@dataclass(frozen=True)
class Tallest:
    """People from a height on: where it begins, px, how many they are, and how many detected."""

    from_height: float
    people: int
    detected: int


@dataclass(frozen=True)
class HalfDetected:
    """The height from which on at least half of the people are detected.

    Args:
        height: px; 0 if half are detected at every height, infinite if at none; NaN where no
            height can be named.
        low, high: 95 %, likewise.
        smallest, largest: px, heights of the people counted; NaN without people.
        people: how many are counted, and in how many `clusters` (images or videos).
        within: share of them with a height within the interval.
        num_below: people below the limit, or below the middle height where there is none;
            `num_partial` of them have over 30 % of their labelled joints outside the box.
        fall: where the share detected falls below one half again; None where it does not, as far
            as chance can be ruled out.
        tallest: the largest group of people from some height on of whom fewer than half are
            detected, all above the limit; None without one.
        doubt: why a note lets no height be named; "" where none does.
        num_detections, num_false: detections, and those of them that match nobody (OKS .5),
            whatever their score; the height leaves them out. Those beyond a limit match nobody.
        num_above, detected_above: people from the limit on, and how many of them are detected.
        unit: what the clusters are, "image" or "video".
    """

    height: float
    low: float
    high: float
    smallest: float
    largest: float
    people: int
    clusters: int
    within: float
    num_below: int = 0
    num_partial: int = 0
    fall: Fall | None = None
    tallest: Tallest | None = None
    doubt: str = ""
    num_detections: int = 0
    num_false: int = 0
    unit: str = "image"
    num_above: int = MIN_PEOPLE
    detected_above: int = MIN_PEOPLE

    @property
    def is_named(self) -> bool:
        """Return whether the limit can be told, be it a height, below all or above all."""
        return not self.reason

    @property
    def is_inside(self) -> bool:
        """Return whether the limit can be told and lies between the heights counted."""
        return self.is_named and 0 < self.height < np.inf

    @property
    def reason(self) -> str:
        """Say why the limit cannot be told; "" where it can."""
        if self.doubt:
            return self.doubt
        if self.people < MIN_PEOPLE or self.clusters < MIN_CLUSTERS:
            return self._describe_lack()
        if self.fall is not None:
            return (
                f"the share detected falls again: {self.fall.share:.0%} from "
                f"{self.fall.low:.0f} to {self.fall.high:.0f} px, {self.fall.share_above:.0%} from "
                f"{self.fall.from_height:.0f} to {self.fall.to_height:.0f} px"
            ).replace("%", " %")
        if self.within > MAX_WITHIN:
            share = f"{100 * self.within:.0f} %"
            return (
                f"the 95 % interval, {self.ends}, contains {share} of the people; more "
                "people of these heights are needed"
            )
        if self._rests_on_few:
            return (
                f"the limit that fits best, {self.height:.0f} px, has only "
                f"{format_count(self.num_above, 'person', 'people')} above it, "
                f"{self.detected_above} of them detected"
            )
        return ""

    @property
    def _rests_on_few(self) -> bool:
        """Return whether few people are above a limit that may as well be above all of them."""
        may_be_none = np.isinf(self.high) and 0 < self.height < np.inf
        return bool(may_be_none and self.num_above < MIN_ABOVE)

    def _describe_lack(self) -> str:
        """Say of what there are too few: people, or images with people."""
        people = format_count(self.people, "person", "people")
        places = format_count(self.clusters, self.unit)
        if self.people < MIN_PEOPLE:
            return (
                f"only {people} in {places} are counted, and {MIN_PEOPLE} people in "
                f"{MIN_CLUSTERS} {self.unit}s are needed"
            )
        alike = ", and frames of one video resemble each other" if self.unit == "video" else ""
        return (
            f"the {people} who are counted are in {places}{alike}; {MIN_CLUSTERS} {self.unit}s "
            "are needed"
        )

    @property
    def short_reason(self) -> str:
        """Say in few words why the limit cannot be told; "" where it can."""
        if self.is_named:
            return ""
        if self.doubt:
            return "see the notes"
        if np.isnan(self.height):
            return "too few people" if self.people < MIN_PEOPLE else f"too few {self.unit}s"
        if self.fall is not None:
            return "the share falls again"
        return "too few tall people" if self.within <= MAX_WITHIN else f"too wide: {self.ends}"

    @property
    def ends(self) -> str:
        """Return the interval in words."""
        if self.high == 0:
            return f"below {self.smallest:.0f} px"
        if np.isinf(self.low):
            return f"above {self.largest:.0f} px"
        low = f"below {self.smallest:.0f}" if self.low == 0 else f"{self.low:.0f}"
        high = f"above {self.largest:.0f}" if np.isinf(self.high) else f"{self.high:.0f}"
        return f"{low} to {high} px"

    def describe(self) -> str:
        """Return the limit, or why there is none, as one sentence without a full stop."""
        remarks = self.describe_partial() + self._describe_tallest() + self.describe_false()
        text = f"In this file {self.describe_limit()}{remarks}"
        if self.is_named:
            return f"{text}; {SEE_RESOLUTION}"
        lacks_only_clusters = self.people >= MIN_PEOPLE and self.clusters < MIN_CLUSTERS
        if self.doubt or not lacks_only_clusters:
            return text
        return f"{text} (--breakdown height has AP by height, without intervals)"

    def describe_limit(self) -> str:
        """Return the limit, or why there is none, without the file and without remarks."""
        if not self.is_named:
            text = "no height can be named from which half of the people are detected (OKS .5)"
            return f"{text}: {self.reason}"
        return f"half of the people are detected (OKS .5) {self._describe_place()}"

    def _describe_place(self) -> str:
        ends = self.describe_ends()
        interval = f" (95 %: {ends.removesuffix(' px')})" if self.is_inside else f" (95 %: {ends})"
        if self.height == 0:
            place = f"at every height, down to {self.smallest:.0f} px"
        elif np.isinf(self.height):
            place = f"at no height, up to {self.largest:.0f} px"
        else:
            place = f"from {self.height:.0f} px on"
        return place + interval if ends else place

    def describe_ends(self) -> str:
        """Return the interval in words that suit a limit below all heights, or above all of them.

        Returns: "" where such a limit has an interval without another end.
        """
        if self.height == 0:
            return f"from {self.high:.0f} px on at the latest" if self.high > 0 else ""
        if np.isinf(self.height):
            return f"not below {self.low:.0f} px" if np.isfinite(self.low) else ""
        return self.ends

    def describe_partial(self) -> str:
        """Say how many boxes below the limit hold a part of the person, where they are many."""
        if not self.is_inside or self.num_partial < MIN_PARTIAL * self.num_below:
            return ""
        return (
            f"; {format_part(self.num_partial, self.num_below, 'below it', 'have')} over "
            f"{100 * MAX_OUTSIDE:.0f} % of their labelled joints outside the box, so they are "
            "taller than it"
        )

    def _describe_tallest(self) -> str:
        """Say so where most of the tallest people are missed, be they too few to tell a fall."""
        if self.tallest is None or not self.is_inside:
            return ""
        return (
            f"; of the {self.tallest.people:,} tallest, from {self.tallest.from_height:.0f} px on, "
            f"only {self.tallest.detected:,} {choose_verb(self.tallest.detected, 'are')} detected, "
            "which may be chance"
        )

    def describe_false(self) -> str:
        """Say how many detections match nobody, where they are most of them.

        Where no height has half of the people, it needs no such caution.
        """
        is_reached = self.is_named and np.isfinite(self.height)
        if not is_reached or self.num_false <= MAX_FALSE * self.num_detections:
            return ""
        return (
            f"; {self.num_false:,} of {format_count(self.num_detections, 'detection')} match "
            "nobody (OKS .5), which this height does not count"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the limit for JSON; null where it cannot be told or lies beyond the heights."""
        ends = {"value": self.height, "low": self.low, "high": self.high}
        px = {
            name: float(end) if self.is_named and 0 < end < np.inf else None
            for name, end in ends.items()
        }
        return px | {"people": self.people, "sentence": self.describe()}


def find_half_detected_height(result: Evaluation) -> HalfDetected:
    """Find the height from which on half of the people of an evaluation are detected."""
    detected, counts = result.detected, result.match_counts
    image = np.searchsorted(counts.image_ids, detected.image_ids)
    half = locate_half(detected, index_clusters(counts.groups)[image])
    half = replace(half, doubt=describe_doubt(result.notes), unit=name_unit(counts.groups))
    return add_false_detections(half, result)


def name_unit(groups: Sequence[str]) -> str:
    """Name what is resampled: a video where images have one."""
    return "video" if any(groups) else "image"


def add_false_detections(limit: HalfDetected, result: Evaluation) -> HalfDetected:
    """Return the limit with the number of detections, and of those that match nobody."""
    counts = result.match_counts
    num_detections = int(counts.num_detections.sum())
    false = next(iter(counts.false_positives.values()), None)
    if false is None:
        return replace(limit, num_detections=num_detections)
    # Those beyond a limit are not matched; under protocols without one, such scores are false.
    num_false = int(np.count_nonzero(false[0] & 1)) + num_detections - len(counts.scores)
    return replace(limit, num_detections=num_detections, num_false=num_false)


def describe_doubt(notes: Sequence[str]) -> str:
    """Return why notes let no height be named; "" where none of them does."""
    if has_doubt(notes):
        return "labels or results are not written as they must be (see the notes)"
    if lacks_images(notes):
        return "many images with people were not predicted, or have no detection (see the notes)"
    return ""


def lacks_images(notes: Iterable[str]) -> bool:
    """Return whether a note says that many images were not predicted, or look like it."""
    return any(NO_HEIGHT in note for note in notes)


def has_doubt(notes: Iterable[str]) -> bool:
    """Return whether a note says that labels or results are not written as they must be."""
    return any(UNSETTLED in note for note in notes)


def locate_half(detected: DetectedPeople, cluster: Ints) -> HalfDetected:
    """Find the height from which on half of the people are detected.

    Args:
        cluster: (n,) image or video of each person, as a number from 0 on.
    """
    has_height = detected.height > 0
    rows = np.flatnonzero(has_height)
    rows = rows[sort_rows(detected.height[rows])]
    height, is_detected, cluster = detected.height[rows], detected.is_detected[rows], cluster[rows]
    n, num_clusters = len(rows), int(np.count_nonzero(np.bincount(cluster)))
    if n < MIN_PEOPLE or num_clusters < MIN_CLUSTERS:
        ends = (float(height[0]), float(height[-1])) if n else (np.nan, np.nan)
        return HalfDetected(np.nan, np.nan, np.nan, *ends, n, num_clusters, within=1.0)
    # The sum of (detected - 1/2) is smallest where a rising curve crosses one half.
    first = int(np.argmin(np.concatenate([[0.0], np.cumsum(is_detected - 0.5)])))
    limit = _name_limit(height, first)
    low, high = _find_interval(height, is_detected, cluster)
    low, high = min(low, limit), max(high, limit)
    below = rows[: first if 0 < first < n else n // 2]
    return HalfDetected(
        height=limit,
        low=low,
        high=high,
        smallest=float(height[0]),
        largest=float(height[-1]),
        people=n,
        clusters=num_clusters,
        within=float(((height >= low) & (height <= high)).mean()),
        num_below=len(below),
        num_partial=int((detected.outside[below] > MAX_OUTSIDE).sum()),
        fall=_find_fall(height, is_detected, cluster),
        tallest=_find_tallest(height, is_detected, first),
        num_above=n - first,
        detected_above=int(is_detected[first:].sum()),
    )


def _name_limit(height: Floats, first: int) -> float:
    """Return the height between two people, px; 0 before the first, infinity after the last."""
    if first == 0:
        return 0.0
    return np.inf if first == len(height) else float(np.sqrt(height[first - 1] * height[first]))


def _find_interval(height: Floats, is_detected: Mask, cluster: Ints) -> tuple[float, float]:
    """Find the lowest and the highest limit that the likelihood ratio test does not reject."""
    n = len(height)
    num_bins = min(_NUM_BINS, n)
    number = np.arange(n) * num_bins // n
    people = np.bincount(number, minlength=num_bins).astype(np.float64)
    share = np.bincount(number, is_detected, num_bins) / people
    fit = fit_nondecreasing(share, people)
    best = _compute_log_likelihood(share, people, fit)
    constrained = _fit_through_half(share, people)
    statistic = 2 * (best - _compute_log_likelihood(share, people, constrained))
    accepted = np.flatnonzero(statistic <= _CRITICAL)
    pad = max(int(np.ptp(accepted)), 5) // 2
    is_near = (number >= accepted[0] - pad) & (number <= accepted[-1] + pad)
    effect = _compute_design_effect(
        is_detected[is_near] - fit[number[is_near]], fit[number[is_near]], cluster[is_near]
    )
    accepted = np.flatnonzero(statistic <= _CRITICAL * effect)
    starts = np.searchsorted(number, np.arange(num_bins + 1))
    return _name_limit(height, starts[accepted[0]]), _name_limit(height, starts[accepted[-1]])


def _fit_through_half(share: Floats, people: Floats) -> Floats:
    """Return (b + 1, b) curves for b bins; curve i is at most one half in the first i, then more.

    What one more bin changes at the end of a fit is all that differs from the fit before.
    """
    num_bins = len(share)
    fits = np.empty((num_bins + 1, num_bins))
    for i, below in enumerate(_fit_beginnings(share, people)):
        fits[i, :i] = np.minimum(below, 0.5)
    for i, mirrored in enumerate(_fit_beginnings(-share[::-1], people[::-1])):
        fits[num_bins - i, num_bins - i :] = np.maximum(-mirrored[::-1], 0.5)
    return fits


def _compute_log_likelihood(share: Floats, people: Floats, probability: Floats) -> Any:
    """Sum over the last axis of probabilities."""
    p = np.clip(probability, _EDGE, 1 - _EDGE)
    return (people * (share * np.log(p) + (1 - share) * np.log(1 - p))).sum(axis=-1)


def _compute_design_effect(residual: Floats, fit: Floats, cluster: Ints) -> float:
    """Compute by how much the variance of a sum exceeds that of independent people; 1 or more."""
    standard = residual / np.sqrt(np.clip(fit * (1 - fit), 0.02, None))
    total = np.bincount(cluster, standard)
    return max(1.0, float((total**2).sum() / max((standard**2).sum(), _EDGE)))


def _find_fall(height: Floats, is_detected: Mask, cluster: Ints) -> Fall | None:
    """Find people most of which are detected, and taller people most of which are missed."""
    n = len(height)
    num_groups = min(_NUM_GROUPS, max(n // MIN_PEOPLE, 1))
    edges = np.arange(num_groups + 1) * n // num_groups
    runs = [(i, j) for i in range(num_groups) for j in range(i + 1, num_groups + 1)]
    group = np.repeat(np.arange(num_groups), np.diff(edges))
    people, detected = _count_up_to_group(group, is_detected, cluster, num_groups)
    errors = {
        (i, j): _count_errors_above_half(people[j] - people[i], detected[j] - detected[i])
        for i, j in runs
    }
    high = max(runs, key=lambda run: errors[run])
    above = [run for run in runs if run[0] >= high[1]]
    if not above or errors[high] < _RISE_ERRORS:
        return None
    low = min(above, key=lambda run: errors[run])
    if errors[low] > -_FALL_ERRORS:
        return None

    def select(run: tuple[int, int]) -> slice:
        return slice(edges[run[0]], edges[run[1]])

    return Fall(
        low=float(height[select(high)][0]),
        high=float(height[select(high)][-1]),
        share=float(is_detected[select(high)].mean()),
        from_height=float(height[select(low)][0]),
        to_height=float(height[select(low)][-1]),
        share_above=float(is_detected[select(low)].mean()),
    )


def _find_tallest(height: Floats, is_detected: Mask, first: int) -> Tallest | None:
    """Find the largest group of tallest people, above the limit, of whom most are missed.

    Args:
        first: number of people below the limit.
    """
    num_detected = np.cumsum(is_detected[:first:-1])
    num_people = np.arange(1, len(num_detected) + 1)
    is_missed = (num_people >= _MIN_TALLEST) & (2 * num_detected < num_people)
    if not is_missed.any():
        return None
    last = int(np.flatnonzero(is_missed)[-1])
    return Tallest(float(height[-1 - last]), last + 1, int(num_detected[last]))


def _count_up_to_group(
    group: Ints, is_detected: Mask, cluster: Ints, num_groups: int
) -> tuple[Ints, Ints]:
    """Count people, and those detected, of each cluster in the first 0, 1, … groups."""
    num_clusters = int(cluster.max()) + 1
    cell = (group + 1) * num_clusters + cluster
    counts = [
        np.bincount(cells, minlength=(num_groups + 1) * num_clusters)
        .reshape(num_groups + 1, num_clusters)
        .cumsum(axis=0)
        for cells in (cell, cell[is_detected])
    ]
    return counts[0], counts[1]


def _count_errors_above_half(people: Ints, detected: Ints) -> float:
    """Return by how many standard errors, over clusters, a share is above one half.

    Args:
        people, detected: (c,) numbers of each cluster.
    """
    num_people, num_detected = int(people.sum()), int(detected.sum())
    total = detected - people * (num_detected / num_people)
    # At least the error of one half, so that ten people who agree are not certain.
    error = max(float(np.sqrt((total**2).sum())), np.sqrt(num_people) / 4)
    return float((num_detected - 0.5 * num_people) / error)


def fit_nondecreasing(values: Floats, weights: Floats) -> Floats:
    """Fit the nearest values, by weighted squares, that never fall (pool adjacent violators).

    >>> fit_nondecreasing(np.array([0.0, 0.6, 0.4, 1.0]), np.ones(4)).tolist()
    [0.0, 0.5, 0.5, 1.0]
    """
    blocks: list[_Block] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        _pool_value(blocks, value, weight)
    return _spread_blocks(blocks)


def _fit_beginnings(values: Floats, weights: Floats) -> Iterator[Floats]:
    """Yield the fits of `fit_nondecreasing` to the first 0, 1, … values."""
    blocks: list[_Block] = []
    yield _spread_blocks(blocks)
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        _pool_value(blocks, value, weight)
        yield _spread_blocks(blocks)


def _pool_value(blocks: list[_Block], value: float, weight: float) -> None:
    """Add a value behind rising blocks, joined with those that it violates."""
    mean = value
    total = weight
    count = 1
    while blocks and blocks[-1][0] >= mean:
        last_mean, last_total, last_count = blocks.pop()
        mean = (last_mean * last_total + mean * total) / (last_total + total)
        total, count = last_total + total, last_count + count
    blocks.append((mean, total, count))


def _spread_blocks(blocks: list[_Block]) -> Floats:
    """Return the mean of its block for each value."""
    means = np.array([block[0] for block in blocks], dtype=np.float64)
    return np.repeat(means, [block[2] for block in blocks])
