"""Compare the measures of two data sets side by side, with a limit for each distance."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from smallpose.core.counts import format_count
from smallpose.core.instances import SOURCES, Instances
from smallpose.core.table import Column, Table
from smallpose.stats.people_measures import (
    DISTRIBUTIONS,
    QUANTILES,
    SHARES,
    PeopleMeasures,
    measure_distance,
    measure_people,
)

# The greatest distance at which two data sets are alike: difference of shares, and greatest
# difference of the shares of two distributions (Kolmogorov-Smirnov).
SHARE_LIMIT = 0.08
DISTRIBUTION_LIMIT = 0.2
# Below which 95 % of normal variables are, and of Kolmogorov-Smirnov distances times
# sqrt(nm / (n + m)).
_NORMAL_95 = 1.96
_KS_95 = 1.36
LIMITS = {**dict.fromkeys(SHARES, SHARE_LIMIT), **dict.fromkeys(DISTRIBUTIONS, DISTRIBUTION_LIMIT)}
# By source, the real people that it is compared with. No file of HiEve could be measured.
REAL_PEOPLE_OF = {
    "coco": "coco",
    "mpii": "mpii",
    "aic": "aic",
    "hieve": "posetrack",
    "posetrack": "posetrack",
}
# Not compared: sizes, since the images of all sources but COCO are scaled here so that the classes
# have the paper's shares; crowding of MPII, of which the file at hand has one person an image; what
# the labels of Bonn's videos do not tell of PoseTrack's; and of HiEve all but views and bodies.
_SCENE = ("height", "box_ratio", "crowd_index", *SHARES)
NOT_COMPARED = {
    "mpii": ("height", "crowd_index"),
    "aic": ("height",),
    "posetrack": ("height", "labelled"),
    "hieve": tuple(name for name in _SCENE if name != "facing"),
}
_MIDDLE = len(QUANTILES) // 2


@dataclass(frozen=True)
class Comparison:
    """One measure of two data sets.

    Args:
        name: in `SHARES` or `DISTRIBUTIONS`.
        value, other: the shares, or the medians of the distributions; None where not measured.
        distance: None where one of them is not measured.
        chance: the distance that 95 % of pairs of such samples of the same people stay below, if
            people are independent.
    """

    name: str
    value: float | None
    other: float | None
    distance: float | None
    chance: float

    @property
    def limit(self) -> float:
        """Return the greatest distance at which both are alike."""
        return LIMITS[self.name]

    @property
    def is_within(self) -> bool | None:
        """Return whether the distance is within the limit.

        None where it is not known: nothing measured, or so few people that a distance beyond the
        limit can be chance.
        """
        if self.distance is None:
            return None
        if self.distance <= self.limit:
            return True
        return False if self.distance > self.chance else None

    @property
    def verdict(self) -> str:
        """Return the word of the table."""
        if self.distance is None:
            return "–"
        return {True: "yes", False: "no", None: "few people"}[self.is_within]

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers."""
        return {
            "value": self.value,
            "other": self.other,
            "distance": self.distance,
            "limit": self.limit,
            "chance": round(self.chance, 4),
            "is_within": self.is_within,
        }


def compare_measures(one: PeopleMeasures, other: PeopleMeasures) -> list[Comparison]:
    """Compare two data sets measure by measure."""
    rows = []
    spread = np.sqrt(1 / max(one.people, 1) + 1 / max(other.people, 1))
    for name in SHARES:
        a, b = one.shares[name], other.shares[name]
        distance = None if a is None or b is None else abs(a - b)
        pooled = _pool_shares(a, one.people, b, other.people)
        chance = _NORMAL_95 * np.sqrt(pooled * (1 - pooled)) * spread
        rows.append(Comparison(name, a, b, distance, float(chance)))
    for name in DISTRIBUTIONS:
        p, q = one.distributions[name], other.distributions[name]
        distance = None if p is None or q is None else measure_distance(p, q)
        chance = float(_KS_95 * spread)
        rows.append(Comparison(name, _get_median(p), _get_median(q), distance, chance))
    return rows


def _pool_shares(a: float | None, num_a: int, b: float | None, num_b: int) -> float:
    if a is None or b is None or num_a + num_b == 0:
        return 0.5
    return (a * num_a + b * num_b) / (num_a + num_b)


def compare_with_real(source: str, measures: PeopleMeasures) -> list[Comparison]:
    """Compare the measures of a source with the real people that it stands for."""
    rows = compare_measures(measures, read_real_measures()[REAL_PEOPLE_OF[source]])
    left_out = NOT_COMPARED.get(source, ())
    return [row for row in rows if row.name not in left_out]


def _get_median(quantiles: tuple[float, ...] | None) -> float | None:
    return None if quantiles is None else quantiles[_MIDDLE]


@dataclass(frozen=True)
class SetComparison:
    """The measures of a data set, or of a source of it, beside those of another.

    Args:
        name: of the data set.
        source: of it that was compared; "" for all of it.
        other: name of the other data set.
        rows: one for each measure.
    """

    name: str
    source: str
    other: str
    rows: tuple[Comparison, ...]

    @property
    def key(self) -> str:
        """Return the name of the comparison among those of one data set."""
        return f"{self.source} with {self.other}" if self.source else f"with {self.other}"

    @property
    def outside(self) -> list[str]:
        """Return the measures whose distance is beyond its limit."""
        return [row.name for row in self.rows if row.is_within is False]

    def summarize(self) -> str:
        """Say in one line which measures are beyond their limits."""
        num_compared = sum(row.is_within is not None for row in self.rows)
        outcome = (
            f"beyond their limits: {', '.join(self.outside)}" if self.outside else "none beyond"
        )
        return (
            f"{self.name}, {self.key}: {format_count(num_compared, 'measure')} compared, {outcome}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers by measure."""
        return {row.name: row.to_dict() for row in self.rows}

    def build_table(self) -> Table:
        """Lay the measures out side by side."""
        columns = (
            Column("measure"),
            Column("here", "number"),
            Column("there", "number"),
            Column("distance", "number"),
            Column("limit", "number"),
            Column("within"),
        )
        cells = tuple(
            (row.name, row.value, row.other, row.distance, row.limit, row.verdict)
            for row in self.rows
        )
        first = f"{self.name} ({self.source})" if self.source else self.name
        return Table(
            re.sub(r"\W+", "_", f"compare_{self.name}_{self.key}"),
            f"{first} beside {self.other}",
            columns,
            cells,
            note="Shares, and medians of distributions, whose distance is the greatest difference "
            "of their shares (Kolmogorov–Smirnov). A dash: one of both cannot be measured. "
            "Few people: beyond the limit, but 5 % of pairs of so small samples are.",
        )


def compare_sets(name: str, people: Instances, other: str, others: Instances) -> SetComparison:
    """Compare all people of two data sets."""
    rows = compare_measures(measure_people(people), measure_people(others))
    return SetComparison(name, "", other, tuple(rows))


def compare_sources_with_real(name: str, people: Instances) -> list[SetComparison]:
    """Compare each source of a data set with what was measured on real people.

    People of unknown source are compared with COCO's.
    """
    compared = []
    for code in np.unique(people.images.source).tolist():
        source = SOURCES[code]
        kind = source or "coco"
        if kind not in REAL_PEOPLE_OF:
            continue
        part = people.take_images(np.flatnonzero(people.images.source == code))
        rows = compare_with_real(kind, measure_people(part))
        compared.append(SetComparison(name, source, f"real {REAL_PEOPLE_OF[kind]}", tuple(rows)))
    return compared


@cache
def read_real_measures() -> Mapping[str, PeopleMeasures]:
    """Read the measures of real data sets that come with the package, by name."""
    text = files("smallpose.stats").joinpath("real_people.json").read_text("utf-8")
    content = json.loads(text)["data_sets"]
    return {name: PeopleMeasures.from_dict(values) for name, values in content.items()}
