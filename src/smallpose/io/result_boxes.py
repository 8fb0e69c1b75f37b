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


class _Doubt(NamedTuple):
    """Why boxes are not taken as they are written.

    Args:
        what: is wrong with them.
        form: in which they fit; None where they fit in none.
    """

    what: str
    form: str | None


def read_boxes_as_meant(
    truth: Instances, predictions: Predictions, sampled: Predictions, *, keeps_stray: bool
) -> Predictions:
    """Return the predictions with their boxes as x, y, width, height, and a note on it.

    Boxes that fit their poses in no form are left out, so that sizes follow from the keypoints.

    Args:
        sampled: of the predictions, those whose boxes are looked at.
        keeps_stray: keep those that fit in no form.
    """
    doubt = _find_doubt(truth, sampled)
    if doubt is None or (doubt.form is None and keeps_stray):
        return predictions
    if doubt.form is None:
        boxes = np.full((len(predictions), 4), np.nan)
        remedy = "they are left out, so that sizes of detections follow from their keypoints"
    else:
        sizes_wh = _find_sizes(truth.images, predictions)
        boxes = read_box_form(doubt.form, predictions.boxes_xywh, sizes_wh)
        remedy = "they are read so"
    note = f"{doubt.what}; {remedy}; {_COCO_FORM}"
    return replace(predictions, boxes_xywh=boxes, notes=(*predictions.notes, note))


def describe_odd_boxes(truth: Instances, sampled: Predictions) -> str | None:
    """Say that boxes are in another form, where they are scored as they are written."""
    doubt = _find_doubt(truth, sampled)
    if doubt is None or doubt.form is None:
        return None
    return f"{doubt.what}; {_COCO_FORM}; {NO_SIZES}"


def _find_doubt(truth: Instances, sampled: Predictions) -> _Doubt | None:
    """Find whether boxes fit their poses better in another form, or in none."""
    poses = sampled.keypoints.copy()
    poses[:, :, 2] = ~find_placeholders(poses)  # results have scores here, which may be 0
    boxes, sizes_wh = sampled.boxes_xywh, _find_sizes(truth.images, sampled)
    form = recognize_box_form(boxes, poses, sizes_wh)
    if form is not None:
        name, num_better = form
        fit = format_share(num_better, len(sampled), "box fits", "boxes fit")
        what = f"bbox of the results seems to be {name}: {fit} the keypoints better so"
        return _Doubt(what, name)
    inside = _measure_share_inside(boxes, poses)
    is_stray = inside < MAX_INSIDE
    if np.count_nonzero(is_stray) < max(MIN_STRAY, MIN_STRAY_SHARE * len(inside)):
        return None
    if not _have_fitting_poses(truth, sampled):
        return None  # it may be the poses that are elsewhere
    stray = format_share(int(is_stray.sum()), len(inside), "box has", "boxes have")
    what = (
        f"bbox of the results does not surround their keypoints: {stray} fewer than half of them "
        "inside, in none of the usual forms"
    )
    return _Doubt(what, None)


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
