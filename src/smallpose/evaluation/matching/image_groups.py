"""Group people and detections by image, detections by falling score."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from smallpose.core.distinct import find_runs, measure_runs
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.matching import native
from smallpose.evaluation.matching.arrays import Floats, ImageGroups, Ints


def group_by_image(
    truth: Instances, predictions: Predictions, max_detections: int | None = None
) -> ImageGroups:
    """Group both tables by image.

    Args:
        max_detections: kept in each image, the best by score; ties in file order. None for all.

    Raises: InputError when a detection's image is not in the truth.
    """
    image_ids, people_image = index_truth_images(truth)
    detection_image = index_images(image_ids, predictions.image_ids)
    return group_rows(image_ids, people_image, detection_image, predictions.scores, max_detections)


def group_rows(
    image_ids: NDArray[np.int64],
    people_image: Ints,
    detection_image: Ints,
    scores: Floats,
    max_detections: int | None = None,
) -> ImageGroups:
    """Group rows as `group_by_image` does, given the image index of each person and detection."""
    num_images = len(image_ids)
    people = sort_by_image(people_image, num_images)
    num_people = np.bincount(people_image, minlength=num_images)
    nothing = np.zeros(0, np.intp)
    groups = ImageGroups(
        image_ids=image_ids,
        people=people,
        people_image=people_image[people],
        people_start=np.concatenate([np.zeros(1, np.intp), np.cumsum(num_people)]),
        detections=nothing,
        detection_image=nothing,
        rank=nothing,
        num_detections=np.zeros(num_images, np.intp),
    )
    return group_detections(groups, detection_image, scores, max_detections)


def group_detections(
    groups: ImageGroups,
    detection_image: Ints,
    scores: Floats,
    max_detections: int | None = None,
) -> ImageGroups:
    """Return groups with the same people and these detections; arguments as for `group_rows`."""
    num_images = len(groups.image_ids)
    num_detections = np.bincount(detection_image, minlength=num_images)
    rows = sort_by_image(detection_image, num_images, scores)
    detection_image = detection_image[rows]
    rank = np.arange(len(rows)) - np.repeat(
        np.cumsum(num_detections) - num_detections, num_detections
    )
    if max_detections is not None:
        is_kept = rank < max_detections
        rows, detection_image, rank = rows[is_kept], detection_image[is_kept], rank[is_kept]
    return replace(
        groups,
        detections=rows,
        detection_image=detection_image,
        rank=rank,
        num_detections=num_detections,
    )


@native.prefer_compiled(native.sort_by_image)
def sort_by_image(image: Ints, num_images: int, scores: Floats | None = None) -> Ints:
    """Sort rows by image, within an image by falling score if given; ties keep their order."""
    if scores is None:
        return np.argsort(image, kind="stable")
    return np.lexsort((-scores, image))


@native.prefer_compiled(native.sort_rows)
def sort_rows(values: Floats) -> Ints:
    """Sort (n,) finite numbers; return their rows by rising value. Ties keep their order."""
    return np.argsort(values, kind="stable")


def index_truth_images(truth: Instances) -> tuple[NDArray[np.int64], Ints]:
    """Return the (m,) rising image ids of the truth and the (n,) index of each person's image."""
    order = np.argsort(truth.images.ids, kind="stable")
    index = np.empty(len(order), dtype=np.intp)
    index[order] = np.arange(len(order))
    return truth.images.ids[order], index[truth.image_rows]


def _describe_ids(image_ids: NDArray[np.int64]) -> str:
    """Say which rising ids the truth has, after a comma."""
    if not len(image_ids):
        return ", which has no images"
    return f", whose images have ids from {image_ids[0]} to {image_ids[-1]}"


def index_images(image_ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> Ints:
    """Return the (d,) index of each wanted id among the rising ones.

    Raises: InputError that names the first unknown id.
    """
    # Detections of an image are mostly side by side: it is looked up once.
    starts = find_runs(wanted)
    ids = wanted[starts]
    index = np.searchsorted(image_ids, ids)
    is_known = index < len(image_ids)
    is_known[is_known] = image_ids[index[is_known]] == ids[is_known]
    unknown = starts[~is_known]
    if len(unknown):
        raise InputError(
            f"results, entry[{unknown[0]}]",
            f"image {wanted[unknown[0]]} is not in the truth{_describe_ids(image_ids)}",
            "correct its image_id or remove the entry",
        )
    return np.repeat(index.astype(np.intp), measure_runs(starts, len(wanted)))
