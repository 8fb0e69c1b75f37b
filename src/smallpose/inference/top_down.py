"""Predict people in boxes with a top-down method.

Crops of several images are collected into full batches, so that images with one person cost no
more per person than images with twenty. For the steps see the docstring of the package.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.core.score_limits import ScoreLimit
from smallpose.dataloading.images import ImageArray, use_one_opencv_thread
from smallpose.dataloading.large_images import LargeImage
from smallpose.dataloading.top_down.batches import cut_boxes
from smallpose.inference.boxes import Boxes
from smallpose.inference.large_images import cut_boxes_from_parts
from smallpose.inference.notes import describe_unreadable
from smallpose.inference.options import InferenceOptions
from smallpose.inference.prefetch import prefetch_images
from smallpose.methods.base import PoseMethod
from smallpose.methods.person_score import SCORE_RULES
from smallpose.models.codecs.nms import oks_nms_by_image

Floats = NDArray[np.float64]

BATCH_SIZE = 64  # crops
OKS_THRESHOLD = 0.9  # detected people with a larger OKS are duplicates


class _Crops(NamedTuple):
    """Crops of some boxes: rows of `Boxes`, pixels, and the windows that they show."""

    rows: NDArray[np.intp]
    pixels: NDArray[np.uint8]
    center: Floats
    scale: Floats


def predict_top_down(
    method: PoseMethod,
    people: Instances,
    boxes: Boxes,
    read: Callable[[str], ImageArray | LargeImage],
    options: InferenceOptions | None = None,
    label: str = "",
) -> Predictions:
    """Predict the keypoints of the people in the boxes, in the order of the boxes.

    Each prediction has the box it was given, so its detection area is the area of that box.

    Args:
        people: names the images; its people are not used.
        read: file name to image.
        label: of a progress bar over the images; "" for none.
    """
    options = options or InferenceOptions()
    use_one_opencv_thread()
    was_training = method.training
    if was_training:  # switching the mode of 160 layers takes as long as cutting ten crops
        method.eval()
    unreadable: list[str] = []
    keypoints = np.zeros((len(boxes), len(method.skeleton), 3))
    window_area = np.zeros(len(boxes))
    is_predicted = np.zeros(len(boxes), dtype=bool)
    crops_of_images = _cut_crops(method, people, boxes, read, options, unreadable, label)
    for batch in _collect_batches(crops_of_images, options):
        # Network, flip test, decoding, and mapping to image px.
        keypoints[batch.rows] = method.predict_crops(
            torch.from_numpy(batch.pixels),
            batch.center,
            batch.scale,
            options.flip_test is not False,
        )
        window_area[batch.rows] = batch.scale.prod(axis=1)
        is_predicted[batch.rows] = True
    if was_training:
        method.train()
    score_people = SCORE_RULES[options.score_rule or method.score_rule]
    predictions = Predictions(
        skeleton=method.skeleton,
        image_ids=people.images.ids[boxes.image_rows],
        keypoints=keypoints,
        scores=score_people(boxes.scores, keypoints[:, :, 2]),
        boxes_xywh=boxes.boxes_xywh,
        notes=describe_unreadable(unreadable),
        score_limits=boxes.score_limits,
    )
    rows = np.flatnonzero(is_predicted)
    if boxes.from_detector:
        threshold = OKS_THRESHOLD if options.oks_threshold is None else options.oks_threshold
        kept = oks_nms_by_image(
            predictions.image_ids[rows],
            keypoints[rows],
            predictions.scores[rows],
            window_area[rows],
            method.skeleton.sigmas,
            threshold,
        )
        limit = ScoreLimit(
            name="--nms",
            score=threshold,
            num_left_out=len(rows) - len(kept),
            num_detections=len(rows),
            singular="person",
            plural="people",
            is_overlap=True,
        )
        predictions = replace(predictions, score_limits=(*boxes.score_limits, limit))
        rows = rows[kept]
    return predictions.take(rows)


def _cut_crops(
    method: PoseMethod,
    people: Instances,
    boxes: Boxes,
    read: Callable[[str], ImageArray | LargeImage],
    options: InferenceOptions,
    unreadable: list[str],
    label: str,
) -> Iterator[_Crops]:
    """Yield crops image by image, at most one batch at a time."""
    image_rows, counts = np.unique(boxes.image_rows, return_counts=True)
    by_image = np.argsort(boxes.image_rows, kind="stable")
    groups = np.split(by_image, np.cumsum(counts))[: len(image_rows)]
    rows_of = dict(zip(image_rows.tolist(), groups, strict=True))
    batch_size = options.batch_size or BATCH_SIZE
    images = prefetch_images(people, list(rows_of), read, options.max_unreadable, unreadable, label)
    for image_row, image in images:
        rows = rows_of[image_row]
        for part in np.array_split(rows, -(-len(rows) // batch_size)):
            boxes_xywh = boxes.boxes_xywh[part]
            interpolation = method.crop_options.interpolation
            udp = method.udp_warp
            how = (boxes_xywh, method.input_wh, udp, interpolation, method.box_padding)
            if isinstance(image, LargeImage):
                crops = cut_boxes_from_parts(image, *how)
            else:
                crops = cut_boxes(image, *how)
            yield _Crops(part, *crops)


def _collect_batches(
    crops_of_images: Iterator[_Crops], options: InferenceOptions
) -> Iterator[_Crops]:
    """Combine crops of several images into batches; the crops of an image stay together."""
    pending: list[_Crops] = []
    for crops in crops_of_images:
        count = sum(len(c.rows) for c in pending)
        if count and count + len(crops.rows) > (options.batch_size or BATCH_SIZE):
            yield _concatenate_crops(pending)
            pending = []
        pending.append(crops)
    if pending:
        yield _concatenate_crops(pending)


def _concatenate_crops(parts: list[_Crops]) -> _Crops:
    return _Crops(*(np.concatenate(column) for column in zip(*parts, strict=True)))
