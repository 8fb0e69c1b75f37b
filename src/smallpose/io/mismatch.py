"""Find results that do not fit their labels because of how one of both is written.

Joints in another order, left and right exchanged, coordinates of an image of another size or as
shares of it make AP fall to nearly nothing, whatever the model. Each of them leaves its mark: read
the other way, the same poses fit. The causes are looked for only where poses do not fit.
"""

from dataclasses import replace

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.io.joint_order_check import describe_other_order
from smallpose.io.label_faults import NO_RESULT, have_poor_overlap
from smallpose.io.pose_pairs import (
    average_rows,
    choose_best_pairs,
    collect_poses,
    find_placeholders,
    list_sampled_images,
    list_sampled_rows,
)

MAX_OWN_FIT = 0.6  # mean over the people; above, nothing but the order is doubted


def describe_mismatch(truth: Instances, predictions: Predictions) -> str | None:
    """Say why the results do not fit the labels, where it is how one of both is written.

    What is said ends with `NO_RESULT`.
    """
    cause = _find_cause(truth, predictions)
    return None if cause is None else f"{cause}; {NO_RESULT}"


def _find_cause(truth: Instances, predictions: Predictions) -> str | None:
    if not len(predictions):
        return None
    poses = collect_poses(truth, predictions)
    if not poses.pairs.num_people:
        return None
    note = describe_other_order(truth, poses)
    if note is not None:
        return note
    quality = average_rows(poses.own_fit)
    if quality[choose_best_pairs(poses.pairs, quality)].mean() > MAX_OWN_FIT:
        return None
    # Imported here, because most results fit and evaluations should start fast.
    from smallpose.io.mismatch_causes import describe_cause

    return describe_cause(truth, predictions, poses)


def read_boxes_as_meant(
    truth: Instances, predictions: Predictions, *, keeps_stray: bool = False
) -> Predictions:
    """Return the predictions with boxes that are x, y, width, height, and a note where they differ.

    Boxes that are corners, centres or shares of the image are read so.

    Args:
        keeps_stray: keep boxes that fit their poses in no form, and else leave them out.
    """
    if not predictions.has_boxes:
        return predictions
    sampled = predictions.take(list_sampled_rows(predictions, list_sampled_images(truth)))
    if not have_odd_boxes(sampled):
        return predictions
    # Imported here, because most boxes fit and evaluations should start fast.
    from smallpose.io import result_boxes

    return result_boxes.read_boxes_as_meant(truth, predictions, sampled, keeps_stray=keeps_stray)


def have_odd_boxes(sampled: Predictions) -> bool:
    """Return whether boxes fit their poses so poorly that their form has to be looked at."""
    if not sampled.has_boxes:
        return False
    poses = sampled.keypoints.copy()
    poses[:, :, 2] = ~find_placeholders(poses)  # results have scores here, which may be 0
    return have_poor_overlap(sampled.boxes_xywh, poses)


def add_mismatch_note(truth: Instances, predictions: Predictions) -> Predictions:
    """Add what `describe_mismatch` says to the notes of the predictions."""
    note = describe_mismatch(truth, predictions)
    if note is None:
        return predictions
    return replace(predictions, notes=(*predictions.notes, note))
