"""How many people a full-image method sees and poses, while AP still shows nothing.

AP counts poses from an OKS of .5 and, as a mean over thresholds, stays near 0 as long as boxes have
an IoU below .8; these shares rise from the first epochs of a training.
"""

import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import box_iou
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.matching.oks import compute_oks

THRESHOLD = 0.5  # of IoU and OKS


def compute_recalls(people: Instances, predictions: Predictions) -> dict[str, float | None]:
    """Compute the shares of people with a box and with a pose among the predictions.

    One prediction may serve several people.

    Returns: `box_recall`, the share of people with a box of IoU .5 or more in their image, and
        `pose_recall`, that of people with a pose of OKS .5 or more; of people who are counted and
        have a labelled keypoint among the predicted ones. None without any.
    """
    people = people.to_skeleton(predictions.skeleton)
    rows = np.flatnonzero(people.is_counted & (people.num_labelled > 0))
    rows = rows[np.argsort(people.image_rows[rows], kind="stable")]
    if not len(rows):
        return {"box_recall": None, "pose_recall": None}
    order = np.argsort(predictions.image_ids, kind="stable")
    sorted_ids = predictions.image_ids[order]
    has_box = np.zeros(len(rows), dtype=bool)
    has_pose = np.zeros(len(rows), dtype=bool)
    for start, end in _find_runs(people.image_rows[rows]):
        image = people.images.ids[people.image_rows[rows[start]]]
        low, high = np.searchsorted(sorted_ids, [image, image + 1])
        detections, present = order[low:high], rows[start:end]
        if not len(detections):
            continue
        boxes = people.boxes_xywh[present]
        overlaps = box_iou(predictions.boxes_xywh[detections], boxes)
        oks = compute_oks(
            predictions.keypoints[detections],
            people.keypoints[present],
            boxes,
            people.area[present],
            predictions.skeleton.sigmas,
        )
        has_box[start:end] = overlaps.max(axis=0) >= THRESHOLD
        has_pose[start:end] = oks.max(axis=0) >= THRESHOLD
    return {"box_recall": float(has_box.mean()), "pose_recall": float(has_pose.mean())}


def _find_runs(values: NDArray[np.intp]) -> list[tuple[int, int]]:
    """Return the first index and the end of each run of equal values."""
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]]).tolist()
    return list(zip(starts, [*starts[1:], len(values)], strict=True))
