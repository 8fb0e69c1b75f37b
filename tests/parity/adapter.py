"""Our models by the names of the parity material, so that one checker runs on any references.

`method` is a manifest's name. Tensors are torch CPU float32, coordinates (x, y).
"""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from smallpose.core.boxes import to_xywh
from smallpose.inference.nms import oks_nms as our_oks_nms
from smallpose.methods import METHODS, create_method
from smallpose.methods.base import PoseMethod
from smallpose.methods.cal import confidence_mask, heatmap_and_offset_loss
from smallpose.methods.simcc import bins_loss
from smallpose.models.codecs import cal, coordinates, heatmap, simcc, udp
from smallpose.models.heads.regression import RLELoss
from smallpose.models.losses import heatmap_mse
from smallpose.samples.affine import box_window, cut, warp_matrix

Floats = NDArray[np.float64]

OUR_NAMES = {
    "simplebaseline_res50": "simple_baseline_r50",
    "simcc_res50": "simcc_r50",
    "rle_res50": "rle_r50",
}
UDP_WARPED = ("vitpose_s", "cal_hrnet_w32")


def _neighbour(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# The half for methods that find people by themselves; loaded by path, as this file is.
whole = _neighbour("parity_whole_images", Path(__file__).with_name("whole_images.py"))
letterbox, train_losses, dcc = whole.letterbox, whole.train_losses, whole.dcc
box_nms, nearby_joints_nms = whole.box_nms_of, whole.nearby_joints_nms_of


def build(method: str) -> nn.Module:
    """The method in eval mode, COCO's 17 joints."""
    name = OUR_NAMES.get(method, method)
    if name not in METHODS:
        raise NotImplementedError(method)
    return create_method(name, "coco17")


def forward(model: PoseMethod, method: str, images: Tensor, **extra: Tensor) -> dict[str, Tensor]:
    """Raw outputs for normalised pictures, and the features before the head."""
    if method in whole.METHODS:
        return whole.forward(model, method, images, **extra)
    with torch.no_grad():
        if method.startswith("cal"):
            return dict(zip(("heatmaps", "offsets"), model(images), strict=True))
        features = model.backbone(images)
        features = features[0] if isinstance(features, list) else features
        raw = model.head(features)
    if isinstance(raw, tuple):
        return {"feat": features, "simcc_x": raw[0], "simcc_y": raw[1]}
    if raw.ndim == 3:
        return {"feat": features.mean(dim=(2, 3)), "coords": raw}
    return {"feat": features, "heatmaps": raw}


def predict(
    model: PoseMethod,
    method: str,
    images: Tensor,
    metas: Sequence[Mapping[str, Any]],
    flip_test: bool,
) -> list[dict[str, Any]]:
    """The whole test procedure from normalised crops to picture coordinates."""
    from smallpose.samples.affine import to_image

    if method in whole.METHODS:
        return whole.predict(model, method, images, metas, flip_test)
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
    if method in whole.METHODS:
        return whole.preprocess(method, bgr)
    size = (192, 256)
    height, width = bgr.shape[:2]
    box = to_xywh(np.array([[0, 0, width, height] if bbox is None else bbox], dtype=np.float64))
    # The box as it stands: MMPose cuts boxes to the picture where it reads annotations.
    center, scale = box_window(box, size)
    rgb = np.ascontiguousarray(bgr[..., ::-1])
    matrix = warp_matrix(center[0], scale[0], size, udp=method in UDP_WARPED)
    crop = cut(rgb, matrix, size)
    return crop, {"input_center": center[0], "input_scale": scale[0], "input_size": size}


def box_transform(
    bbox: Sequence[float], size_wh: tuple[int, int], udp: bool, rotation: float
) -> tuple[Floats, Floats, Floats]:
    """A corner box to centre, scale and the (2, 3) matrix."""
    center, scale = box_window(to_xywh(np.array([bbox], dtype=np.float64)), size_wh)
    return center[0], scale[0], warp_matrix(center[0], scale[0], size_wh, rotation, udp)


def encode(
    codec: str, keypoints: NDArray[Any], visible: NDArray[Any], **kw: Any
) -> dict[str, NDArray[Any]]:
    """(n, k, 2) keypoints of a 192 × 256 crop to the codec's targets."""
    if codec in whole.CODECS:
        return whole.encode(codec, keypoints, visible, **kw)
    points, seen = (torch.from_numpy(np.asarray(a, np.float32)) for a in (keypoints, visible))
    size, map_size = (192, 256), (48, 64)
    if codec == "msra":
        maps, weights = heatmap.encode(points, seen, map_size, float(kw.get("sigma", 2.0)))
        # Several people on one map: the largest value of each pixel.
        made = {"heatmaps": maps.amax(dim=0)}
    elif codec == "udp":
        maps, weights = udp.encode(points, seen, size, map_size, float(kw.get("sigma", 2.0)))
        made = {"heatmaps": maps.amax(dim=0)}
    elif codec == "simcc":
        x, y, weights = simcc.encode(points, seen, size, float(kw.get("sigma", 6.0)))
        made = {"keypoint_x_labels": x, "keypoint_y_labels": y}
    elif codec == "regression":
        labels, weights = coordinates.encode(points, seen, size)
        made = {"keypoint_labels": labels}
    elif codec == "cal":
        size = kw.get("input_size", size)
        map_size = kw.get("heatmap_size", (size[0] // 4, size[1] // 4))
        maps, offsets, near, weights = cal.encode(
            *(points, seen, size, map_size), float(kw.get("sigma", 2.0))
        )
        made = {"heatmaps": maps[0], "offsets": offsets[0], "offset_mask": near[0]}
    else:
        raise NotImplementedError(codec)
    return {key: value.numpy() for key, value in {**made, "keypoint_weights": weights}.items()}


def decode(codec: str, **inputs: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Outputs to (n, k, 2) keypoints of the crop and (n, k) scores."""
    if codec in whole.CODECS:
        return whole.decode(codec, **inputs)
    size = (192, 256)
    tensors = {key: torch.as_tensor(np.asarray(value)) for key, value in inputs.items()}
    if codec in ("msra", "udp", "cal"):
        tensors = {key: t if t.ndim == 4 else t[None] for key, t in tensors.items()}
    else:
        tensors = {key: t if t.ndim == 3 else t[None] for key, t in tensors.items()}
    if codec == "msra":
        points, scores = heatmap.decode(tensors["heatmaps"])
    elif codec == "udp":
        points, scores = udp.decode(tensors["heatmaps"], size)
    elif codec == "cal":
        points, scores = cal.decode(tensors["heatmaps"], tensors["offsets"], size)
    elif codec == "simcc":
        points, scores = simcc.decode(tensors["simcc_x"], tensors["simcc_y"])
    elif codec == "regression":
        (coords,) = tensors.values()
        spread = coords[..., 2:] if coords.shape[-1] == 4 else None
        points, scores = coordinates.decode(coords[..., :2], spread, size)
    else:
        raise NotImplementedError(codec)
    return points.numpy(), scores.numpy()


def loss(name: str, **tensors: Tensor) -> Tensor:
    """A loss by its name in `losses.npz`."""
    if name == "rle":
        weight = tensors["weight"].reshape(tensors["pred"].shape[:2])
        coords = (tensors[key] for key in ("pred", "sigma", "target"))
        return _rle_loss()(*coords, weight)
    if name.startswith(("simcc", "kl")):
        terms = []
        for axis in "xy":
            own = {key: t for key, t in tensors.items() if key.endswith(axis)}
            (logits,) = (t for key, t in own.items() if not key.startswith(("target", "gt")))
            (labels,) = (t for key, t in own.items() if key.startswith(("target", "gt")))
            terms.append(bins_loss(logits, labels, tensors["weight"].reshape(logits.shape[:2])))
        return terms[0] + terms[1]
    if not name.startswith("keypoint_mse"):
        return whole.loss(name, **tensors)
    weight, mask = tensors.get("weight"), tensors.get("mask")
    if weight is not None and mask is not None:
        weight = weight * mask
    return heatmap_mse(tensors["output"], tensors["target"], weight)


def _rle_loss() -> RLELoss:
    """With the material's weights in its flow."""
    path = Path(__file__).resolve().parents[3] / "shared" / "parity" / "weights.py"
    material = _neighbour("parity_weights_of_flow", path)
    module = RLELoss()
    state = material.fill_state_dict(module.state_dict(), prefix="head.loss_module.")
    module.load_state_dict(state)
    return module


def rle_flow_log_prob(x: Tensor) -> Tensor:
    """(n, 2) errors to the flow's (n,) log densities."""
    return _rle_loss().flow_model.log_prob(x)


def cal_gmm_mask(heatmaps: Tensor, true_heatmaps: Tensor, weights: Tensor) -> Tensor:
    """(b, k, h, w) predicted and true heatmaps and (b, k) weights to the offsets' mask."""
    return confidence_mask(heatmaps, true_heatmaps, weights.reshape(heatmaps.shape[:2]))


def cal_loss(
    heatmaps: Tensor,
    offsets: Tensor,
    true_heatmaps: Tensor,
    true_offsets: Tensor,
    mask: Tensor,
    weights: Tensor,
    offset_weight: float = 1.0,
) -> Tensor:
    """Heatmap loss and `offset_weight` times the masked offset loss."""
    weights = weights.reshape(heatmaps.shape[:2])
    targets = true_heatmaps, true_offsets, mask, weights
    on_maps, on_offsets = heatmap_and_offset_loss((heatmaps, offsets), targets, mask)
    return on_maps + offset_weight * on_offsets


def oks_nms(
    keypoints: Floats, scores: Floats, area: Floats, sigmas: Floats, threshold: float
) -> NDArray[np.intp]:
    """Rows to keep of one picture's people."""
    return our_oks_nms(keypoints, scores, area, sigmas, threshold)
