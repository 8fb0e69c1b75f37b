"""Find people who are labelled twice: two annotations of one image with nearly the same pose."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Instances
from smallpose.dataset.label_audit.pose_distance import (
    list_pairs,
    list_sigmas,
    measure_areas,
    measure_distances,
)

Floats = NDArray[np.float64]

MIN_SHARED_JOINTS = 3
MAX_REPEATED_OKS = 0.75  # of two people; two different ones are hardly ever as near
MAX_PAIRS = 200_000  # compared at once


@dataclass(frozen=True)
class RepeatedPeople:
    """How much each person looks like another one of the image.

    Args:
        oks: (n,) the largest OKS with another person of the image, over the joints that both have.
        other: (n,) row of that person; -1 where there is none.
    """

    oks: Floats
    other: NDArray[np.intp]


def find_repeated_people(people: Instances) -> RepeatedPeople:
    """Compare every two counted people of each image."""
    best = np.zeros(len(people))
    other = np.full(len(people), -1, dtype=np.intp)
    rows = np.flatnonzero(people.is_counted)
    first, second = list_pairs(people.image_rows[rows], people.image_rows[rows])
    first, second = rows[first[first < second]], rows[second[first < second]]
    sigmas = list_sigmas(people.skeleton)
    areas = measure_areas(people.keypoints, people.boxes_xywh)
    for start in range(0, len(first), MAX_PAIRS):
        a, b = first[start : start + MAX_PAIRS], second[start : start + MAX_PAIRS]
        oks = _compare_pairs(people.keypoints[a], people.keypoints[b], areas[a], areas[b], sigmas)
        for one, partner in ((a, b), (b, a)):
            order = np.argsort(oks, kind="stable")
            is_better = oks[order] > best[one[order]]
            # The last of several assignments to one row stays, which is the largest.
            best[one[order][is_better]] = oks[order][is_better]
            other[one[order][is_better]] = partner[order][is_better]
    return RepeatedPeople(best, other)


def _compare_pairs(
    first: Floats, second: Floats, first_areas: Floats, second_areas: Floats, sigmas: Floats
) -> Floats:
    """Return (p,) OKS scaled by the smaller of both people; 0 where they share few joints."""
    is_shared = (first[:, :, 2] > 0) & (second[:, :, 2] > 0)
    count = is_shared.sum(axis=1)
    distances = measure_distances(first, second, np.minimum(first_areas, second_areas), sigmas)
    similarity = (np.exp(-distances) * is_shared).sum(axis=1) / np.maximum(count, 1)
    return np.where(count >= MIN_SHARED_JOINTS, similarity, 0.0)
