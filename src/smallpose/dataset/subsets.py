"""Training subsets of COCO's size with the whole set's mix of person sizes (paper, Table 5; A43).

Images are drawn, not people, so every image keeps all of its own. Each subset has its own seed;
several of a quarter each cannot be disjoint, so how much they share is told.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import SOURCES, Instances
from smallpose.system.files import write_atomically
from smallpose.system.json_decode import read_json

Rows = NDArray[np.intp]

PEOPLE_TOLERANCE = 0.005  # share of the wanted people that a subset may be off by
_IMAGES_PER_BLOCK = 16  # images of one source and like sizes that are drawn from together
_NUM_DRAWS = 8  # of which the one nearest to the whole set's areas is taken


@dataclass(frozen=True)
class Subset:
    """One of the subsets.

    Args:
        number: from 1.
        seed: it was drawn with.
        image_rows: sorted rows into the set's images.
        people: labelled people in them.
        distance: Kolmogorov–Smirnov distance of their box areas to the whole set's.
    """

    number: int
    seed: int
    image_rows: Rows
    people: int
    distance: float


def count_coco_people(people: Instances) -> int:
    """Labelled people of the set's COCO part: what setting A learns from."""
    return int((people.is_counted & (people.source == SOURCES.index("coco"))).sum())


def draw_subsets(people: Instances, count: int, size: int, seed: int = 0) -> list[Subset]:
    """Subsets of `size` labelled people each, within half a percent where images allow it.

    Raises: InputError when the set has fewer people than that.
    """
    counted = people.is_counted
    per_image = np.bincount(people.image_rows[counted], minlength=len(people.images))
    total = int(per_image.sum())
    if not 0 < size <= total:
        raise InputError(
            f"subsets of {size:,} people",
            f"the training set has {total:,}",
            "ask for fewer with --subset-people",
        )
    seeds = [seed + number for number in range(1, count + 1)]
    return [
        _draw_subset(people, counted, per_image, size, number, own)
        for number, own in enumerate(seeds, start=1)
    ]


def compute_overlaps(subsets: list[Subset]) -> NDArray[np.float64]:
    """(s, s) share of the row's images that the column's subset has too."""
    sets = [set(s.image_rows.tolist()) for s in subsets]
    return np.array([[len(a & b) / max(len(a), 1) for b in sets] for a in sets])


def _draw_subset(
    people: Instances,
    counted: NDArray[np.bool_],
    per_image: NDArray[np.intp],
    size: int,
    number: int,
    seed: int,
) -> Subset:
    rng = np.random.default_rng([seed, 43])
    area = np.log(np.maximum(people.area[counted], 1.0))
    rows = people.image_rows[counted]
    there = np.flatnonzero(per_image)
    mean = np.bincount(rows, area, minlength=len(per_image))[there] / per_image[there]
    crowd = np.rint(np.log2(per_image[there]))
    share, best = size / per_image.sum(), Subset(number, seed, there, 0, np.inf)
    for _ in range(_NUM_DRAWS):
        # Blocks of images alike in source, number and size of people; the same share of each.
        near = mean + rng.normal(0, 0.05, len(mean))
        order = there[np.lexsort((near, crowd, people.images.source[there]))]
        chosen = np.zeros(len(per_image), bool)
        for start in range(0, len(order), _IMAGES_PER_BLOCK):
            block = rng.permutation(order[start : start + _IMAGES_PER_BLOCK])
            want = len(block) * share
            chosen[block[: int(want) + (rng.random() < want % 1)]] = True
        _adjust_size(chosen, per_image, there, size, rng)
        inside = chosen[rows]
        distance = _compute_ks_distance(area[inside], area)
        if distance < best.distance:
            best = Subset(number, seed, np.flatnonzero(chosen), int(inside.sum()), distance)
    return best


def _adjust_size(
    chosen: NDArray[np.bool_],
    per_image: NDArray[np.intp],
    there: Rows,
    size: int,
    rng: np.random.Generator,
) -> None:
    """Images in or out, at random, until the people are as many as wanted or no image helps."""
    off = size - int(per_image[chosen].sum())
    for row in rng.permutation(there).tolist():
        if abs(off) <= PEOPLE_TOLERANCE * size / 10:
            return
        step = int(per_image[row]) * (1 if off > 0 else -1)
        if chosen[row] == (off < 0) and abs(off - step) < abs(off):
            chosen[row] = off > 0
            off -= step


def _compute_ks_distance(sample: NDArray[np.float64], whole: NDArray[np.float64]) -> float:
    """Largest difference of the two cumulative distributions."""
    if not len(sample):
        return 1.0
    sample, whole = np.sort(sample), np.sort(whole)
    ours = np.searchsorted(sample, whole, side="right") / len(sample)
    return float(np.abs(ours - np.arange(1, len(whole) + 1) / len(whole)).max())


class SubsetFile(Struct):
    """What `write_subset` writes."""

    subset: int
    seed: int
    people: int
    images: list[int]
    distance: float = 0.0


def write_subset(path: Path, subset: Subset, people: Instances) -> None:
    """The ids of its images as JSON, for `smallpose train --subset`."""
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
    """The subset's number and its people.

    Raises: InputError when the file names an image that the set does not have.
    """
    file = read_json(path, SubsetFile)
    unknown = set(file.images) - set(people.images.row_of)
    if unknown:
        raise InputError(
            str(path),
            f"{len(unknown):,} of its images are not in the training set, such as {min(unknown)}",
            "draw the subsets from this set",
        )
    wanted = np.isin(people.images.ids, np.array(file.images, dtype=np.int64))
    return file.subset, people.take(np.flatnonzero(wanted[people.image_rows]))
