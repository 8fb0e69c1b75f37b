"""Find poses that a labelling tool made of several people."""

import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import box_iou, to_xyxy
from smallpose.core.counts import format_count
from smallpose.core.instances import Instances
from smallpose.io.finding import Finding

_MAX_BOX_OVERLAP = 0.5  # IoU; boxes that overlap more may be of one person


def check_merged_poses(
    people: Instances, image_rows: NDArray[np.intp], boxes_xywh: NDArray[np.float64]
) -> list[Finding]:
    """Find poses that lie in several boxes without a pose, and nowhere else.

    Label Studio's COCO export merges the keypoints of all people of an image into one pose beside
    their boxes.

    Args:
        image_rows: (m,) row of the image of each box without a pose, in `people.images`.
        boxes_xywh: (m, 4) those boxes.
    """
    is_merged = np.zeros(len(people), dtype=bool)
    num_boxes = np.zeros(len(people), dtype=np.int64)
    candidates = people.is_counted & (people.num_labelled >= 2)
    order = np.argsort(image_rows, kind="stable")
    starts = np.searchsorted(image_rows[order], people.image_rows, "left")
    stops = np.searchsorted(image_rows[order], people.image_rows, "right")
    for row in np.flatnonzero(candidates & (stops - starts >= 2)).tolist():
        boxes = boxes_xywh[order[starts[row] : stops[row]]]
        is_labelled = people.keypoints[row, :, 2] > 0
        num_boxes[row] = _count_needed_boxes(people.keypoints[row, is_labelled, :2], boxes)
        is_merged[row] = num_boxes[row] >= 2
    return _report_merged(people, is_merged, num_boxes)


def _count_needed_boxes(points: NDArray[np.float64], boxes_xywh: NDArray[np.float64]) -> int:
    """Return how many separate boxes have points of their own; 0 if a point is in no box."""
    corners = to_xyxy(boxes_xywh)
    is_inside = (points[:, None] >= corners[:, :2]) & (points[:, None] <= corners[:, 2:])
    contains = np.asarray(is_inside.all(axis=2))  # (points, boxes)
    if not contains.any(axis=1).all() or contains.all(axis=0).any():
        return 0
    is_own = contains & (contains.sum(axis=1) == 1)[:, None]
    needed = np.flatnonzero(is_own.any(axis=0))
    overlap = box_iou(boxes_xywh[needed], boxes_xywh[needed])
    np.fill_diagonal(overlap, 0.0)
    return len(needed) if (overlap <= _MAX_BOX_OVERLAP).all() else 0


def _report_merged(
    people: Instances, is_merged: NDArray[np.bool_], num_boxes: NDArray[np.int64]
) -> list[Finding]:
    if not is_merged.any():
        return []
    row = int(np.argmax(is_merged))
    what = (
        f"{format_count(int(is_merged.sum()), 'pose lies', 'poses lie')} in several boxes that "
        f"have no pose: people merged into one? (first: id {people.file_ids[row]} over "
        f"{format_count(num_boxes[row], 'box', 'boxes')} in "
        f"{people.images.file_names[people.image_rows[row]]}); export one pose per person (Label "
        "Studio's COCO export merges the people of an image, its JSON export does not)"
    )
    return [Finding(what, is_fault=False)]
