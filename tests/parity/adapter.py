"""The adapter: our models under the names of the parity material, for any checker.

`method` is a manifest's name. Tensors are torch CPU float32, coordinates (x, y). The public
functions are called as `shared/parity/adapter.md` says.
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
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.affine import compute_box_window, compute_warp_matrix, cut_crop
from smallpose.methods import METHODS, create_method
from smallpose.methods.base import PoseMethod
from smallpose.models.codecs.cal import decode_cal, encode_cal
from smallpose.models.codecs.coordinates import decode_coordinates, encode_coordinates
from smallpose.models.codecs.heatmap import decode_heatmaps, encode_heatmaps
from smallpose.models.codecs.nms import box_nms as our_box_nms
from smallpose.models.codecs.nms import nearby_joints_nms as our_nearby_joints_nms
from smallpose.models.codecs.nms import oks_nms as our_oks_nms
from smallpose.models.codecs.simcc import decode_simcc, encode_simcc
from smallpose.models.codecs.udp_heatmap import decode_udp_heatmaps, encode_udp_heatmaps

Floats = NDArray[np.float64]

OUR_NAMES = {
    "simplebaseline_res50": "simple_baseline_r50",
    "simcc_res50": "simcc_r50",
    "rle_res50": "rle_r50",
}
HALPE = "_halpe26"  # suffix of methods with Halpe's 26 joints
UDP_METHODS = ("vitpose_s", "vitpose_b", "cal_hrnet_w32")


def _load_module(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# The part for full-image methods; loaded by path, as this file is.
full_image = _load_module("parity_full_image", Path(__file__).with_name("full_image.py"))
letterbox, dcc = full_image.letterbox, full_image.dcc
optional = _load_module("parity_optional", Path(__file__).with_name("optional_codecs.py"))
losses = _load_module("parity_losses", Path(__file__).with_name("losses.py"))
loss, train_losses = losses.loss, losses.train_losses
cal_gmm_mask, cal_loss = losses.cal_gmm_mask, losses.cal_loss


def build(method: str) -> nn.Module:
    """Create the method in eval mode, with COCO's 17 joints or Halpe's 26."""
    name = OUR_NAMES.get(method, method)
    if name.endswith(HALPE):
        return create_method(name.removesuffix(HALPE), "halpe26")
    if name not in METHODS:
        raise NotImplementedError(method)
    return create_method(name, "coco17")


def forward(model: PoseMethod, method: str, images: Tensor, **extra: Tensor) -> dict[str, Tensor]:
    """Compute raw outputs for normalised images, and the features before the head."""
    if method in full_image.METHODS:
        return full_image.forward(model, method, images, **extra)
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
    """Run the full test procedure from normalised crops to image coordinates."""
    from smallpose.dataloading.affine import map_to_image

    if method in full_image.METHODS:
        return full_image.predict(model, method, images, metas, flip_test)
    with torch.no_grad():
        points, scores = model.decode(model.compute_outputs(images, flip_test))
    center, scale = (
        np.array([m[key] for m in metas], dtype=np.float64)
        for key in ("input_center", "input_scale")
    )
    on_image = map_to_image(points.double().numpy(), center, scale, model.input_wh)
    return [
        {"keypoints": k, "scores": s}
        for k, s in zip(on_image, scores.double().numpy(), strict=True)
    ]


def preprocess(
    method: str, bgr: NDArray[np.uint8], bbox: Sequence[float] | None
) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Cut the RGB input of the network from a BGR image; also return its window."""
    if method in full_image.METHODS:
        return full_image.preprocess(method, bgr)
    size = (192, 256)
    height, width = bgr.shape[:2]
    box = to_xywh(np.array([[0, 0, width, height] if bbox is None else bbox], dtype=np.float64))
    # The box is not clipped: MMPose clips boxes to the image where it reads annotations.
    center, scale = compute_box_window(box, size)
    rgb = np.ascontiguousarray(bgr[..., ::-1])
    matrix = compute_warp_matrix(center[0], scale[0], size, udp=method in UDP_METHODS)
    crop = cut_crop(rgb, matrix, size)
    return crop, {"input_center": center[0], "input_scale": scale[0], "input_size": size}


def box_transform(
    bbox: Sequence[float], size_wh: tuple[int, int], udp: bool, rotation: float
) -> tuple[Floats, Floats, Floats]:
    """Return centre, scale and the (2, 3) matrix of a corner box."""
    center, scale = compute_box_window(to_xywh(np.array([bbox], dtype=np.float64)), size_wh)
    return center[0], scale[0], compute_warp_matrix(center[0], scale[0], size_wh, rotation, udp)


def encode(
    codec: str, keypoints: NDArray[Any], visible: NDArray[Any], **kw: Any
) -> dict[str, NDArray[Any]]:
    """Encode (n, k, 2) keypoints of a 192 × 256 crop as the codec's targets."""
    if codec in full_image.CODECS:
        return full_image.encode(codec, keypoints, visible, **kw)
    if codec in optional.CODECS:
        return optional.encode(codec, keypoints, visible)
    points, labelled = (torch.from_numpy(np.asarray(a, np.float32)) for a in (keypoints, visible))
    size, map_size = (192, 256), (48, 64)
    if codec == "msra":
        maps, weights = encode_heatmaps(points, labelled, map_size, float(kw.get("sigma", 2.0)))
        # Several people on one map: the largest value of each pixel.
        targets = {"heatmaps": maps.amax(dim=0)}
    elif codec == "udp":
        maps, weights = encode_udp_heatmaps(
            points, labelled, size, map_size, float(kw.get("sigma", 2.0))
        )
        targets = {"heatmaps": maps.amax(dim=0)}
    elif codec == "simcc":
        x, y, weights = encode_simcc(points, labelled, size, float(kw.get("sigma", 6.0)))
        targets = {"keypoint_x_labels": x, "keypoint_y_labels": y}
    elif codec == "regression":
        labels, weights = encode_coordinates(points, labelled, size)
        targets = {"keypoint_labels": labels}
    elif codec == "cal":
        size = kw.get("input_size", size)
        map_size = kw.get("heatmap_size", (size[0] // 4, size[1] // 4))
        maps, offsets, near, _ = encode_cal(
            points, labelled, size, map_size, float(kw.get("sigma", 2.0))
        )
        return {
            key: value[0].numpy()
            for key, value in zip(("heatmap", "offset", "mask"), (maps, offsets, near), strict=True)
        }
    else:
        raise NotImplementedError(codec)
    return {key: value.numpy() for key, value in {**targets, "keypoint_weights": weights}.items()}


def decode(codec: str, **inputs: Any) -> tuple[NDArray[Any], Any]:
    """Decode outputs to (n, k, 2) keypoints of the crop and (n, k) scores (see `full_image`)."""
    if codec in full_image.CODECS:
        return full_image.decode(codec, **inputs)
    if codec in optional.CODECS:
        (maps,) = inputs.values()
        return optional.decode(codec, maps)
    size = (192, 256)
    tensors = {key: torch.as_tensor(np.asarray(value)) for key, value in inputs.items()}
    if codec in ("msra", "udp", "cal"):
        tensors = {key: t if t.ndim == 4 else t[None] for key, t in tensors.items()}
    else:
        tensors = {key: t if t.ndim == 3 else t[None] for key, t in tensors.items()}
    if codec == "msra":
        points, scores = decode_heatmaps(tensors["heatmaps"])
    elif codec == "udp":
        points, scores = decode_udp_heatmaps(tensors["heatmaps"], size)
    elif codec == "cal":
        points, scores = decode_cal(tensors["heatmaps"], tensors["offsets"], size)
    elif codec == "simcc":
        points, scores = decode_simcc(tensors["simcc_x"], tensors["simcc_y"])
    elif codec == "regression":
        (coords,) = tensors.values()
        sigma = coords[..., 2:] if coords.shape[-1] == 4 else None
        points, scores = decode_coordinates(coords[..., :2], sigma, size)
    else:
        raise NotImplementedError(codec)
    return points.numpy(), scores.numpy()


def rle_flow_log_prob(x: Tensor) -> Tensor:
    """Compute the flow's (n,) log densities of (n, 2) errors, with the material's weights."""
    return losses.rle_loss().flow_model.log_prob(x)


def oks_nms(
    keypoints: NDArray[Any], scores: NDArray[Any], areas: NDArray[Any], thr: float
) -> NDArray[np.intp]:
    """Return which of the (n, k, 2) people of one image to keep, the highest score first."""
    columns = (np.asarray(c, np.float64) for c in (keypoints, scores, areas, COCO17.sigmas))
    return our_oks_nms(*columns, thr)


def nearby_joints_nms(
    keypoints: NDArray[Any], keypoint_scores: NDArray[Any], dist_thr: float
) -> NDArray[np.intp]:
    """Return which of the (n, k, 2) people to keep, by the means of their (n, k) scores."""
    mean = np.asarray(keypoint_scores).mean(axis=1)
    return our_nearby_joints_nms(
        np.asarray(keypoints), mean, dist_thr, max_people=full_image.MAX_PEOPLE
    )


def box_nms(boxes: NDArray[Any], scores: NDArray[Any], thr: float) -> NDArray[np.intp]:
    """Return the (d, 4) corner boxes to keep, the highest score first."""
    return our_box_nms(np.asarray(boxes), np.asarray(scores), thr)
