"""Notice a method of a user's own whose `decode` returns shares of the crop instead of px."""

import numpy as np

from smallpose.core.predictions import Predictions
from smallpose.methods.base import PoseMethod
from smallpose.methods.full_image import FullImageMethod

_MAX_EXTENT_PX = 1.0  # of the crop: that of poses in shares of it
_MIN_SHARE = 0.9  # of the poses that are so small


def describe_decoded_shares(method: PoseMethod, predictions: Predictions) -> list[str]:
    """Say that all joints of nearly every pose are within one px of the crop; [] where not.

    No pose of a trained method is, and its AP is 0. The methods of smallpose are not looked at.
    """
    if not method.code or isinstance(method, FullImageMethod) or not len(predictions):
        return []
    extent = np.ptp(predictions.keypoints[:, :, :2], axis=1)
    # A crop has the shape of the network's input, around the padded box.
    side = np.array(method.input_wh, dtype=np.float64)
    crop_px = method.box_padding * (predictions.boxes_xywh[:, 2:] / side).max(axis=1, keepdims=True)
    is_small = (extent <= _MAX_EXTENT_PX * crop_px).all(axis=1)
    if np.count_nonzero(is_small) < _MIN_SHARE * len(is_small):
        return []
    return [
        f"{method.name}: the joints of nearly every pose are within one px of the crop, so AP is "
        "0; decode returns keypoints in px of the crop; multiply shares of it by input_wh"
    ]
