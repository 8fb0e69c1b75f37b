"""Draw training subsets as large as COCO with the data set's mix of person sizes (Table 5; A43).

Images are drawn, not people, so every image keeps all its people. Each subset has its own seed.
Several subsets of a quarter of the images each cannot be disjoint, so their overlap is reported.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.instances import SOURCES, Instances
from smallpose.system.files import write_atomically
from smallpose.system.json_decode import read_json

Rows = NDArray[np.intp]
Floats = NDArray[np.float64]

PEOPLE_TOLERANCE = 0.005  # largest relative deviation from the wanted number of people
_IMAGES_PER_BLOCK = 16  # images of one source and of similar sizes, drawn from together
_NUM_DRAWS = 8  # the draw whose areas are closest to the data set's is used


@dataclass(frozen=True)
class Subset:
    """A training subset.

    Args:
        number: its number, from 1.
        seed: seed of the draw.
        image_rows: sorted rows into the images of the data set.
        people: number of labelled people in these images.
        distance: Kolmogorov–Smirnov distance between their box areas and the data set's.
    """

    number: int
    seed: int
    image_rows: Rows
    people: int
    distance: float


@dataclass(frozen=True)
class _Pool:
    """The images that can be drawn.

    Args:
        rows: (p,) images with labelled people.
        num_people: (m,) labelled people of every image of the data set.
        person_rows: (n,) image of each labelled person.
        log_area: (n,) logarithm of each labelled person's box area.
    """

    rows: Rows
    num_people: Rows
    person_rows: Rows
    log_area: Floats


def count_coco_people(people: Instances) -> int:
    """Count the labelled people of the COCO part, on which setting A trains."""
    return int((people.is_counted & (people.source == SOURCES.index("coco"))).sum())


def draw_subsets(people: Instances, count: int, size: int, seed: int = 0) -> list[Subset]:
    """Draw subsets of `size` labelled people each, within half a percent where images allow it.

    Raises: InputError when the data set has fewer people.
    """
    person_rows = people.image_rows[people.is_counted]
    num_people = np.bincount(person_rows, minlength=len(people.images))
    total = int(num_people.sum())
    if not 0 < size <= total:
        raise InputError(
            f"subsets of {format_count(size, 'person', 'people')}",
            f"the training set has {total:,}",
            "choose a smaller number with --subset-people",
        )
    pool = _Pool(
        rows=np.flatnonzero(num_people),
        num_people=num_people,
        person_rows=person_rows,
        log_area=np.log(np.maximum(people.area[people.is_counted], 1.0)),
    )
    source = people.images.source
    return [_draw_subset(pool, source, size, n, seed + n) for n in range(1, count + 1)]


def compute_overlaps(subsets: list[Subset]) -> Floats:
    """Compute the (s, s) share of each row's images that the column's subset also contains."""
    sets = [set(s.image_rows.tolist()) for s in subsets]
    return np.array([[len(a & b) / max(len(a), 1) for b in sets] for a in sets])


def _draw_subset(
    pool: _Pool, source: NDArray[np.int8], size: int, number: int, seed: int
) -> Subset:
    rng = np.random.default_rng([seed, 43])
    rows, num_people = pool.rows, pool.num_people
    total_log_area = np.bincount(pool.person_rows, pool.log_area, minlength=len(num_people))
    mean_log_area = total_log_area[rows] / num_people[rows]
    crowding = np.rint(np.log2(num_people[rows]))
    share = size / num_people.sum()
    best = Subset(number, seed, rows, 0, np.inf)
    for _ in range(_NUM_DRAWS):
        # Images in a block are similar in source, number and size of people; the same share of
        # each block is drawn.
        jittered = mean_log_area + rng.normal(0, 0.05, len(mean_log_area))
        order = rows[np.lexsort((jittered, crowding, source[rows]))]
        is_chosen = np.zeros(len(num_people), bool)
        for start in range(0, len(order), _IMAGES_PER_BLOCK):
            block = rng.permutation(order[start : start + _IMAGES_PER_BLOCK])
            wanted = len(block) * share
            is_chosen[block[: int(wanted) + (rng.random() < wanted % 1)]] = True
        _adjust_size(is_chosen, pool, size, rng)
        in_subset = is_chosen[pool.person_rows]
        distance = _compute_ks_distance(pool.log_area[in_subset], pool.log_area)
        if distance < best.distance:
            image_rows = np.flatnonzero(is_chosen)
            best = Subset(number, seed, image_rows, int(in_subset.sum()), distance)
    return best


def _adjust_size(
    is_chosen: NDArray[np.bool_], pool: _Pool, size: int, rng: np.random.Generator
) -> None:
    """Add or remove random images until the number of people is close enough to `size`."""
    num_lacking = size - int(pool.num_people[is_chosen].sum())
    for row in rng.permutation(pool.rows).tolist():
        if abs(num_lacking) <= PEOPLE_TOLERANCE * size / 10:
            return
        step = int(pool.num_people[row]) * (1 if num_lacking > 0 else -1)
        if is_chosen[row] == (num_lacking < 0) and abs(num_lacking - step) < abs(num_lacking):
            is_chosen[row] = num_lacking > 0
            num_lacking -= step


def _compute_ks_distance(sample: Floats, population: Floats) -> float:
    """Compute the largest difference between the two cumulative distributions."""
    if not len(sample):
        return 1.0
    sample, population = np.sort(sample), np.sort(population)
    cumulative = np.searchsorted(sample, population, side="right") / len(sample)
    expected = np.arange(1, len(population) + 1) / len(population)
    return float(np.abs(cumulative - expected).max())


class SubsetFile(Struct):
    """The file that `write_subset` writes."""

    subset: int
    seed: int
    people: int
    images: list[int]
    distance: float = 0.0


def write_subset(path: Path, subset: Subset, people: Instances) -> None:
    """Write the image ids of a subset as JSON, for `smallpose train --subset`."""
    ids = people.images.ids[subset.image_rows].tolist()
    record = {
        "subset": subset.number,
        "seed": subset.seed,
        "people": subset.people,
        "distance": round(subset.distance, 6),
        "images": ids,
    }
    write_atomically(path, json.dumps(record) + "\n")


def read_subset(path: Path, people: Instances) -> tuple[int, Instances]:
    """Read the number of a subset and select its people.

    Raises: InputError when the file names an image that the data set does not have.
    """
    file = read_json(path, SubsetFile)
    unknown = set(file.images) - set(people.images.row_of)
    if unknown:
        raise InputError(
            str(path),
            f"{len(unknown):,} of its images are not in the training set, such as {min(unknown)}",
            "draw the subsets from this data set",
        )
    in_subset = np.isin(people.images.ids, np.array(file.images, dtype=np.int64))
    return file.subset, people.take(np.flatnonzero(in_subset[people.image_rows]))
