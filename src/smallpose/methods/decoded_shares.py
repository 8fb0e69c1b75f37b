"""Notice a method of a user's own whose `decode` returns shares of the crop instead of px."""

import numpy as np
import torch

from smallpose.core.errors import InputError
from smallpose.core.predictions import Predictions
from smallpose.dataloading.affine import compute_box_window
from smallpose.methods.base import PoseMethod
from smallpose.methods.full_image import FullImageMethod

_MAX_EXTENT_PX = 1.0  # of the crop: that of poses in shares of it
_MIN_SHARE = 0.9  # of the poses that are so small
_MAX_FROM_CORNER = 0.15  # of the crop's sides, of a pose in shares whose box was clipped
_SHARES = (-1.0, 1.5)  # of the crop, of outputs that are any; also from -1 to 1 about its middle


def refuse_decoded_shares(keypoints: torch.Tensor, where: str) -> None:
    """Raise InputError where keypoints that `decode` returns are shares of the crop.

    Args:
        keypoints: (n, k, 2) of outputs that differ, in px of the crop as they should be.
    """
    low, high = _SHARES
    has_places = len(keypoints.flatten(0, 1).unique(dim=0)) > 1  # one place is "nothing was found"
    if has_places and bool(((keypoints >= low) & (keypoints <= high)).all()):
        raise InputError(
            where,
            f"decode returns all keypoints in {low:g} to {high:g} px, as shares of the crop are",
            "return px of the crop: multiply shares of it by input_wh",
        )


def describe_decoded_shares(method: PoseMethod, predictions: Predictions) -> list[str]:
    """Say that all joints of nearly every pose are within one px of the crop; [] where not.

    No pose of a trained method is, and its AP is 0. The methods of smallpose are not looked at.
    """
    if not method.code or isinstance(method, FullImageMethod) or not len(predictions):
        return []
    points = predictions.keypoints[:, :, :2]
    extent = np.ptp(points, axis=1)
    # A crop has the shape of the network's input, around the padded box.
    center, window_wh = compute_box_window(
        predictions.boxes_xywh, method.input_wh, method.box_padding
    )
    crop_px = window_wh / np.array(method.input_wh, dtype=np.float64)
    is_small = (extent <= _MAX_EXTENT_PX * crop_px).all(axis=1)
    if np.count_nonzero(is_small) < _MIN_SHARE * len(is_small):
        return []
    from_corner = (points.mean(axis=1) - (center - window_wh / 2)) / window_wh
    what = f"{method.name}: the joints of nearly every pose are within one px of the crop"
    if (np.median(from_corner, axis=0) <= _MAX_FROM_CORNER).all():
        return [
            f"{what}, in its upper left corner, so AP is 0; decode returns keypoints in px of the "
            "crop; multiply shares of it by input_wh"
        ]
    return [
        f"{what}, so AP is near 0: the network has learned hardly anything yet, as after few "
        "steps, or its outputs are the same for all joints; train for longer"
    ]
