"""Read boxes of results as they are meant, where they are not x, y, width, height in px.

The size class of a detection follows from its box. Corners, as other tools write them, make people
larger and move false positives from class to class, so that AP by size changes with equal poses.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from smallpose.core.boxes import to_xyxy
from smallpose.core.counts import format_share
from smallpose.core.instances import Images, Instances
from smallpose.core.predictions import Predictions
from smallpose.io.label_faults import NO_SIZES
from smallpose.io.pose_pairs import (
    MIN_FIT,
    Floats,
    average_rows,
    choose_best_pairs,
    collect_poses,
    find_placeholders,
)
from smallpose.io.record_checks import read_box_form, recognize_box_form

MIN_STRAY = 5  # boxes with few joints of their poses inside
MIN_STRAY_SHARE = 0.75  # of the boxes; from there on they are those of something else
MAX_INSIDE = 0.5  # of the joints of a pose whose box is elsewhere
_COCO_FORM = "COCO's bbox is x, y, width, height in px"


class _Form(NamedTuple):
    """The form in which boxes fit their poses.

    Args:
        what: they seem to be, as the beginning of a note.
    """

    name: str
    what: str


def read_boxes_as_meant(
    truth: Instances, predictions: Predictions, sampled: Predictions
) -> Predictions:
    """Return the predictions with their boxes as x, y, width, height, and a note on it.

    Args:
        sampled: of the predictions, those whose boxes are looked at.
    """
    form = _find_form(truth, sampled)
    if form is None:
        return predictions
    sizes_wh = _find_sizes(truth.images, predictions)
    boxes = read_box_form(form.name, predictions.boxes_xywh, sizes_wh)
    note = f"{form.what}; they are read so; {_COCO_FORM}"
    return replace(predictions, boxes_xywh=boxes, notes=(*predictions.notes, note))


def describe_odd_boxes(truth: Instances, sampled: Predictions) -> str | None:
    """Say that boxes are in another form, where they are scored as they are written."""
    form = _find_form(truth, sampled)
    return None if form is None else f"{form.what}; {_COCO_FORM}; {NO_SIZES}"


def describe_stray_boxes(truth: Instances, sampled: Predictions) -> str | None:
    """Say that boxes surround no poses, where the poses fit the labels."""
    inside = _measure_share_inside(sampled.boxes_xywh, _mark_known(sampled))
    num_stray = int(np.count_nonzero(inside < MAX_INSIDE))
    if num_stray < max(MIN_STRAY, MIN_STRAY_SHARE * len(inside)):
        return None
    if not _have_fitting_poses(truth, sampled):
        return None  # it may be the poses that are elsewhere
    boxes = format_share(num_stray, len(inside), "box has", "boxes have")
    return (
        f"bbox of the results does not surround their keypoints: {boxes} fewer than half of them "
        "inside, in none of the usual forms; sizes of detections, and AP by size, follow from "
        f"them; {_COCO_FORM}"
    )


def _find_form(truth: Instances, sampled: Predictions) -> _Form | None:
    """Find the form in which boxes fit their poses better than as x, y, width, height."""
    sizes_wh = _find_sizes(truth.images, sampled)
    form = recognize_box_form(sampled.boxes_xywh, _mark_known(sampled), sizes_wh)
    if form is None:
        return None
    name, num_better = form
    fit = format_share(num_better, len(sampled), "box fits", "boxes fit")
    return _Form(name, f"bbox of the results seems to be {name}: {fit} the keypoints better so")


def _mark_known(sampled: Predictions) -> Floats:
    """Return (n, k, 3) the keypoints with 1 for those that were detected, whatever their score."""
    poses = sampled.keypoints.copy()
    poses[:, :, 2] = ~find_placeholders(poses)
    return poses


def _measure_share_inside(boxes_xywh: Floats, poses: Floats) -> Floats:
    """Return (n,) the share of each pose's joints inside its box, where it has three or more."""
    is_known = poses[:, :, 2] > 0
    is_usable = (is_known.sum(axis=1) >= 3) & np.isfinite(boxes_xywh).all(axis=1)
    xy, is_known = poses[is_usable, :, :2], is_known[is_usable]
    low, high = np.split(to_xyxy(boxes_xywh[is_usable])[:, None], 2, axis=2)
    is_inside = ((xy >= low) & (xy <= high)).all(axis=2) & is_known
    return np.asarray(is_inside.sum(axis=1) / is_known.sum(axis=1))


def _have_fitting_poses(truth: Instances, sampled: Predictions) -> bool:
    poses = collect_poses(truth, sampled)
    if not poses.pairs.num_people:
        return False
    quality = average_rows(poses.own_fit)
    return bool(quality[choose_best_pairs(poses.pairs, quality)].mean() > MIN_FIT)


def _find_sizes(images: Images, predictions: Predictions) -> Floats:
    """Return (d, 2) width and height of each detection's image; 0 where unknown."""
    if not len(images):
        return np.zeros((len(predictions), 2))
    order = np.argsort(images.ids)
    place = np.searchsorted(images.ids[order], predictions.image_ids)
    rows = order[np.minimum(place, len(order) - 1)]
    return np.column_stack([images.width, images.height])[rows].astype(np.float64)
