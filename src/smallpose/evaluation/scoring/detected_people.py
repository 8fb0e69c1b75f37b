"""Which people were detected, and how tall they are: what a height limit is computed from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.evaluation.matching import native
from smallpose.evaluation.matching.arrays import Floats, ImageGroups, Mask, Matches
from smallpose.evaluation.matching.keypoint_selection import ScoredPoses


@dataclass(frozen=True)
class DetectedPeople:
    """The people who count, as far as the lowest OKS threshold (.5) tells.

    Args:
        image_ids: (n,) of their images.
        height: (n,) px of their boxes.
        outside: (n,) share of their labelled joints outside the box, 0 to 1.
        is_detected: (n,) matched with an OKS of .5 or more.
    """

    image_ids: NDArray[np.int64]
    height: Floats
    outside: Floats
    is_detected: Mask

    def select_images(self, image_ids: NDArray[np.int64]) -> "DetectedPeople":
        """Return the people of some images."""
        return self.take(np.isin(self.image_ids, image_ids))

    def take(self, is_selected: Mask) -> "DetectedPeople":
        """Return some of the (n,) people."""
        return DetectedPeople(
            image_ids=self.image_ids[is_selected],
            height=self.height[is_selected],
            outside=self.outside[is_selected],
            is_detected=self.is_detected[is_selected],
        )


def list_detected_people(
    scored: ScoredPoses, groups: ImageGroups, matches: Matches, outside: Floats | None = None
) -> DetectedPeople:
    """List the people who count, in the order of their images.

    Args:
        outside: (n,) of all people of the truth, where it is known; see `measure_share_outside`.
    """
    is_counted = scored.is_counted[groups.people]
    people = groups.people[is_counted]
    truth = scored.truth
    # Of all, because people in the order of their images are far apart in memory.
    if outside is None:
        outside = measure_share_outside(truth.boxes_xywh, truth.keypoints)
    return DetectedPeople(
        image_ids=groups.image_ids[groups.people_image[is_counted]],
        height=truth.boxes_xywh[people, 3],
        outside=outside[people],
        is_detected=(matches.matched_people[people] & 1).astype(bool),
    )


def merge_detected_people(parts: Sequence[DetectedPeople]) -> DetectedPeople:
    """Join the people of different images."""
    return DetectedPeople(
        image_ids=np.concatenate([part.image_ids for part in parts]),
        height=np.concatenate([part.height for part in parts]),
        outside=np.concatenate([part.outside for part in parts]),
        is_detected=np.concatenate([part.is_detected for part in parts]),
    )


@native.prefer_compiled(native.measure_share_outside)
def measure_share_outside(boxes_xywh: Floats, keypoints: Floats) -> Floats:
    """Measure which share of the labelled joints is outside the box: (n,), 0 without a label.

    Boxes of people who are partly hidden often hold the visible part alone, and then their height
    is not that of the person.

    Args:
        boxes_xywh: (n, 4) px.
        keypoints: (n, k, 3) x, y in px and v.
    """
    x, y, v = np.moveaxis(keypoints, 2, 0)
    left, top, width, height = boxes_xywh.T[:, :, None]
    is_inside = (x >= left) & (x <= left + width) & (y >= top) & (y <= top + height)
    is_labelled = v > 0
    num_labelled = is_labelled.sum(axis=1)
    num_outside = (is_labelled & ~is_inside).sum(axis=1)
    return np.asarray(num_outside / np.maximum(num_labelled, 1))
