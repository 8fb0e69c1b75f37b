"""The arrays that the steps of an evaluation pass along.

Letters: m images, n people, d detections, k joints, c classes of people, t OKS thresholds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Mask = NDArray[np.bool_]
Bits = NDArray[np.uint16]
BLOCK = 1 << 18  # pairs compared together; bounds the memory, not the result


@dataclass(frozen=True)
class Poses:
    """Detected and labelled poses in the scored joints.

    Args:
        detections: (d, k, 3) x, y in px; the third value is not used.
        keypoints: (n, k, 3) x, y, v of the people; also `PackedKeypoints`.
        boxes_xywh: (n, 4) px; people without labels match anywhere in twice their box.
        area: (n,) px², the OKS scale of the people.
        is_crowd: (n,) regions that match any number of detections.
        sigmas: (k,) OKS tolerance of the joints.
    """

    detections: Floats
    keypoints: Floats
    boxes_xywh: Floats
    area: Floats
    is_crowd: Mask
    sigmas: Floats


@dataclass(frozen=True)
class ImageGroups:
    """People and detections grouped by image.

    Images are in the order of their ids and detections of an image in the order of falling scores,
    because COCO's evaluation meets them in that order and breaks ties by it.

    Args:
        image_ids: (m,) in rising order.
        people: (n,) rows of the truth, image by image, in file order within an image.
        people_image: (n,) index of their image, 0 … m - 1.
        people_start: (m + 1,) where each image's people begin.
        detections: (d,) rows of the predictions, image by image, best score first.
        detection_image: (d,) index of their image.
        rank: (d,) 0 for the best detection of its image.
        num_detections: (m,) detections of each image before any were dropped.
    """

    image_ids: NDArray[np.int64]
    people: Ints
    people_image: Ints
    people_start: Ints
    detections: Ints
    detection_image: Ints
    rank: Ints
    num_detections: Ints

    def iterate_ranges(self) -> Iterator[slice]:
        """Yield ranges of consecutive detections with at most `BLOCK` pairs, or of one."""
        ends = np.cumsum(self._count_pairs())
        start = 0
        before = 0
        while start < len(ends):
            stop = max(int(np.searchsorted(ends, before + BLOCK, side="right")), start + 1)
            yield slice(start, stop)
            start, before = stop, int(ends[stop - 1])

    def iterate_pairs(self) -> Iterator[tuple[Ints, Ints]]:
        """Yield all pairs of a detection and a person of the same image, in blocks.

        Each block has positions in `detections` and rows of the truth, ordered by detection, then
        by file order of the people.
        """
        pairs_per_detection = self._count_pairs()
        for part in self.iterate_ranges():
            counts = pairs_per_detection[part]
            d = np.repeat(np.arange(part.start, part.stop), counts)
            within = np.arange(len(d)) - np.repeat(np.cumsum(counts) - counts, counts)
            yield d, self.people[self.people_start[self.detection_image[d]] + within]

    def _count_pairs(self) -> Ints:
        """Return (d,) the people in each detection's image."""
        return np.asarray(np.diff(self.people_start)[self.detection_image])


class Candidates(NamedTuple):
    """Pairs that are near enough to match, ordered by detection.

    Args:
        detections: (p,) positions in `ImageGroups.detections`, rising.
        people: (p,) rows of the truth.
        oks: (p,) of each pair.
    """

    detections: Ints
    people: Ints
    oks: Floats


class RankedCandidates(NamedTuple):
    """Pairs that are near enough to match, as matching takes them up: 6 bytes a pair.

    Args:
        counts: (d,) pairs of each detection; their pairs are side by side, in the same order.
        people: (p,) rows of the truth; of each detection the person with the highest OKS first.
        levels: (p,) bits of the thresholds that the OKS of each pair reaches.
    """

    counts: NDArray[np.int32]
    people: NDArray[np.int32]
    levels: Bits


class Matches(NamedTuple):
    """What became of detections and people; bit t of each number stands for threshold t.

    Args:
        true_positives: (c, d) the detection matched a person of the class.
        ignored: (c, d) it matched a person outside the class, so it counts neither way.
        matched_people: (n,) the person was matched, among the first class (which has everyone).
    """

    true_positives: Bits
    ignored: Bits
    matched_people: Bits
