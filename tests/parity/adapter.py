"""Our models by the names of the parity material, so that one checker runs on any references.

`method` is a manifest's name. Tensors are torch CPU float32, coordinates (x, y).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from smallpose.core.boxes import to_xywh
from smallpose.inference.nms import oks_nms as our_oks_nms
from smallpose.methods import create_method
from smallpose.methods.base import PoseMethod
from smallpose.models.codecs import heatmap
from smallpose.models.losses import heatmap_mse
from smallpose.samples.affine import box_window, clip_to_pixels, cut, warp_matrix

Floats = NDArray[np.float64]

OUR_NAMES = {"simplebaseline_res50": "simple_baseline_r50"}


def build(method: str) -> nn.Module:
    """The method in eval mode, COCO's 17 joints."""
    if method not in OUR_NAMES:
        raise NotImplementedError(method)
    return create_method(OUR_NAMES[method], "coco17")


def forward(model: PoseMethod, method: str, images: Tensor, **extra: Tensor) -> dict[str, Tensor]:
    """Raw outputs for normalised pictures, and the features before the head."""
    with torch.no_grad():
        features = model.backbone(images)
        return {"feat": features, "heatmaps": model.head(features)}


def predict(
    model: PoseMethod,
    method: str,
    images: Tensor,
    metas: Sequence[Mapping[str, Any]],
    flip_test: bool,
) -> list[dict[str, Any]]:
    """The whole test procedure from normalised crops to picture coordinates."""
    from smallpose.samples.affine import to_image

    with torch.no_grad():
        points, scores = model.decode(model.outputs(images, flip_test))
    center, scale = (
        np.array([m[key] for m in metas], dtype=np.float64)
        for key in ("input_center", "input_scale")
    )
    back = to_image(points.double().numpy(), center, scale, model.input_wh)
    return [
        {"keypoints": k, "scores": s} for k, s in zip(back, scores.double().numpy(), strict=True)
    ]


def preprocess(
    method: str, bgr: NDArray[np.uint8], bbox: Sequence[float] | None
) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """A BGR picture and a corner box to the RGB network picture and where it came from."""
    size = (192, 256)
    height, width = bgr.shape[:2]
    box = to_xywh(np.array([[0, 0, width, height] if bbox is None else bbox], dtype=np.float64))
    center, scale = box_window(clip_to_pixels(box, width, height), size)
    rgb = np.ascontiguousarray(bgr[..., ::-1])
    crop = cut(rgb, warp_matrix(center[0], scale[0], size), size)
    return crop, {"input_center": center[0], "input_scale": scale[0], "input_size": size}


def box_transform(
    bbox: Sequence[float], size_wh: tuple[int, int], udp: bool, rotation: float
) -> tuple[Floats, Floats, Floats]:
    """A corner box to centre, scale and the (2, 3) matrix."""
    if udp:
        raise NotImplementedError("udp")
    center, scale = box_window(to_xywh(np.array([bbox], dtype=np.float64)), size_wh)
    return center[0], scale[0], warp_matrix(center[0], scale[0], size_wh, rotation)


def encode(
    codec: str, keypoints: NDArray[Any], visible: NDArray[Any], **kw: Any
) -> dict[str, NDArray[Any]]:
    """(n, k, 2) keypoints of a 192 × 256 crop to the codec's targets."""
    if codec != "msra":
        raise NotImplementedError(codec)
    points, seen = (torch.from_numpy(np.asarray(a, np.float32)) for a in (keypoints, visible))
    maps, weights = heatmap.encode(points, seen, (48, 64), float(kw.get("sigma", 2.0)))
    # Several people on one map: the largest value of each pixel.
    return {"heatmaps": maps.amax(dim=0).numpy(), "keypoint_weights": weights.numpy()}


def decode(codec: str, **inputs: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Outputs to (n, k, 2) keypoints of the crop and (n, k) scores."""
    if codec != "msra":
        raise NotImplementedError(codec)
    maps = torch.as_tensor(inputs["heatmaps"])
    points, scores = heatmap.decode(maps if maps.ndim == 4 else maps[None])
    return points.numpy(), scores.numpy()


def loss(name: str, **tensors: Tensor) -> Tensor:
    """A loss by its name in `losses.npz`."""
    if not name.startswith("keypoint_mse"):
        raise NotImplementedError(name)
    weight, mask = tensors.get("weight"), tensors.get("mask")
    if weight is not None and mask is not None:
        weight = weight * mask
    return heatmap_mse(tensors["output"], tensors["target"], weight)


def oks_nms(
    keypoints: Floats, scores: Floats, area: Floats, sigmas: Floats, threshold: float
) -> NDArray[np.intp]:
    """Rows to keep of one picture's people."""
    return our_oks_nms(keypoints, scores, area, sigmas, threshold)
