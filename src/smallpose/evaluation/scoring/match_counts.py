"""What an evaluation knows of each image, and the numbers it adds up to.

A tally is a sum over images: tallies of parts, in any order, make the tally of the whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.evaluation.scoring.precision_recall import Curves, compute_curves

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bits = NDArray[np.uint16]


@dataclass(frozen=True)
class MatchCounts:
    """Images with their people and detections; bit t stands for OKS threshold t.

    Args:
        classes: (c,) names.
        image_ids: (m,) rising.
        groups: (m,) video or sequence of each image; "" where it stands alone.
        given: (m,) detections before any cap.
        people: (m, c) people of each class in each image.
        met: (m, c, t) how many of them were found; (m, c, 0) unless `recall` was asked for.
        image: (d,) number of each detection's image, rising.
        rank: (d,) its place in the image by falling score.
        scores: (d,).
        hit: (c, d) true positives.
        false: by protocol, (c, d) false positives.
        thresholds: (t,) of the OKS.
    """

    classes: tuple[str, ...]
    image_ids: NDArray[np.int64]
    groups: tuple[str, ...]
    given: NDArray[np.int64]
    people: NDArray[np.int64]
    met: NDArray[np.int64]
    image: Ints
    rank: Ints
    scores: Floats
    hit: Bits
    false: dict[str, Bits]
    thresholds: Floats

    @cached_property
    def order(self) -> Ints:
        """(d,) all detections by falling score; equal scores by image, then by rank."""
        return np.argsort(-self.scores, kind="stable")

    @cached_property
    def totals(self) -> NDArray[np.int64]:
        """(c,) people of each class."""
        return np.asarray(self.people.sum(axis=0))

    def counting(self, most: int | None) -> Ints:
        """`order` without the detections beyond the best `most` of their image."""
        return self.order if most is None else self.order[self.rank[self.order] < most]

    def curves(self, protocol: str, most: int | None) -> list[Curves]:
        """(c,) precision and recall of each class under `coco` or `owned`.

        Args:
            most: detections of an image that count.
        """
        order = self.counting(most)
        return [
            compute_curves(order, self.scores, hit, false, int(people), len(self.thresholds))
            for hit, false, people in zip(self.hit, self.false[protocol], self.totals, strict=True)
        ]

    def recall(self) -> Floats:
        """(c, t) share of each class's people who were found; -1 where there are none."""
        met = self.met.sum(axis=0)
        people = self.totals[:, None]
        return np.where(people > 0, met / np.maximum(people, 1), -1.0)


def merge_counts(parts: Sequence[MatchCounts]) -> MatchCounts:
    """Tallies of different images as one.

    Raises: InputError when an image is in two of them, or they count different things.
    """
    first = parts[0]
    for part in parts:
        if part.classes != first.classes or not np.array_equal(part.thresholds, first.thresholds):
            raise InputError("merge", "the parts count different classes", "evaluate all alike")
    ids = np.concatenate([part.image_ids for part in parts])
    order = np.argsort(ids, kind="stable")
    twice = np.flatnonzero(np.diff(ids[order]) == 0)
    if len(twice):
        raise InputError(
            f"merge, image {ids[order][twice[0]]}", "stands in two parts", "leave it in one"
        )
    number = np.empty(len(ids), dtype=np.intp)
    number[order] = np.arange(len(ids))
    starts = np.cumsum([0, *(len(part.image_ids) for part in parts)])
    image = np.concatenate(
        [number[start + part.image] for part, start in zip(parts, starts[:-1], strict=True)]
    )
    rows = np.argsort(image, kind="stable")
    groups = [group for part in parts for group in part.groups]
    return MatchCounts(
        classes=first.classes,
        image_ids=ids[order],
        groups=tuple(groups[i] for i in order.tolist()),
        given=np.concatenate([part.given for part in parts])[order],
        people=np.concatenate([part.people for part in parts])[order],
        met=np.concatenate([part.met for part in parts])[order],
        image=image[rows],
        rank=np.concatenate([part.rank for part in parts])[rows],
        scores=np.concatenate([part.scores for part in parts])[rows],
        hit=np.concatenate([part.hit for part in parts], axis=1)[:, rows],
        false={
            protocol: np.concatenate([part.false[protocol] for part in parts], axis=1)[:, rows]
            for protocol in first.false
        },
        thresholds=first.thresholds,
    )
