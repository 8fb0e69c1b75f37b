"""Heatmaps of people and the strength of their features, as a method computes them (Fig. 6).

A person's heatmap is the maximum of their joints' maps. SimCC's bins are the map whose rows and
columns they are, and RLE's coordinates with their spread are Gaussians. Features are the last ones
before the head, as norms over the channels. Full-image methods are shown in the same windows
(`full_image.py`).
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smallpose.core.errors import InputError
from smallpose.dataloading.images import ImageArray
from smallpose.dataloading.top_down.batches import cut_boxes
from smallpose.inference.feature_maps.full_image import compute_full_image_maps
from smallpose.methods.base import PoseMethod
from smallpose.methods.cal import CAL
from smallpose.methods.full_image import FullImageMethod

Floats = NDArray[np.float64]


class UnknownFormError(InputError):
    """A method has no maps that could be drawn."""


class FeatureMaps(NamedTuple):
    """The maps of n people.

    Args:
        crops: (n, h, w, 3) uint8 RGB, the input.
        heatmaps: (n, h / 4, w / 4), the maximum over the joints.
        features: (n, h', w') norms of the feature vectors.
    """

    crops: NDArray[np.uint8]
    heatmaps: Floats
    features: Floats


@torch.inference_mode()
def compute_feature_maps(method: PoseMethod, image: ImageArray, boxes_xywh: Floats) -> FeatureMaps:
    """Compute the maps of one image's people, without the flip test.

    Args:
        boxes_xywh: (n, 4) px.
    Raises: UnknownFormError for a method without a backbone, or without maps or spreads.
    """
    was_training = method.training
    method.eval()
    try:
        if isinstance(method, FullImageMethod):
            return FeatureMaps(*compute_full_image_maps(method, image, boxes_xywh))
        return _compute_crop_maps(method, image, boxes_xywh)
    finally:
        method.train(was_training)


def _compute_crop_maps(method: PoseMethod, image: ImageArray, boxes_xywh: Floats) -> FeatureMaps:
    """Compute the maps of a top-down method in eval mode."""
    crops, _, _ = cut_boxes(
        image,
        boxes_xywh,
        method.input_wh,
        method.udp_warp,
        method.crop_options.interpolation,
    )
    captured: list[Tensor] = []

    def capture(_: object, __: object, features: Tensor | list[Tensor]) -> None:
        captured.append(features[0] if isinstance(features, list) else features)

    before_head = "stage4" if isinstance(method, CAL) else "backbone"
    if not hasattr(method, before_head):
        raise _describe_unknown_form(method, "has no part called 'backbone', whose output is drawn")
    hook = method.get_submodule(before_head).register_forward_hook(capture)
    try:
        outputs = method(method.prepare(torch.from_numpy(crops)))
    finally:
        hook.remove()
    if not captured or captured[-1].ndim != 4:
        what = f"has a {before_head!r} that returns no (n, channels, h, w) features"
        raise _describe_unknown_form(method, what)
    norms = torch.linalg.vector_norm(captured[-1].float(), dim=1)
    heatmaps = _compute_heatmaps(method, outputs)
    return FeatureMaps(crops, heatmaps.numpy(), norms.double().cpu().numpy())


def _compute_heatmaps(method: PoseMethod, outputs: Tensor | tuple[Tensor, ...]) -> Tensor:
    """Compute the (n, h, w) maximum over the joints from the outputs of any top-down method."""
    if isinstance(outputs, tuple) and outputs[0].ndim == 3:  # SimCC: logits along x and along y
        columns = outputs[0].softmax(dim=-1)
        rows = outputs[1].softmax(dim=-1)
        maps = rows[..., :, None] * columns[..., None, :]  # (n, k, 2h, 2w)
        maps = torch.nn.functional.avg_pool2d(maps, 8) * 64
        return maps.amax(dim=1).double().cpu()
    if isinstance(outputs, tuple):
        outputs = outputs[0]  # CAL: heatmaps, then offsets
    if outputs.ndim == 3 and outputs.shape[2] == 4:
        return _draw_gaussians(outputs.double().cpu(), method.input_wh)
    if outputs.ndim != 4:
        shape = " × ".join(["n", *map(str, outputs.shape[1:])])
        what = f"returns an array of {shape}, neither heatmaps nor coordinates with a spread"
        raise _describe_unknown_form(method, what)
    return outputs.amax(dim=1).double().cpu()


def _describe_unknown_form(method: PoseMethod, what: str) -> UnknownFormError:
    return UnknownFormError(f"features {method.name}", what, "leave it out")


def _draw_gaussians(coordinates: Tensor, input_wh: tuple[int, int]) -> Tensor:
    """Draw the maximum of the Gaussians of (n, k, 4) coordinates and logits of their spreads."""
    w, h = (side // 4 for side in input_wh)
    spread = coordinates[..., 2:].sigmoid().clamp(min=1e-3)
    profiles = []
    for axis, side in enumerate((w, h)):
        position = (torch.arange(side, dtype=torch.float64) + 0.5) / side
        distance = (position - coordinates[..., axis, None]) / spread[..., axis, None]
        profiles.append(torch.exp(-distance.square() / 2))
    return (profiles[1][..., :, None] * profiles[0][..., None, :]).amax(dim=1)
