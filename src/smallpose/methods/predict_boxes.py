"""Predict the people of images in given boxes: cut their crops, run them in batches, score."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from smallpose.core.predictions import Predictions
from smallpose.dataloading.top_down.batches import cut_boxes
from smallpose.methods.check_images import list_boxes, list_images
from smallpose.methods.person_score import SCORE_RULES

if TYPE_CHECKING:
    from smallpose.methods.base import PoseMethod

Floats = NDArray[np.float64]


def predict_in_boxes(
    method: "PoseMethod",
    images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8],
    boxes_xywh: Sequence[Floats] | Floats,
    *,
    box_scores: Sequence[Floats] | None,
    flip_test: bool,
    batch_size: int,
) -> Predictions:
    """Predict the people in the given boxes, in their order; arguments as `PoseMethod.predict`."""
    is_single = isinstance(images, np.ndarray) and images.ndim == 3
    images = list_images(images)
    boxes = list_boxes(boxes_xywh, len(images), is_single)
    windows = [
        cut_boxes(
            image,
            b,
            method.input_wh,
            method.udp_warp,
            method.crop_options.interpolation,
            method.box_padding,
        )
        for image, b in zip(images, boxes, strict=True)
    ]
    w, h = method.input_wh
    crops = np.concatenate([np.empty((0, h, w, 3), np.uint8), *(x[0] for x in windows)])
    center = np.concatenate([np.empty((0, 2)), *(x[1] for x in windows)])
    scale = np.concatenate([np.empty((0, 2)), *(x[2] for x in windows)])
    was_training = method.training
    if was_training:  # switching the mode of 160 layers takes as long as cutting ten people
        method.eval()
    batches = [np.empty((0, len(method.skeleton), 3))]
    for start in range(0, len(crops), batch_size):
        rows = slice(start, start + batch_size)
        batch = torch.from_numpy(crops[rows])
        batches.append(method.predict_crops(batch, center[rows], scale[rows], flip_test))
    if was_training:
        method.train()
    keypoints = np.concatenate(batches)
    if box_scores is None:
        all_box_scores = np.ones(len(crops))
    else:
        all_box_scores = np.concatenate([*box_scores])
    return Predictions(
        skeleton=method.skeleton,
        image_ids=np.repeat(np.arange(len(boxes)), [len(b) for b in boxes]),
        keypoints=keypoints,
        scores=SCORE_RULES[method.score_rule](all_box_scores, keypoints[:, :, 2]),
        boxes_xywh=np.concatenate([np.empty((0, 4)), *boxes]),
    )
