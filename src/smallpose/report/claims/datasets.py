"""Statistics of data sets as a source of numbers, counted in the files that are given.

The paper shows most of them in figures without numbers, so without files no verdict is possible.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.instances import Instances
from smallpose.core.interval import Interval
from smallpose.core.sizes import SMALL_BELOW
from smallpose.report.claims.claim import Assertion, Key, ResultSource
from smallpose.report.inputs.paper_values import PRINTED, Paper
from smallpose.stats.counts import count_people
from smallpose.stats.crowding import crowd_index
from smallpose.stats.mean_interval import Estimate, estimate_mean, estimate_variance
from smallpose.stats.scene_entropy import SceneStatistics

OWN = "smallpose"
COCO = "coco"
CROWDPOSE = "crowdpose"
NAMES = {OWN: "SmallPose", COCO: "COCO", CROWDPOSE: "CrowdPose"}


@dataclass(frozen=True)
class DatasetSource(ResultSource):
    """Data sets to count; a key is (set, statistic).

    Args:
        people: by name; `smallpose` (train and test in one table), `coco`, `crowdpose`.
        scenes: their scene entropies, likewise.
        paper: its text has the limits of some claims.
    """

    people: Mapping[str, Instances] = field(default_factory=dict)
    scenes: Mapping[str, SceneStatistics] = field(default_factory=dict)
    paper: Paper = PRINTED
    _values: dict[Key, Interval | None] = field(default_factory=dict)

    def value(self, key: Key) -> Interval | None:
        """Compute a statistic, once; None where its set is not given or too small."""
        name, statistic = key
        if key not in self._values:
            number = None
            if statistic in SCENE_STATISTICS and name in self.scenes:
                number = SCENE_STATISTICS[statistic](self.scenes[name])
            elif statistic in STATISTICS and name in self.people:
                number = STATISTICS[statistic](self.people[name])
            self._values[key] = number if number is not None and number.has_ends else None
        return self._values[key]

    def subtract(self, left: Key, right: Key, num_comparisons: int = 1) -> Interval | None:
        """Subtract independent numbers: the widths of their intervals add up in squares."""
        a, b = self.value(left), self.value(right)
        if a is None or b is None:
            return None
        difference = a.value - b.value
        low = float(np.hypot(a.value - a.low, b.high - b.value))
        high = float(np.hypot(a.high - a.value, b.value - b.low))
        return Interval(difference, difference - low, difference + high)

    def describe(self, assertion: Assertion) -> tuple[str, str]:
        """Describe two statistics, or one and its limit."""
        (name, statistic), right = assertion.left, assertion.right
        if not isinstance(right, tuple):
            verb = "is" if assertion.relation == "within" else assertion.relation
            what = f"{NAMES[name]}'s {statistic} {verb} {right:,}"
            return what, self._describe_value(assertion.left)
        relation = f"above {NAMES[right[0]]}'s" if name == OWN else f"below {NAMES[name]}'s"
        values = [self.value(key) for key in (assertion.left, right)]
        how = " against ".join(f"{v.value:.3f}" for v in values if v is not None)
        is_given = None not in values
        return f"{statistic} {relation}", how if is_given else "not all of these sets are given"

    def _describe_value(self, key: Key) -> str:
        name, statistic = key
        value = self.value(key)
        if value is None:
            return f"{NAMES[name]} is not given"
        people = self.people[name]
        if statistic == SMALL_SHARE:
            masks = _estimate_small_share(people, people.file_area)
            by_mask = f"; by mask {100 * masks.value:.1f} %" if masks.n else ""
            return (
                f"by box {value.value:.1f} %{by_mask}, of "
                f"{format_count(people.is_counted.sum(), 'person', 'people')}"
            )
        if name == OWN:
            return f"{value.value:,.0f} in the built set"
        return f"{value.value:,.0f}, of {format_count(people.is_counted.sum(), 'person', 'people')}"


def _estimate_count_variance(people: Instances) -> Estimate:
    """Estimate the variance of people per image, over images with people."""
    counts = np.bincount(people.image_rows[people.is_counted], minlength=len(people.images))
    return estimate_variance(np.where(counts > 0, counts, np.nan), people.images.groups)


def _estimate_dense_share(people: Instances) -> Estimate:
    small = np.flatnonzero(people.is_counted & (people.density_class >= 0))
    return estimate_mean(people.density_class[small] == 2, people.image_rows[small])


def _estimate_small_share(people: Instances, area: NDArray[np.float64]) -> Estimate:
    """Estimate the share of people below 128 × 96 px²."""
    has_area = people.is_counted & np.isfinite(area)
    return estimate_mean(area[has_area] < SMALL_BELOW, people.image_rows[has_area])


def _find_smallest_box(people: Instances) -> Interval | None:
    areas = people.area[people.is_counted]
    return Interval.exact(float(areas.min())) if len(areas) else None


SMALL_SHARE = "share of small people by box area in %"
STATISTICS: Mapping[str, Callable[[Instances], Interval | None]] = {
    "mean CrowdIndex": lambda p: estimate_mean(crowd_index(p), p.images.groups),
    "variance of people per image": _estimate_count_variance,
    "dense share of small people": _estimate_dense_share,
    "smallest box in px²": _find_smallest_box,
    SMALL_SHARE: lambda p: _estimate_small_share(p, p.area) * 100,
    "images": lambda p: Interval.exact(count_people(p).images),
    "people": lambda p: Interval.exact(count_people(p).people),
    "small people": lambda p: Interval.exact(count_people(p).sizes[0]),
}
SCENE_STATISTICS: Mapping[str, Callable[[SceneStatistics], Interval]] = {
    "mean of the scene entropy": lambda scenes: scenes.mean,
    "variance of the scene entropy": lambda scenes: scenes.variance,
}
