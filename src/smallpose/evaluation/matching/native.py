"""The compiled loops of the evaluation, and the choice between each and its NumPy fallback.

Both give the same numbers to the last bit, because exponentials stay numpy's and sums keep numpy's
order. Each function here takes and returns what the fallback of the same name does.
"""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from smallpose.core.packed_keypoints import PackedKeypoints
from smallpose.evaluation.matching.arrays import (
    Bits,
    Candidates,
    Floats,
    ImageGroups,
    Ints,
    Mask,
)
from smallpose.system.extension import load_extension
from smallpose.system.threads import count_cores, run_parts

P = ParamSpec("P")
R = TypeVar("R")

RESAMPLES_TOGETHER = 16  # LANES of _native.c
CORE: Any = load_extension("smallpose.evaluation.matching._native")


def prefer_compiled(compiled: Callable[..., R]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that replaces a NumPy fallback by `compiled` where a compiler built it."""

    def decorate(fallback: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(fallback)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            return fallback(*args, **kwargs) if CORE is None else compiled(*args, **kwargs)

        return call

    return decorate


def sort_by_image(image: Ints, num_images: int, scores: Floats | None = None) -> Ints:
    """Run the compiled `image_groups.sort_by_image`."""
    start = np.zeros(num_images + 1, np.intp)
    np.cumsum(np.bincount(image, minlength=num_images), out=start[1:])
    rows = np.empty(len(image), np.intp)
    CORE.sort_by_image(
        image, np.zeros(len(image)) if scores is None else to_doubles(scores), start, rows
    )
    return rows


def sort_rows(values: Floats) -> Ints:
    """Run the compiled `image_groups.sort_rows`."""
    rows = np.empty(len(values), np.intp)
    CORE.sort_rows(to_doubles(values), rows)
    return rows


def concat_candidates(parts: list[Candidates]) -> Candidates:
    """Join the candidates of consecutive ranges of detections."""
    if not parts:
        return Candidates(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0))
    return Candidates(
        detections=np.concatenate([part.detections for part in parts]),
        people=np.concatenate([part.people for part in parts]),
        oks=np.concatenate([part.oks for part in parts]),
    )


def pack_classes(classes: Mask) -> NDArray[np.uint32]:
    """Pack (c, n) flags into (n,) numbers with a bit per class."""
    packed = np.zeros(classes.shape[1], np.uint32)
    for c, is_member in enumerate(classes):
        packed |= is_member.astype(np.uint32) << np.uint32(c)
    return packed


def find_owners(
    groups: ImageGroups, detections_xywh: Floats, people_xywh: Floats, is_counted: Mask
) -> Ints:
    """Run the compiled `protocols.find_owners`."""
    owners = np.empty(len(groups.detections), np.intp)
    CORE.find_owners(
        groups.detections,
        groups.detection_image,
        groups.people,
        groups.people_start,
        to_doubles(detections_xywh),
        to_doubles(people_xywh),
        np.ascontiguousarray(is_counted),
        owners,
    )
    return owners


def accumulate_matches(
    order: Ints,
    scores: Floats,
    true_positives: Bits,
    false_positives: Bits,
    num_people: int,
    num_thresholds: int,
    recalls: Floats,
) -> tuple[Floats, Floats, Floats]:
    """Run the compiled `precision_recall.accumulate_matches`."""
    shape = (num_thresholds, len(recalls))
    precision = np.empty(shape)
    recall = np.empty(num_thresholds)
    score_at = np.empty(shape)
    CORE.accumulate_matches(
        order,
        np.ascontiguousarray(true_positives),
        np.ascontiguousarray(false_positives),
        to_doubles(scores),
        num_people,
        to_doubles(recalls),
        num_thresholds,
        precision,
        recall,
        score_at,
    )
    return precision, recall, score_at


def accumulate_changes(
    position: Ints,
    true_positives: Bits,
    false_positives: Bits,
    replaced: Bits,
    common_counts: NDArray[np.int32],
    num_people: int,
    recalls: Floats,
) -> tuple[Floats, Floats]:
    """Run the compiled `precision_recall.accumulate_changes`."""
    num_thresholds = len(common_counts)
    precision = np.empty((num_thresholds, len(recalls)))
    recall = np.empty(num_thresholds)
    CORE.accumulate_changes(
        np.ascontiguousarray(position),
        np.ascontiguousarray(true_positives),
        np.ascontiguousarray(false_positives),
        np.ascontiguousarray(replaced),
        common_counts,
        num_people,
        to_doubles(recalls),
        num_thresholds,
        precision,
        recall,
    )
    return precision, recall


def find_components(first: Ints, second: Ints, num_nodes: int) -> Ints:
    """Run the compiled `components.find_components`."""
    component = np.arange(num_nodes)
    CORE.find_components(np.ascontiguousarray(first), np.ascontiguousarray(second), component)
    return component


def resample_curves(
    true_positives: Bits,
    false_positives: Bits,
    image: Ints | NDArray[np.int32],
    weights: NDArray[np.uint16],
    num_people: NDArray[np.int64],
    num_thresholds: int,
    recalls: Floats,
) -> tuple[Floats, Floats]:
    """Run the compiled `bootstrap.resample_curves` in threads."""
    num_resamples, num_images = weights.shape
    precision = np.empty((num_resamples, num_thresholds, len(recalls)))
    recall = np.empty((num_resamples, num_thresholds))
    image = image.astype(np.int32, copy=False)
    weights = np.ascontiguousarray(weights)
    num_blocks = -(-num_resamples // RESAMPLES_TOGETHER)
    parts = min(num_blocks, count_cores())

    def resample_part(part: int) -> None:
        first, last = num_blocks * part // parts, num_blocks * (part + 1) // parts
        CORE.resample_curves(
            true_positives,
            false_positives,
            image,
            weights,
            num_people,
            recalls,
            num_thresholds,
            num_images,
            RESAMPLES_TOGETHER * first,
            min(RESAMPLES_TOGETHER * last, num_resamples),
            precision,
            recall,
        )

    run_parts(resample_part, parts, count_cores())
    return precision, recall


def box_around_poses(poses: Floats) -> Floats:
    """Run the compiled `areas.box_around_poses`."""
    boxes = np.empty((len(poses), 4))
    CORE.box_around_poses(to_doubles(poses), poses.shape[1], boxes)
    return boxes


def count_people(
    groups: ImageGroups, classes: Mask, matched_people: Bits, num_thresholds: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Run the compiled `count_matches.count_people`."""
    shape = (len(groups.image_ids), len(classes), num_thresholds)
    counts = np.zeros(shape[:2], np.int64), np.zeros(shape, np.int64)
    CORE.count_people(
        groups.people_image,
        groups.people,
        pack_classes(classes),
        matched_people,
        len(classes),
        num_thresholds,
        *counts,
    )
    return counts


def measure_share_outside(boxes_xywh: Floats, keypoints: Floats) -> Floats:
    """Run the compiled `detected_people.measure_share_outside`."""
    share = np.empty(len(keypoints))
    CORE.measure_share_outside(
        to_doubles(boxes_xywh), *split_keypoints(keypoints), keypoints.shape[1], share
    )
    return share


def split_keypoints(keypoints: Floats) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Return the positions and v of packed keypoints; of others themselves and nothing."""
    if isinstance(keypoints, PackedKeypoints):
        return keypoints.positions, keypoints.visibility
    return to_doubles(keypoints), np.zeros(0, np.uint8)


def to_doubles(values: NDArray[Any]) -> Floats:
    """Return the same numbers as contiguous doubles."""
    return np.ascontiguousarray(values, dtype=np.float64)
