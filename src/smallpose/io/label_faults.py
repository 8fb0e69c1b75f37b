"""Find labels that cannot be scored as they are written, for the notes of an evaluation.

`check` looks at all of a file and at much more; an evaluation only at what makes its numbers wrong,
and first in a sample of the people. What it says is what `check` says.
"""

from collections.abc import Iterator

import numpy as np

from smallpose.core.boxes import box_area, box_around_keypoints, to_xyxy
from smallpose.core.instances import Instances
from smallpose.io.pose_pairs import Floats, Indices, Mask, find_placeholders

MAX_SAMPLED = 1000  # people
MIN_PLACEHOLDERS = 0.1  # of the keypoints with v > 0, from which on AP is not the model's
MIN_OUTSIDE = 0.2  # of the people with most joints outside of their image
MAX_POOR_OVERLAP = 0.5  # mean of boxes and the extents of their keypoints; above, boxes fit
# How notes end where numbers are wrong, by which the sentence on heights knows them.
UNSETTLED = "until that is settled"
NO_RESULT = f"{UNSETTLED}, AP and heights say nothing about the model"
UNCOUNTED = "so false positives on them are not counted"  # in the note on regions in their place
NO_SIZES = f"{UNSETTLED}, sizes and heights are wrong"


def describe_label_faults(truth: Instances) -> list[str]:
    """List, as `check` does, what makes the numbers of an evaluation of these labels wrong."""
    rows = _sample_counted_people(truth)
    return list(_describe_sampled_faults(truth, rows)) if len(rows) else []


def describe_wrong_units(truth: Instances) -> list[str]:
    """List, as `check` does, keypoints that are shares of the image, and boxes in another form.

    For commands that take labels without scoring, whose tables, crops and sets would be wrong.
    """
    rows = _sample_counted_people(truth)
    keypoints = np.array(truth.keypoints[rows])
    is_placeholder = find_placeholders(keypoints)
    keypoints[is_placeholder] = 0
    if not _have_wrong_units(truth, rows, keypoints):
        return []
    from smallpose.io.validation import check_units

    return [finding.message for finding in check_units(truth)]


def _sample_counted_people(truth: Instances) -> Indices:
    people = np.flatnonzero(truth.is_counted)
    steps = np.linspace(0, len(people) - 1, min(len(people), MAX_SAMPLED))
    return people[steps.round().astype(np.intp)]


def _have_wrong_units(truth: Instances, rows: Indices, keypoints: Floats) -> bool:
    """Return whether keypoints or boxes of some people seem to be in other units.

    Args:
        keypoints: (r, k, 3) of the rows, with v = 0 at placeholders.
    """
    if not len(rows):
        return False
    images = truth.images
    sizes_wh = np.column_stack([images.width, images.height])[truth.image_rows[rows]]
    return _are_shares(keypoints[keypoints[:, :, 2] > 0][:, :2]) or _have_other_form(
        truth.boxes_xywh[rows], keypoints, sizes_wh.astype(float)
    )


def _describe_sampled_faults(truth: Instances, rows: Indices) -> Iterator[str]:
    keypoints = truth.keypoints[rows]
    is_labelled = keypoints[:, :, 2] > 0
    is_placeholder = is_labelled & find_placeholders(keypoints)
    images = truth.images
    sizes_wh = np.column_stack([images.width, images.height])[truth.image_rows[rows]]
    if is_placeholder.any():
        from smallpose.io.validation import check_placeholders

        share = np.count_nonzero(is_placeholder) / np.count_nonzero(is_labelled)
        for finding in check_placeholders(truth):
            ending = f"; {NO_RESULT}" if share >= MIN_PLACEHOLDERS else ""
            yield f"{finding.message}{ending}"
    keypoints[is_placeholder] = 0
    is_real = is_labelled & ~is_placeholder
    if _have_wrong_units(truth, rows, keypoints):
        from smallpose.io.validation import check_units

        for finding in check_units(truth):
            yield f"{finding.message}; {NO_RESULT if finding.is_fault else NO_SIZES}"
    if _measure_share_outside(keypoints, is_real, sizes_wh) >= MIN_OUTSIDE:
        from smallpose.io.validation import check_keypoints_outside

        for finding in check_keypoints_outside(truth):
            if finding.is_fault:
                yield f"{finding.message}; {NO_RESULT}"


def _are_shares(xy: Floats) -> bool:
    return bool(xy.size and xy.min() >= 0 and 0 < xy.max() <= 1)


def have_poor_overlap(boxes_xywh: Floats, keypoints: Floats) -> bool:
    """Return whether boxes fit the extents of their keypoints so poorly that they are doubted."""
    extents = box_around_keypoints(keypoints)
    with np.errstate(all="ignore"):
        low = np.maximum(boxes_xywh[:, :2], extents[:, :2])
        high = np.minimum(to_xyxy(boxes_xywh)[:, 2:], to_xyxy(extents)[:, 2:])
        shared = np.clip(high - low, 0, None).prod(axis=1)
        overlap = shared / (box_area(boxes_xywh) + box_area(extents) - shared)
    known = overlap[np.isfinite(overlap)]
    return bool(len(known) and known.mean() <= MAX_POOR_OVERLAP)


def _have_other_form(boxes_xywh: Floats, keypoints: Floats, sizes_wh: Floats) -> bool:
    """Return whether boxes fit their keypoints better as corners, centres or shares."""
    if not have_poor_overlap(boxes_xywh, keypoints):
        return False
    # Imported here, because most boxes fit and evaluations should start fast.
    from smallpose.io.record_checks import recognize_box_form

    return recognize_box_form(boxes_xywh, keypoints, sizes_wh) is not None


def _measure_share_outside(keypoints: Floats, is_real: Mask, sizes_wh: Indices) -> float:
    """Return the share of people with most labelled joints outside of an image of known size."""
    xy = keypoints[:, :, :2]
    is_outside = ((xy < -1) | (xy > sizes_wh[:, None])).any(axis=2) & is_real
    is_outside &= np.asarray((sizes_wh > 0).all(axis=1))[:, None]
    is_mostly = 2 * is_outside.sum(axis=1) > is_real.sum(axis=1)
    return float(np.count_nonzero(is_mostly) / len(keypoints))
