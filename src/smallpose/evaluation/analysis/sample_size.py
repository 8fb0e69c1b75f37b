"""Say before a training what its test part will be too small for.

`compare` needs people in some number of images (or videos), and so does the height from which half
of the people are detected. Both refuse too few at the end, when the training is paid for.
"""

import math
from dataclasses import dataclass

import numpy as np

from smallpose.core.counts import format_count
from smallpose.core.instances import Instances
from smallpose.core.sizes import SIZES
from smallpose.evaluation.analysis.comparison import MIN_TEST_CLUSTERS
from smallpose.evaluation.analysis.half_detected import MIN_PEOPLE
from smallpose.evaluation.scoring.bootstrap import MIN_CLUSTERS, index_clusters
from smallpose.evaluation.scoring.cluster_units import format_units, name_unit, name_units

MAX_TEST_SHARE = 0.5  # that is advised; with more, too little would be left to train on
_SHARE_STEP = 0.05


@dataclass(frozen=True)
class SampleSize:
    """How much there is to score.

    Args:
        people: who count.
        clusters: images with them; videos, where the labels name these.
        small_clusters: those of them with small people.
        unit: what the clusters are; see `cluster_units`.
    """

    people: int
    clusters: int
    small_clusters: int
    unit: str

    def __add__(self, other: "SampleSize") -> "SampleSize":
        """Return the size of both together, which share no image."""
        return SampleSize(
            people=self.people + other.people,
            clusters=self.clusters + other.clusters,
            small_clusters=self.small_clusters + other.small_clusters,
            unit=self.unit,
        )

    @property
    def allows_comparison(self) -> bool:
        """Return whether `compare` can test a difference in AP."""
        return self.clusters >= MIN_TEST_CLUSTERS

    @property
    def lacks_small_people(self) -> bool:
        """Return whether there are small people, but too few for a test of AP_S."""
        return 0 < self.small_clusters < MIN_TEST_CLUSTERS

    @property
    def allows_height(self) -> bool:
        """Return whether a height can be named from which half of the people are detected."""
        return self.people >= MIN_PEOPLE and self.clusters >= MIN_CLUSTERS


def measure_sample(people: Instances) -> SampleSize:
    """Count the people who count, and the images or videos they are in."""
    cluster = index_clusters(people.images.groups)[people.image_rows]
    is_small = people.is_counted & (people.size_class == SIZES.index("small"))
    return SampleSize(
        people=int(np.count_nonzero(people.is_counted)),
        clusters=len(np.unique(cluster[people.is_counted])),
        small_clusters=len(np.unique(cluster[is_small])),
        unit=name_unit(people.images.groups),
    )


def describe_shortage(test: SampleSize) -> str:
    """Say what a test part is too small for; "" where it suffices.

    >>> print(describe_shortage(SampleSize(30, 12, 0, "image")))
    the test part has people in 12 images: smallpose compare needs 15
    """
    images = format_units(test.clusters, test.unit)
    lacks = []
    if not test.allows_comparison:
        of_small = f", and as many with small people (here: {test.small_clusters:,}) for AP_S"
        lacks.append(
            f"smallpose compare needs {MIN_TEST_CLUSTERS}"
            + (of_small if test.lacks_small_people else "")
        )
    elif test.lacks_small_people:
        lacks.append(
            f"small ones are in {test.small_clusters:,}, and smallpose compare needs "
            f"{MIN_TEST_CLUSTERS} to compare AP_S"
        )
    if not test.allows_height:
        people = format_count(test.people, "person", "people")
        lacks.append(
            f"the height from which half of the people are detected needs {MIN_PEOPLE} people in "
            f"{MIN_CLUSTERS} {name_units(test.unit)} (here: {people})"
        )
    return f"the test part has people in {images}: {', and '.join(lacks)}" if lacks else ""


def describe_remedy(test: SampleSize, everyone: SampleSize, share: float) -> str:
    """Say what gives the test part what it lacks: a larger share of the images, or more labels.

    Args:
        everyone: the people of both parts.
        share: of the images that are for tests now.
    """
    larger = choose_test_share(test, everyone, share)
    if larger is not None:
        return (
            f"before training, run smallpose split again with --test {larger:g} and another --out"
        )
    who = "small people" if test.allows_comparison and test.allows_height else "people"
    return f"label more {name_units(everyone.unit)} with {who}"


def choose_test_share(test: SampleSize, everyone: SampleSize, share: float) -> float | None:
    """Choose a larger share of the images for tests, which has what the test part lacks.

    Args:
        everyone: the people of both parts.
        share: of the images that are for tests now.
    Returns: None where that would leave too little to train on.
    """
    needed = [one for one in _list_needed_shares(test, everyone) if one <= MAX_TEST_SHARE]
    if not needed or share >= MAX_TEST_SHARE:
        return None
    # A draw may have fewer people than its share of the images: more than just enough.
    steps = math.floor(max(*needed, share) / _SHARE_STEP + 1e-9) + 1
    return round(min(steps * _SHARE_STEP, MAX_TEST_SHARE), 2)


def _list_needed_shares(test: SampleSize, everyone: SampleSize) -> list[float]:
    """List the shares of all people and images that each shortage calls for.

    What one share gives is all that is missing: a second split must not ask for a third.
    """
    shares = []
    if not test.allows_comparison:
        shares.append(MIN_TEST_CLUSTERS / max(everyone.clusters, 1))
    if test.small_clusters < MIN_TEST_CLUSTERS and everyone.small_clusters:
        shares.append(MIN_TEST_CLUSTERS / max(everyone.small_clusters, 1))
    if not test.allows_height:
        share_of_people = MIN_PEOPLE / max(everyone.people, 1)
        shares.append(max(share_of_people, MIN_CLUSTERS / max(everyone.clusters, 1)))
    return shares
