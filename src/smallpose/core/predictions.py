"""Predictions: what a method said, one row per person found, with scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import box_area, extent
from smallpose.core.skeleton import Skeleton

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Predictions:
    """People found, as columns, in the order of their file.

    Args:
        skeleton: which joints the keypoints are.
        image_ids: (d,) ids of the images they were found in.
        keypoints: (d, k, 3) x, y in px of the image, and the score of each keypoint.
        scores: (d,) of each person; any finite numbers, higher is better.
        boxes_xywh: (d, 4) px; NaN where a person came without one.
        notes: what was left out on the way here, as plain sentences.
    """

    skeleton: Skeleton
    image_ids: NDArray[np.int64]
    keypoints: Floats
    scores: Floats
    boxes_xywh: Floats
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.scores)

    @cached_property
    def has_boxes(self) -> bool:
        """Whether the first one has a box, which is what COCO's `loadRes` goes by."""
        return len(self) > 0 and bool(np.isfinite(self.boxes_xywh[0]).all())

    @cached_property
    def area(self) -> Floats:
        """(d,) px², as COCO's `loadRes` takes it: of the box, else the extent of all keypoints."""
        if self.has_boxes:
            return box_area(self.boxes_xywh)
        everywhere = self.keypoints.copy()
        everywhere[:, :, 2] = 1  # a joint's score says nothing about where it lies
        return box_area(extent(everywhere))

    @property
    def keypoint_scores(self) -> Floats:
        """(d, k) score of each keypoint."""
        return self.keypoints[:, :, 2]


def make_predictions(
    skeleton: Skeleton,
    image_ids: Sequence[int] | NDArray[np.int64],
    keypoints: Sequence[Sequence[Sequence[float]]] | Floats,
    scores: Sequence[float] | Floats,
    boxes_xywh: Sequence[Sequence[float]] | Floats | None = None,
) -> Predictions:
    """`Predictions` from lists; without boxes, NaN."""
    d = len(scores)
    return Predictions(
        skeleton,
        np.asarray(image_ids, dtype=np.int64).reshape(d),
        np.asarray(keypoints, dtype=np.float64).reshape(d, len(skeleton), 3),
        np.asarray(scores, dtype=np.float64).reshape(d),
        np.full((d, 4), np.nan)
        if boxes_xywh is None
        else np.asarray(boxes_xywh, dtype=np.float64).reshape(d, 4),
    )
