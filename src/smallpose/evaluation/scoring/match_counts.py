"""What an evaluation knows of each image, and the numbers that follow from it.

Counts are sums over images: counts of parts, in any order, add up to the counts of the total.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.evaluation.matching.arrays import Bits, Floats, Ints, Mask
from smallpose.evaluation.matching.image_groups import sort_rows
from smallpose.evaluation.scoring.precision_recall import Curves, compute_curves
from smallpose.system.threads import count_cores, run_parts

_MIN_DETECTIONS_FOR_THREADS = 20_000


@dataclass(frozen=True)
class MatchCounts:
    """Images with their people and detections; bit t stands for OKS threshold t.

    Args:
        classes: (c,) names.
        image_ids: (m,) rising.
        groups: (m,) video or sequence of each image; "" where it has none.
        num_detections: (m,) detections of each image, also those beyond a limit.
        num_people: (m, c) people of each class in each image.
        num_matched: (m, c, t) how many of them were matched; (m, c, 0) without `recall`.
        image: (d,) index of each detection's image, rising.
        rank: (d,) its position in the image by falling score.
        scores: (d,).
        true_positives: (c, d).
        false_positives: by protocol, (c, d).
        thresholds: (t,) of the OKS.
    """

    classes: tuple[str, ...]
    image_ids: NDArray[np.int64]
    groups: tuple[str, ...]
    num_detections: NDArray[np.int64]
    num_people: NDArray[np.int64]
    num_matched: NDArray[np.int64]
    image: Ints
    rank: Ints
    scores: Floats
    true_positives: Bits
    false_positives: dict[str, Bits]
    thresholds: Floats

    @cached_property
    def order(self) -> Ints:
        """Return (d,) all detections by falling score; equal scores by image, then by rank."""
        return sort_rows(-self.scores)

    @cached_property
    def people_per_class(self) -> NDArray[np.int64]:
        """Return the (c,) people of each class."""
        return np.asarray(self.num_people.sum(axis=0))

    def select_best(self, max_detections: int | None) -> Ints:
        """Return `order` without the detections beyond the best `max_detections` of an image."""
        if max_detections is None:
            return self.order
        return self.order[self.rank[self.order] < max_detections]

    def replace_matches(
        self,
        num_people: NDArray[np.int64],
        num_matched: NDArray[np.int64],
        true_positives: Bits,
        false_positives: dict[str, Bits],
    ) -> "MatchCounts":
        """Return the same images and detections with other matches."""
        counts = replace(
            self,
            num_people=num_people,
            num_matched=num_matched,
            true_positives=true_positives,
            false_positives=false_positives,
        )
        # The order is that of the same scores and need not be computed again.
        counts.__dict__["order"] = self.order
        return counts

    def compute_curves(self, protocol: str, max_detections: int | None) -> list[Curves]:
        """Return (c,) precision and recall of each class under `coco` or `owned`.

        Args:
            max_detections: of an image that count.
        """
        order = self.select_best(max_detections)
        false_positives = self.false_positives[protocol]

        def compute_class(index: int) -> Curves:
            return compute_curves(
                order,
                self.scores,
                true_positives=self.true_positives[index],
                false_positives=false_positives[index],
                num_people=int(self.people_per_class[index]),
                num_thresholds=len(self.thresholds),
            )

        num_threads = count_cores() if len(order) >= _MIN_DETECTIONS_FOR_THREADS else 1
        return run_parts(compute_class, len(self.true_positives), num_threads)

    def compute_recall(self) -> Floats:
        """Return the (c, t) share of each class's people who were matched; -1 without any."""
        return divide_matched(self.num_matched.sum(axis=0), self.people_per_class)

    def select_images(self, is_selected: Mask) -> "MatchCounts":
        """Return the counts of some of the (m,) images."""
        index = np.cumsum(is_selected) - 1
        kept = np.flatnonzero(is_selected[self.image])
        return MatchCounts(
            classes=self.classes,
            image_ids=self.image_ids[is_selected],
            groups=tuple(self.groups[i] for i in np.flatnonzero(is_selected).tolist()),
            num_detections=self.num_detections[is_selected],
            num_people=self.num_people[is_selected],
            num_matched=self.num_matched[is_selected],
            image=index[self.image[kept]],
            rank=self.rank[kept],
            scores=self.scores[kept],
            true_positives=self.true_positives[:, kept],
            false_positives={
                protocol: bits[:, kept] for protocol, bits in self.false_positives.items()
            },
            thresholds=self.thresholds,
        )


def divide_matched(num_matched: NDArray[np.int64], num_people: NDArray[np.int64]) -> Floats:
    """Return the (c, t) share of people who were matched, -1 where a class has none.

    Args:
        num_matched: (c, t) of each class.
        num_people: (c,) of each class.
    """
    people = num_people[:, None]
    return np.where(people > 0, num_matched / np.maximum(people, 1), -1.0)


def merge_counts(parts: Sequence[MatchCounts]) -> MatchCounts:
    """Add up counts of different images.

    Raises: InputError when an image is in two of them, or they count different things.
    """
    first = parts[0]
    for part in parts:
        if part.classes != first.classes or not np.array_equal(part.thresholds, first.thresholds):
            raise InputError(
                "merge", "the parts count different classes", "evaluate all parts alike"
            )
    ids = np.concatenate([part.image_ids for part in parts])
    order = np.argsort(ids, kind="stable")
    repeated = np.flatnonzero(np.diff(ids[order]) == 0)
    if len(repeated):
        raise InputError(
            f"merge, image {ids[order][repeated[0]]}", "it is in two parts", "keep it in one"
        )
    index = np.empty(len(ids), dtype=np.intp)
    index[order] = np.arange(len(ids))
    starts = np.cumsum([0, *(len(part.image_ids) for part in parts)])
    image = np.concatenate(
        [index[start + part.image] for part, start in zip(parts, starts[:-1], strict=True)]
    )
    rows = np.argsort(image, kind="stable")
    groups = [group for part in parts for group in part.groups]
    return MatchCounts(
        classes=first.classes,
        image_ids=ids[order],
        groups=tuple(groups[i] for i in order.tolist()),
        num_detections=np.concatenate([part.num_detections for part in parts])[order],
        num_people=np.concatenate([part.num_people for part in parts])[order],
        num_matched=np.concatenate([part.num_matched for part in parts])[order],
        image=image[rows],
        rank=np.concatenate([part.rank for part in parts])[rows],
        scores=np.concatenate([part.scores for part in parts])[rows],
        true_positives=np.concatenate([part.true_positives for part in parts], axis=1)[:, rows],
        false_positives={
            protocol: np.concatenate([part.false_positives[protocol] for part in parts], axis=1)[
                :, rows
            ]
            for protocol in first.false_positives
        },
        thresholds=first.thresholds,
    )
