"""Who stands with whom: people and detections side by side, image by image.

Images go in the order of their ids and detections in an image by falling score, because that is
the order in which COCO's evaluation meets them and therefore how it breaks ties.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.matching import native

Ints = NDArray[np.intp]
Floats = NDArray[np.float64]
BLOCK = 1 << 18  # pairs looked at together; bounds the memory, not the result


@dataclass(frozen=True)
class ImageGroups:
    """Truth and detections grouped by image.

    Args:
        image_ids: (m,) in rising order.
        people: (n,) rows of the truth, image by image, in file order within an image.
        people_start: (m + 1,) where each image's people begin.
        found: (d,) rows of the predictions, image by image, best score first.
        found_image: (d,) number of the image, 0 … m - 1.
        rank: (d,) 0 for the best detection of its image.
        given: (m,) detections of each image before any were dropped.
    """

    image_ids: NDArray[np.int64]
    people: Ints
    people_image: Ints
    people_start: Ints
    found: Ints
    found_image: Ints
    rank: Ints
    given: Ints

    def pairs(self) -> Iterator[tuple[Ints, Ints]]:
        """Blocks of (positions in `found`, rows of the truth): all pairs of an image's two sides.

        Ordered by detection, then by file order of the people.
        """
        people_in = np.diff(self.people_start)
        per_found = people_in[self.found_image]
        ends = np.cumsum(per_found)
        start = 0
        while start < len(ends):
            before = ends[start] - per_found[start]
            stop = max(int(np.searchsorted(ends, before + BLOCK, side="right")), start + 1)
            counts = per_found[start:stop]
            d = np.repeat(np.arange(start, stop), counts)
            first = ends[start:stop] - counts
            within = np.arange(len(d)) - np.repeat(first - before, counts)
            yield d, self.people[self.people_start[self.found_image[d]] + within]
            start = stop


def group_by_image(truth: Instances, found: Predictions, most: int | None = None) -> ImageGroups:
    """Group both tables by image.

    Args:
        most: detections kept in each image, the best by score; ties in file order.

    Raises: InputError when a detection's image is not in the truth.
    """
    order = np.argsort(truth.images.ids, kind="stable")
    image_ids = truth.images.ids[order]
    number = np.empty(len(order), dtype=np.intp)
    number[order] = np.arange(len(order))
    found_image = index_images(image_ids, found.image_ids)
    return group_rows(image_ids, number[truth.image_rows], found_image, found.scores, most)


def group_rows(
    image_ids: NDArray[np.int64],
    people_image: Ints,
    found_image: Ints,
    scores: Floats,
    most: int | None = None,
) -> ImageGroups:
    """As `pair_up`, from the number of the image that each person and detection stands in."""
    people = _in_order(people_image, len(image_ids))
    people_image = people_image[people]
    given = np.bincount(found_image, minlength=len(image_ids))
    rows = _in_order(found_image, len(image_ids), scores)
    found_image = found_image[rows]
    rank = np.arange(len(rows)) - np.repeat(np.cumsum(given) - given, given)
    if most is not None:
        kept = rank < most
        rows, found_image, rank = rows[kept], found_image[kept], rank[kept]
    start = _starts(np.bincount(people_image, minlength=len(image_ids)))
    return ImageGroups(image_ids, people, people_image, start, rows, found_image, rank, given)


def _starts(counts: Ints) -> Ints:
    """(m,) counts to (m + 1,) where each begins."""
    return np.concatenate([np.zeros(1, np.intp), np.cumsum(counts)])


def _in_order(image: Ints, images: int, scores: Floats | None = None) -> Ints:
    """Rows image by image, by falling score where there is one, ties as they stand."""
    if native.CORE is None:
        if scores is None:
            return np.argsort(image, kind="stable")
        return np.lexsort((-scores, image))
    flat = np.zeros(len(image)) if scores is None else scores
    return native.order(image, flat, _starts(np.bincount(image, minlength=images)))


def index_images(image_ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> Ints:
    """(d,) place of each wanted id among the rising ones.

    Raises: InputError naming the first that is not there.
    """
    place = np.searchsorted(image_ids, wanted)
    there = place < len(image_ids)
    there[there] = image_ids[place[there]] == wanted[there]
    lost = np.flatnonzero(~there)
    if len(lost):
        raise InputError(
            f"results, entry[{lost[0]}]",
            f"image {wanted[lost[0]]} is not in the truth",
            "mend the entry or leave it out",
        )
    return place.astype(np.intp)
