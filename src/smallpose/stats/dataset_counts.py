"""Count all that `stats` reports in whole numbers that add up, for data sets of any size, in parts.

`count_partials` is the only function that looks at people; `merge_partials` adds two results. A
part contains whole images. Both are plain functions of arrays, so they run over a file that fits
into memory, over shards one by one and on many machines, and give the same numbers to the last
digit.
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

# The index has no upper bound; the few images above 1 are in the last bin.
CROWD_EDGES = tuple(i / 10 for i in range(11))


def count_partials(people: Instances) -> Partials:
    """Count a table, or a part of one that contains whole images.

    Returns: `counts` and, for each source, `counts <source>`: (10,) the fields of `Counts`;
        `areas`, `people_per_image`, `annotations_per_image`, `crowd_index`: histograms;
        `crowd_index_sum`, `crowd_index_squares`: exact sums over images of the CrowdIndex and of
        its square.
    """
    crowding = crowd_index(people)
    crowding = crowding[np.isfinite(crowding)]
    histogram = np.histogram(np.clip(crowding, 0, 1), CROWD_EDGES)[0]
    partials = {
        "counts": _pack_counts(count_people(people)),
        "areas": build_area_histogram(people).counts,
        "people_per_image": count_people_per_image(people),
        "annotations_per_image": count_people_per_image(people, include_ignored=True),
        "crowd_index": histogram.astype(np.int64),
        "crowd_index_sum": exact_sum.sum_digits(crowding),
        "crowd_index_squares": exact_sum.sum_digits(crowding**2),
    }
    for name, counts in count_by_source(people).items():
        partials[f"counts {name}"] = _pack_counts(counts)
    return partials


def merge_partials(
    first: Mapping[str, NDArray[np.int64]], second: Mapping[str, NDArray[np.int64]]
) -> Partials:
    """Add the counts of two parts; order and grouping do not matter."""
    merged = dict(first)
    for name, values in second.items():
        merged[name] = _add_padded(merged[name], values) if name in merged else values
    return merged


def _add_padded(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Add two arrays of which one may be longer along the first axis."""
    short, long = sorted((first, second), key=len)
    total = long.copy()
    total[: len(short)] += short
    return total


def _pack_counts(counts: Counts) -> NDArray[np.int64]:
    flat = np.hstack([np.atleast_1d(v) for v in astuple(counts)])
    return flat.astype(np.int64)


def _unpack_counts(numbers: NDArray[np.int64]) -> Counts:
    images, in_file, people, small, medium, large, *densities, ignored = numbers.tolist()
    sparse, moderate, dense = densities
    return Counts(
        images=images,
        images_in_file=in_file,
        people=people,
        sizes=(small, medium, large),
        densities=(sparse, moderate, dense),
        ignored=ignored,
    )


@dataclass(frozen=True)
class Crowding:
    """CrowdIndex over images with people.

    Args:
        histogram: images by CrowdIndex; those above 1 are in the last bin.
        mean: None without an image.
        standard_error: of the mean; None with fewer than two images.
    """

    histogram: Histogram
    mean: float | None
    standard_error: float | None

    @property
    def estimate(self) -> Estimate:
        """Return the mean with its interval, for independent images."""
        return estimate_from_error(self.mean, self.standard_error, self.histogram.total)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers."""
        images = self.histogram.total
        return {"images": images, "mean": self.mean, "standard_error": self.standard_error}


@dataclass(frozen=True)
class DatasetCounts:
    """The counts of a data set by name.

    Args:
        partials: of `count_partials`, merged or not.
    """

    partials: Mapping[str, NDArray[np.int64]]

    @cached_property
    def counts(self) -> Counts:
        """Return the counts of the whole data set."""
        return _unpack_counts(self.partials["counts"])

    @cached_property
    def sources(self) -> dict[str, Counts]:
        """Return the counts of each source; "" where the file does not name it."""
        prefix = "counts "
        names = [n.removeprefix(prefix) for n in self.partials if n.startswith(prefix)]
        custom = sorted(set(names) - set(SOURCES))
        ordered = [n for n in (*SOURCES, *custom) if n in names]
        return {name: _unpack_counts(self.partials[prefix + name]) for name in ordered}

    @property
    def area_histogram(self) -> Histogram:
        """Return the histogram of people by box area."""
        return Histogram(np.asarray(AREA_EDGES, dtype=np.float64), self.partials["areas"])

    @property
    def people_per_image(self) -> NDArray[np.int64]:
        """Return the number of images with 0, 1, 2 … people."""
        return self.partials["people_per_image"]

    @property
    def annotations_per_image(self) -> NDArray[np.int64]:
        """Return the same with crowd regions and people without keypoints."""
        return self.partials["annotations_per_image"]

    @cached_property
    def crowding(self) -> Crowding:
        """Return the histogram and the mean of the CrowdIndex."""
        histogram = Histogram(np.asarray(CROWD_EDGES), self.partials["crowd_index"])
        n = histogram.total
        if not n:
            return Crowding(histogram, None, None)
        total = exact_sum.combine_digits(self.partials["crowd_index_sum"])
        squares = exact_sum.combine_digits(self.partials["crowd_index_squares"])
        error = None
        if n > 1:
            variance = max(squares - total * total / n, Fraction(0)) / (n - 1) / n
            # The square root of a quotient of integers, to more than 64 bits.
            scaled = variance.numerator * 4**96 // variance.denominator if variance else 0
            error = isqrt(scaled) / 2**96
        return Crowding(histogram, float(total / n), error)


def count_dataset(people: Instances) -> DatasetCounts:
    """Count a whole table."""
    return DatasetCounts(count_partials(people))
