"""The height from which half of the people are detected, with its interval, as a sentence.

`half_detected_fit` finds it. No height is named where there are too few people, where many images
were not predicted, where the share detected falls again among tall people, where the interval
contains the heights of more than half of the people, where it has no upper end and fewer than ten
people are above the limit, or where most of nearly all people above it are missed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from smallpose.core.counts import choose_verb, format_count, format_part
from smallpose.evaluation.doubts import has_doubt, lacks_images
from smallpose.evaluation.scoring.bootstrap import MIN_CLUSTERS
from smallpose.evaluation.scoring.cluster_units import GROUP, IMAGE, format_units, name_units

MIN_PEOPLE = 20
MIN_ABOVE = 10  # people above a limit whose interval has no upper end
MAX_ABOVE = 0.8  # share of those above a limit who may be tallest ones of whom most are missed
MAX_WITHIN = 0.5  # share of people within the interval above which no height is named
MAX_OUTSIDE = 0.3  # share of labelled joints outside the box from which on a box is partial
MAX_FALSE = 0.5  # share of detections of nobody above which the sentence says how many they are
MIN_PARTIAL = 0.2  # share of partial boxes below the limit from which on the sentence says so
SEE_RESOLUTION = "heights differ in more than size: see `smallpose resolution`"


class Fall(NamedTuple):
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


class Tallest(NamedTuple):
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
        caution: what a note says against a limit that is named; "" where none does.
        num_detections, num_false: detections, and those of them that match nobody (OKS .5),
            whatever their score; the height leaves them out. Those beyond a limit match nobody.
        num_above, detected_above: people from the limit on, and how many of them are detected.
        has_breakdown: AP by height is shown as well, so that no hint to it is needed.
        unit: what the clusters are; see `cluster_units`.
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
    caution: str = ""
    num_detections: int = 0
    num_false: int = 0
    unit: str = IMAGE
    num_above: int = MIN_PEOPLE
    detected_above: int = MIN_PEOPLE
    has_breakdown: bool = False

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
        if self._is_contradicted and self.tallest is not None:
            return (
                f"the limit that fits best, {self.height:.0f} px, has "
                f"{format_count(self.num_above, 'person', 'people')} above it, and of the "
                f"{self.tallest.people:,} tallest only "
                f"{self.tallest.detected:,} {choose_verb(self.tallest.detected, 'are')} detected"
            )
        return ""

    @property
    def _rests_on_few(self) -> bool:
        """Return whether few people are above a limit that may as well be above all of them."""
        may_be_none = np.isinf(self.high) and 0 < self.height < np.inf
        return bool(may_be_none and self.num_above < MIN_ABOVE)

    @property
    def _is_contradicted(self) -> bool:
        """Return whether fewer than half of nearly all people above the limit are detected."""
        is_inside = 0 < self.height < np.inf
        tallest = self.tallest
        return is_inside and tallest is not None and tallest.people >= MAX_ABOVE * self.num_above

    def _describe_lack(self) -> str:
        """Say of what there are too few: people, or images with people."""
        people = format_count(self.people, "person", "people")
        places = format_units(self.clusters, self.unit)
        if self.people < MIN_PEOPLE:
            return (
                f"only {people} in {places} are counted, and {MIN_PEOPLE} people in "
                f"{MIN_CLUSTERS} {name_units(self.unit)} are needed"
            )
        alike = f", and images of one {GROUP} resemble each other" if self.unit == GROUP else ""
        return (
            f"the {people} who are counted are in {places}{alike}; {MIN_CLUSTERS} "
            f"{name_units(self.unit)} are needed"
        )

    @property
    def short_reason(self) -> str:
        """Say in few words why the limit cannot be told; "" where it can."""
        if self.is_named:
            return ""
        if self.doubt:
            return "see the notes"
        if np.isnan(self.height):
            what = "people" if self.people < MIN_PEOPLE else name_units(self.unit)
            return f"too few {what}"
        if self.fall is not None:
            return "the share falls again"
        if self.within > MAX_WITHIN:
            return f"too wide: {self.ends}"
        return "too few tall people" if self._rests_on_few else "most tall people are missed"

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
        if self.doubt or self.has_breakdown or not lacks_only_clusters:
            return text
        return f"{text} (--breakdown height has AP by height, without intervals)"

    def describe_limit(self) -> str:
        """Return the limit, or why there is none, without the file and without remarks."""
        if not self.is_named:
            text = "no height can be named from which half of the people are detected (OKS .5)"
            return f"{text}: {self.reason}"
        text = f"half of the people are detected (OKS .5) {self._describe_place()}"
        return f"{text}; {self.caution}" if self.caution else text

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

        Where no height has half of the people, it needs no such caution. Where none is named, AP
        does: labels of some people of each image make the others false.
        """
        is_none = self.is_named and np.isinf(self.height)
        if is_none or self.doubt or self.num_false <= MAX_FALSE * self.num_detections:
            return ""
        effect = "which this height does not count" if self.is_named else "which lowers AP"
        return (
            f"; {self.num_false:,} of {format_count(self.num_detections, 'detection')} match "
            f"nobody (OKS .5), {effect}; people without a label are among them where labels are of "
            "some people only"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the limit for JSON; null where it cannot be told or lies beyond the heights."""
        ends = {"value": self.height, "low": self.low, "high": self.high}
        px = {
            name: float(end) if self.is_named and 0 < end < np.inf else None
            for name, end in ends.items()
        }
        return px | {"people": self.people, "sentence": self.describe()}


def describe_doubt(notes: Sequence[str]) -> str:
    """Return why notes let no height be named; "" where none of them does."""
    if has_doubt(notes):
        return "labels or results seem not to be written as they must be (see the notes)"
    if lacks_images(notes):
        return "many images with people were not predicted, or have no detection (see the notes)"
    return ""
