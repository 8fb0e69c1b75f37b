"""Find results that do not fit their labels because of how one of both is written.

Joints in another order, left and right exchanged, coordinates of an image of another size or as
shares of it make AP fall to nearly nothing, whatever the model. Each of them leaves its mark: read
the other way, the same poses fit. The causes are looked for only where poses do not fit.
"""

from dataclasses import replace

import numpy as np

from smallpose.core.counts import format_share
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

MIN_REPEATS = 5  # detections that are equal to another one
MIN_REPEATED_SHARE = 0.05  # of the detections looked at, likewise
REPEATED = "each counts as a false positive"  # in the note on them
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


def read_boxes_as_meant(truth: Instances, predictions: Predictions) -> Predictions:
    """Return the predictions with boxes that are x, y, width, height, and a note where they differ.

    Boxes that are corners, centres or shares of the image are read so.
    """
    if not predictions.has_boxes:
        return predictions
    sampled = predictions.take(list_sampled_rows(predictions, list_sampled_images(truth)))
    if not have_odd_boxes(sampled):
        return predictions
    # Imported here, because most boxes fit and evaluations should start fast.
    from smallpose.io import result_boxes

    return result_boxes.read_boxes_as_meant(truth, predictions, sampled)


def have_other_form(truth: Instances, sampled: Predictions) -> bool:
    """Return whether `read_boxes_as_meant` would read the boxes in another form."""
    return bool(read_boxes_as_meant(truth, replace(sampled, notes=())).notes)


def have_odd_boxes(sampled: Predictions) -> bool:
    """Return whether boxes fit their poses so poorly that their form has to be looked at."""
    if not sampled.has_boxes:
        return False
    poses = sampled.keypoints.copy()
    poses[:, :, 2] = ~find_placeholders(poses)  # results have scores here, which may be 0
    return have_poor_overlap(sampled.boxes_xywh, poses)


def add_mismatch_note(truth: Instances, predictions: Predictions) -> Predictions:
    """Add to the notes of the predictions how results do not fit their labels, and repeats."""
    notes = (
        describe_mismatch(truth, predictions),
        _describe_stray_boxes(truth, predictions),
        describe_repeats(truth, predictions),
    )
    added = [note for note in notes if note is not None]
    return replace(predictions, notes=(*predictions.notes, *added)) if added else predictions


def _describe_stray_boxes(truth: Instances, predictions: Predictions) -> str | None:
    """Say that boxes are elsewhere than their poses, which fit the labels."""
    sampled = predictions.take(list_sampled_rows(predictions, list_sampled_images(truth)))
    if not have_odd_boxes(sampled):
        return None
    from smallpose.io.result_boxes import describe_stray_boxes

    return describe_stray_boxes(truth, sampled)


def describe_repeats(truth: Instances, predictions: Predictions) -> str | None:
    """Say that detections are written twice, as after two appended files.

    The second of two equal detections is a false positive.
    """
    rows = list_sampled_rows(predictions, list_sampled_images(truth))
    scores, image_ids = predictions.scores[rows], predictions.image_ids[rows]
    corner = predictions.keypoints[rows, 0, 0]
    order = np.lexsort((corner, scores, image_ids))
    first, second = order[:-1], order[1:]
    is_near = (image_ids[first] == image_ids[second]) & (scores[first] == scores[second])
    first, second = rows[first[is_near]], rows[second[is_near]]
    is_equal = (predictions.keypoints[first] == predictions.keypoints[second]).all(axis=(1, 2))
    num_repeated = int(np.count_nonzero(is_equal))
    if num_repeated < max(MIN_REPEATS, MIN_REPEATED_SHARE * len(rows)):
        return None
    share = format_share(num_repeated, len(rows), "detection repeats", "detections repeat")
    return (
        f"{share} another one of those looked at, with the same keypoints and score: "
        f"{REPEATED}; write each detection once"
    )
