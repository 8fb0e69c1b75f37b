"""What networks see of people: their heatmaps and how strong their features are (Fig. 6).

A person's heatmap is the largest of his joints' maps; SimCC's bins are the map whose rows and
columns they are, and coordinates with a spread (RLE) are the Gaussian they claim. Features are the
last ones before the head, their length over the channels. Whole-image methods are seen through the
same windows (`whole_maps`).
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smallpose.dataloading.images import ImageArray
from smallpose.dataloading.top_down.batches import cut_boxes
from smallpose.inference.feature_maps.full_image import compute_full_image_maps
from smallpose.methods.base import PoseMethod
from smallpose.methods.cal import CAL
from smallpose.methods.full_image import FullImageMethod

Floats = NDArray[np.float64]


class FeatureMaps(NamedTuple):
    """What a network sees of n people.

    Args:
        crops: (n, h, w, 3) uint8 RGB, what it was shown.
        heatmaps: (n, h / 4, w / 4), the largest over the joints.
        features: (n, h', w') lengths of the feature vectors.
    """

    crops: NDArray[np.uint8]
    heatmaps: Floats
    features: Floats


@torch.inference_mode()
def compute_feature_maps(
    method: PoseMethod, picture: ImageArray, boxes_xywh: Floats
) -> FeatureMaps:
    """One picture's people as a method sees them, without the mirrored pass.

    Args:
        boxes_xywh: (n, 4) px.
    """
    if isinstance(method, FullImageMethod):
        was_training = method.training
        method.eval()
        seen = FeatureMaps(*compute_full_image_maps(method, picture, boxes_xywh))
        method.train(was_training)
        return seen
    crops, _, _ = cut_boxes(picture, boxes_xywh, method.input_wh, method.udp_warp)
    kept: list[Tensor] = []

    def keep(_: object, __: object, said: Tensor | list[Tensor]) -> None:
        kept.append(said[0] if isinstance(said, list) else said)

    before_head = "stage4" if isinstance(method, CAL) else "backbone"
    hook = method.get_submodule(before_head).register_forward_hook(keep)
    was_training = method.training
    method.eval()
    try:
        outputs = method(method.prepare(torch.from_numpy(crops)))
    finally:
        hook.remove()
        method.train(was_training)
    features = torch.linalg.vector_norm(kept[-1].float(), dim=1)
    return FeatureMaps(
        crops, _compute_heatmaps(method, outputs).numpy(), features.double().cpu().numpy()
    )


def _compute_heatmaps(method: PoseMethod, outputs: Tensor | tuple[Tensor, ...]) -> Tensor:
    """(n, h, w): the largest joint's value at each place."""
    if isinstance(outputs, tuple) and outputs[0].ndim == 3:
        rows, columns = outputs[1].softmax(dim=-1), outputs[0].softmax(dim=-1)
        maps = rows[..., :, None] * columns[..., None, :]  # (n, k, 2h, 2w)
        maps = torch.nn.functional.avg_pool2d(maps, 8) * 64
        return maps.amax(dim=1).double().cpu()
    if isinstance(outputs, tuple):
        outputs = outputs[0]  # CAL: heatmaps, then offsets
    if outputs.ndim == 3:
        return _draw_gaussians(outputs.double().cpu(), method.input_wh)
    return outputs.amax(dim=1).double().cpu()


def _draw_gaussians(coordinates: Tensor, input_wh: tuple[int, int]) -> Tensor:
    """(n, k, 4) coordinates and logits of spreads to the largest of their Gaussians."""
    w, h = (side // 4 for side in input_wh)
    spread = coordinates[..., 2:].sigmoid().clamp(min=1e-3)
    axes = []
    for axis, side in enumerate((w, h)):
        at = (torch.arange(side, dtype=torch.float64) + 0.5) / side
        away = (at - coordinates[..., axis, None]) / spread[..., axis, None]
        axes.append(torch.exp(-away.square() / 2))
    return (axes[1][..., :, None] * axes[0][..., None, :]).amax(dim=1)
