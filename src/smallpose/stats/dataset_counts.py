"""Everything that `stats` counts, as whole numbers that add up: for tables of any size, in parts.

`tally` is the one function that looks at people; `merge` adds two results. A part holds whole
images. Both are plain functions of arrays, so the same two run over a file that fits into memory,
over shards that stream by, and on many machines, and give the same numbers to the last digit.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from fractions import Fraction
from functools import cached_property
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import SOURCES, Instances
from smallpose.stats import exact_sum
from smallpose.stats.counts import Counts, count_by_source, count_people
from smallpose.stats.crowding import crowd_index
from smallpose.stats.distributions import (
    AREA_EDGES,
    Histogram,
    build_area_histogram,
    count_people_per_image,
)
from smallpose.stats.mean_interval import Estimate, estimate_from_error

Partials = dict[str, NDArray[np.int64]]

# The formula has no upper end; the few images above 1 stand in the last bin.
CROWD_EDGES = tuple(i / 10 for i in range(11))


def count_partials(people: Instances) -> Partials:
    """The partial sums of a table, or of a part of one that holds whole images.

    Returns: `counts` and, for each source, `counts <source>`: (10,) the fields of `Counts`;
        `areas`, `company`, `everybody`, `crowd`: histograms; `crowd sum`, `crowd squares`: exact
        sums of the images' CrowdIndex and of its squares.
    """
    crowds = crowd_index(people)
    crowds = crowds[np.isfinite(crowds)]
    out = {
        "counts": _pack_counts(count_people(people)),
        "areas": build_area_histogram(people).counts,
        "company": count_people_per_image(people),
        "everybody": count_people_per_image(people, include_ignored=True),
        "crowd": np.histogram(np.clip(crowds, 0, 1), CROWD_EDGES)[0].astype(np.int64),
        "crowd sum": exact_sum.sum_digits(crowds),
        "crowd squares": exact_sum.sum_digits(crowds**2),
    }
    for name, counts in count_by_source(people).items():
        out[f"counts {name}"] = _pack_counts(counts)
    return out


def merge_partials(
    one: Mapping[str, NDArray[np.int64]], other: Mapping[str, NDArray[np.int64]]
) -> Partials:
    """The partial sums of both parts together; in any order and grouping the same."""
    out = dict(one)
    for name, values in other.items():
        out[name] = _add_padded(out[name], values) if name in out else values
    return out


def _add_padded(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """The sum of two arrays of which one may be longer along the first axis."""
    short, long = sorted((one, other), key=len)
    out = long.copy()
    out[: len(short)] += short
    return out


def _pack_counts(counts: Counts) -> NDArray[np.int64]:
    flat = np.hstack([np.atleast_1d(v) for v in astuple(counts)])
    return flat.astype(np.int64)


def _unpack_counts(numbers: NDArray[np.int64]) -> Counts:
    images, in_file, people, small, medium, large, *densities, ignored = numbers.tolist()
    sparse, moderate, dense = densities
    sizes = (small, medium, large)
    return Counts(images, in_file, people, sizes, (sparse, moderate, dense), ignored)


@dataclass(frozen=True)
class Crowding:
    """CrowdIndex over images with people.

    Args:
        histogram: images by CrowdIndex; those above 1 stand in the last bin.
        mean: None without an image.
        standard_error: of the mean; None with fewer than two images.
    """

    histogram: Histogram
    mean: float | None
    standard_error: float | None

    @property
    def estimate(self) -> Estimate:
        """The mean with its interval, as if every image stood alone."""
        return estimate_from_error(self.mean, self.standard_error, self.histogram.total)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers."""
        images = self.histogram.total
        return {"images": images, "mean": self.mean, "standard_error": self.standard_error}


@dataclass(frozen=True)
class DatasetCounts:
    """Partial sums, read as what they mean.

    Args:
        partials: of `tally`, merged or not.
    """

    partials: Mapping[str, NDArray[np.int64]]

    @cached_property
    def counts(self) -> Counts:
        """Of everybody."""
        return _unpack_counts(self.partials["counts"])

    @cached_property
    def sources(self) -> dict[str, Counts]:
        """Of each source that has an image or a person; "" where the file does not say."""
        found = [n.removeprefix("counts ") for n in self.partials if n.startswith("counts ")]
        own = sorted(set(found) - set(SOURCES))
        order = [n for n in (*SOURCES, *own) if n in found]
        return {name: _unpack_counts(self.partials[f"counts {name}"]) for name in order}

    @property
    def area_histogram(self) -> Histogram:
        """People by box area."""
        return Histogram(np.asarray(AREA_EDGES, dtype=np.float64), self.partials["areas"])

    @property
    def people_per_image(self) -> NDArray[np.int64]:
        """(most + 1,) how many images show 0, 1, 2 … people."""
        return self.partials["company"]

    @property
    def annotations_per_image(self) -> NDArray[np.int64]:
        """The same with crowd regions and people without keypoints."""
        return self.partials["everybody"]

    @cached_property
    def crowding(self) -> Crowding:
        """How crowded images are."""
        histogram = Histogram(np.asarray(CROWD_EDGES), self.partials["crowd"])
        n = histogram.total
        if not n:
            return Crowding(histogram, None, None)
        sums = exact_sum.combine_digits(self.partials["crowd sum"])
        squares = exact_sum.combine_digits(self.partials["crowd squares"])
        error = None
        if n > 1:
            variance = max(squares - sums * sums / n, Fraction(0)) / (n - 1) / n
            # The root of a quotient of whole numbers, to 64 bits and more.
            scaled = variance.numerator * 4**96 // variance.denominator if variance else 0
            error = isqrt(scaled) / 2**96
        return Crowding(histogram, float(sums / n), error)


def count_dataset(people: Instances) -> DatasetCounts:
    """A whole table, counted."""
    return DatasetCounts(count_partials(people))
