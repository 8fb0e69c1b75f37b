"""Predictions: what a method returned, one row per detection."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from smallpose.core.argument_checks import make_column, refuse_other_skeletons
from smallpose.core.boxes import box_area, box_around_keypoints
from smallpose.core.counts import format_count
from smallpose.core.skeleton import Skeleton

if TYPE_CHECKING:
    from smallpose.core.score_limits import ScoreLimit

Floats = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Predictions:
    """Detections as columns, in the order of their file.

    Args:
        skeleton: which joints the keypoints are.
        image_ids: (d,) id of each detection's image.
        keypoints: (d, k, 3) x, y in px of the image, and the score of each keypoint.
        scores: (d,) of each detection; any finite numbers, higher is better.
        boxes_xywh: (d, 4) px; NaN where a detection has no box.
        notes: what was left out while reading, as plain sentences.
        keypoint_errors: (d, k) radius in px of the circle that holds a joint's true place in 68 %
            of cases; None where no calibration was applied.
        score_limits: limits on scores that were applied to all of them, and what they left out.
        covers_images: every image with labelled people is known to have been predicted.
    """

    skeleton: Skeleton
    image_ids: NDArray[np.int64]
    keypoints: Floats
    scores: Floats
    boxes_xywh: Floats
    notes: tuple[str, ...] = ()
    keypoint_errors: Floats | None = None
    score_limits: "tuple[ScoreLimit, ...]" = ()
    covers_images: bool = False

    def __repr__(self) -> str:
        """Return what there is in one line, for notebooks and logs.

        >>> from smallpose.core.skeleton import COCO17
        >>> make_predictions(COCO17, [], [], [])
        Predictions(0 detections in 0 images, skeleton coco17)
        """
        detections = format_count(len(self), "detection")
        images = format_count(len(set(self.image_ids.tolist())), "image")
        notes = f", {format_count(len(self.notes), 'note')}" if self.notes else ""
        return f"Predictions({detections} in {images}, skeleton {self.skeleton.name}{notes})"

    def __len__(self) -> int:
        return len(self.scores)

    @cached_property
    def has_boxes(self) -> bool:
        """Return whether the first detection has a box; COCO's `loadRes` decides by it for all."""
        return len(self) > 0 and bool(np.isfinite(self.boxes_xywh[0]).all())

    @cached_property
    def area(self) -> Floats:
        """Return (d,) px² as COCO's `loadRes`: of the box, else of the extent of all keypoints."""
        if self.has_boxes:
            return box_area(self.boxes_xywh)
        all_visible = self.keypoints.copy()
        all_visible[:, :, 2] = 1  # a keypoint counts whatever its score
        return box_area(box_around_keypoints(all_visible))

    @property
    def keypoint_scores(self) -> Floats:
        """Return (d, k) the score of each keypoint."""
        return self.keypoints[:, :, 2]

    def take_joints(self, joints: Sequence[str]) -> "Predictions":
        """Return all predictions with these joints alone, in this order."""
        indices = self.skeleton.joint_indices(joints)
        skeleton = self.skeleton.take(indices.tolist())
        return replace(self, skeleton=skeleton, keypoints=self.keypoints[:, indices])

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> "Predictions":
        """Return the given detections, in the given order."""
        errors = self.keypoint_errors
        return replace(
            self,
            keypoint_errors=None if errors is None else errors[rows],
            image_ids=self.image_ids[rows],
            keypoints=self.keypoints[rows],
            scores=self.scores[rows],
            boxes_xywh=self.boxes_xywh[rows],
        )


def concat_predictions(parts: Sequence[Predictions]) -> Predictions:
    """Return the detections of tables of the same joints one after the other, one or more.

    Errors of keypoints are left out; all else that is no column is that of the first.
    """
    return replace(
        parts[0],
        keypoint_errors=None,
        image_ids=np.concatenate([part.image_ids for part in parts]),
        keypoints=np.concatenate([part.keypoints for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        boxes_xywh=np.concatenate([part.boxes_xywh for part in parts]),
    )


def make_predictions(
    skeleton: Skeleton,
    image_ids: Sequence[int] | NDArray[np.int64],
    keypoints: Sequence[Sequence[Sequence[float]]] | Floats,
    scores: Sequence[float] | Floats,
    boxes_xywh: Sequence[Sequence[float]] | Floats | None = None,
    *,
    covers_images: bool = False,
) -> Predictions:
    """Make `Predictions` from lists or arrays; without boxes, they are NaN.

    Args:
        covers_images: every image was predicted, so that those without a detection are no gap.

    Raises: InputError for columns of different lengths, or of another number of joints.
    """
    refuse_other_skeletons("make_predictions", skeleton)
    d = np.size(scores)
    boxes = np.full((d, 4), np.nan) if boxes_xywh is None else boxes_xywh
    return Predictions(
        skeleton=skeleton,
        image_ids=make_column("image_ids", image_ids, np.int64, (d,)),
        keypoints=make_column(
            "keypoints", keypoints, np.float64, (d, len(skeleton), 3), is_detected=True
        ),
        scores=make_column("scores", scores, np.float64, (d,)),
        boxes_xywh=make_column("boxes_xywh", boxes, np.float64, (d, 4)),
        covers_images=covers_images,
    )
