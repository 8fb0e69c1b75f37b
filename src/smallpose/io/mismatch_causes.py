"""Tell why poses do not fit their labels: sides, scales, shares of the image, other images."""

import numpy as np

from smallpose.core.counts import format_count, format_share
from smallpose.core.distinct import count_distinct
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.io.exchanged_sides import describe_exchanged_sides
from smallpose.io.other_images import describe_other_images
from smallpose.io.pose_pairs import (
    MIN_FIT,
    Floats,
    PairedPoses,
    average_rows,
    choose_best_pairs,
    find_placeholders,
)
from smallpose.io.pose_places import describe_joints_in_order, describe_other_places

AS_SHARES = (
    "all coordinates are between 0 and 1; write pixels: multiply x by the image's width and y by "
    "its height"
)
MAX_SHARE = 1.5
MIN_AS_SHARES = 0.95  # of the coordinates, between -MAX_SHARE and MAX_SHARE
MIN_SCALED = 5  # people who fit at one scale
MIN_SCALED_APART = 10  # people who fit at one scale in x and another in y
MIN_SHARE_APART = 0.25  # of the people looked at, likewise
MIN_SCALED_EACH = 10  # people who fit at a scale of their own
MIN_SHARE_EACH = 0.5  # of the people looked at, likewise
MIN_OUTSIDE = 5  # detections with most joints outside of the image
MIN_SCALE = 1.05  # or its inverse; nearer scales are no other
MAX_SPREAD = 1.02  # of the scales of x and y that are called one
MIN_RATIO = 4  # of people who fit at another scale and as they are
MAX_LOSS = 0.1  # of fit at another scale against that of poses moved to their places


def describe_cause(truth: Instances, predictions: Predictions, poses: PairedPoses) -> str | None:
    """Name the cause for which poses do not fit, with the evidence; None where none is seen."""
    sampled = predictions.take(count_distinct(poses.pairs.detections)[0])
    if has_shares(sampled.keypoints[:, :, :2]):
        return AS_SHARES
    # Joints outside of the image have shares outside of 0 and 1.
    known = sampled.keypoints[:, :, :2][sampled.keypoints[:, :, :2] != 0]
    if len(known) and np.mean(np.abs(known) < MAX_SHARE) > MIN_AS_SHARES:
        return f"nearly {AS_SHARES}"
    if has_shares(poses.labels[poses.labels[:, :, 2] > 0][:, :2]):
        return None  # the labels themselves tell it
    return (
        describe_joints_in_order(poses)
        or describe_exchanged_sides(truth, poses)
        or _describe_scale(poses)
        or _describe_own_scales(poses)
        or describe_other_places(truth, poses)
        or describe_other_images(truth, sampled)
        or _describe_outside(truth, sampled)
    )


def has_shares(xy: Floats) -> bool:
    """Return whether all coordinates are between 0 and 1, and some are not 0."""
    return bool(xy.size and xy.min() >= 0 and 0 < xy.max() <= 1)


def _describe_scale(poses: PairedPoses) -> str | None:
    """Say that the results fit the labels when they are multiplied by one factor."""
    pairs = poses.pairs
    scales = _fit_scales(poses)
    fit = poses.measure_mean_fit(poses.detected_xy * scales[:, None])
    best = choose_best_pairs(pairs, fit)
    best = best[fit[best] > MIN_FIT]
    if len(best) < MIN_SCALED:
        return None
    common = np.sort(scales[best], axis=0)[len(best) // 2]  # np.median would import more of NumPy
    if _is_near_one(common):
        return None
    fit = poses.measure_mean_fit(poses.detected_xy * common)
    num_scaled = poses.count_fitting(fit)
    num_own = poses.count_fitting(average_rows(poses.own_fit))
    enough: float = MIN_SCALED
    if not _is_isotropic(common):
        enough = max(MIN_SCALED_APART, MIN_SHARE_APART * pairs.num_people)
    # Where many more fit at scales of their own, a common one is no explanation.
    if num_scaled < max(enough, MIN_RATIO * num_own, len(best) / 2):
        return None
    if _fit_better_moved(poses, fit):
        return None
    return _describe_factor(common, num_scaled, num_own, pairs.num_people)


def _describe_factor(common: Floats, num_scaled: int, num_own: int, num_people: int) -> str:
    x, y = (_format_factor(value) for value in common.tolist())
    mean = _format_factor(float(np.sqrt(common[0] * common[1])))
    factor = mean if _is_isotropic(common) else f"{x} in x and {y} in y"
    return (
        f"labels and results seem to belong to images of different size: with the results "
        f"multiplied by {factor}, {num_scaled:,} of {format_count(num_people, 'person', 'people')} "
        f"looked at fit a detection, and {num_own:,} as they are; scale the coordinates of one of "
        "both"
    )


def _describe_own_scales(poses: PairedPoses) -> str | None:
    """Say that most people fit, each with the results multiplied by a factor of its image."""
    pairs = poses.pairs
    scales = _fit_scales(poses, is_isotropic=True)
    fit = poses.measure_mean_fit(poses.detected_xy * scales[:, None])
    fit[np.abs(np.log(scales[:, 0])) < np.log(MIN_SCALE)] = 0
    num_scaled = poses.count_fitting(fit)
    num_own = poses.count_fitting(average_rows(poses.own_fit))
    if num_scaled < max(MIN_SCALED_EACH, MIN_RATIO * num_own, MIN_SHARE_EACH * pairs.num_people):
        return None
    if _fit_better_moved(poses, fit):
        return None
    best = choose_best_pairs(pairs, fit)
    factors = np.sort(scales[best[fit[best] > MIN_FIT], 0])
    tenth = len(factors) // 10
    return (
        "labels and results seem to belong to images of different size: with the results "
        f"multiplied by a factor for each image, from {_format_factor(factors[tenth])} to "
        f"{_format_factor(factors[-1 - tenth])}, {num_scaled:,} of "
        f"{format_count(pairs.num_people, 'person', 'people')} looked at "
        f"fit a detection, and {num_own:,} as they are; write both for images of the same size"
    )


def _fit_better_moved(poses: PairedPoses, scaled_fit: Floats) -> bool:
    """Return whether poses of the right size are in a wrong place, which a factor hides in part.

    Args:
        scaled_fit: (p,) of the poses at another scale.
    """
    best = choose_best_pairs(poses.pairs, scaled_fit)
    best = best[scaled_fit[best] > MIN_FIT]
    is_labelled = poses.labels[:, :, 2:] > 0
    offset = np.where(is_labelled, poses.labels[:, :, :2] - poses.detected_xy, 0).sum(axis=1)
    offset /= np.maximum(np.count_nonzero(is_labelled, axis=1), 1)
    moved_fit = poses.measure_mean_fit(poses.detected_xy + offset[:, None])
    return bool(scaled_fit[best].mean() < moved_fit[best].mean() - MAX_LOSS)


def _format_factor(value: float) -> str:
    """Format a factor with the digits that a median of labels deserves; near 1 with one more."""
    return f"{value:.3g}" if 0.9 < value < 1.1 else f"{value:.2g}"


def _fit_scales(poses: PairedPoses, is_isotropic: bool = False) -> Floats:
    """Return (p, 2) the factors of x and y with which each detection is nearest to its label.

    They are 1 where the two have nothing to compare, or only on opposite sides of 0.
    """
    with np.errstate(all="ignore"):
        detected_xy = poses.detected_xy * (poses.labels[:, :, 2:] > 0)
        product = np.einsum("pkc,pkc->pc", detected_xy, poses.labels[:, :, :2])
        square = np.einsum("pkc,pkc->pc", detected_xy, detected_xy)
        if is_isotropic:
            product, square = (
                np.repeat(values.sum(axis=1, keepdims=True), 2, axis=1)
                for values in (product, square)
            )
        scales = product / square
    return np.where(np.isfinite(scales) & (scales > 0), scales, 1.0)


def _is_isotropic(scales: Floats) -> bool:
    return bool(max(scales) <= MAX_SPREAD * min(scales))


def _is_near_one(scales: Floats) -> bool:
    return bool((np.abs(np.log(scales)) < np.log(MIN_SCALE)).all())


def _describe_outside(truth: Instances, predictions: Predictions) -> str | None:
    """Say that most detections lie outside of their images, by the sizes in the labels."""
    images = truth.images
    order = np.argsort(images.ids)
    rows = order[np.searchsorted(images.ids[order], predictions.image_ids)]
    size_wh = np.column_stack([images.width, images.height])[rows].astype(np.float64)
    xy = predictions.keypoints[:, :, :2]
    is_outside = np.asarray(((xy < 0) | (xy > size_wh[:, None])).any(axis=2))
    is_outside &= ~find_placeholders(xy)  # joints that were not detected
    is_outside &= np.asarray((size_wh > 0).all(axis=1))[:, None]
    num_outside = int(np.count_nonzero(2 * is_outside.sum(axis=1) > xy.shape[1]))
    if num_outside < MIN_OUTSIDE or 2 * num_outside <= len(predictions):
        return None
    return (
        f"{format_share(num_outside, len(predictions), 'detection has', 'detections have')} most "
        "joints outside of the image, by the width and height in the labels; "
        "check whether labels and results belong to images of the same size"
    )
