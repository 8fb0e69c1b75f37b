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
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.affine import compute_box_window, compute_warp_matrix, cut_crop
from smallpose.methods import METHODS, create_method
from smallpose.methods.base import PoseMethod
from smallpose.models.codecs import cal, coordinates, heatmap, simcc, udp_heatmap
from smallpose.models.codecs.nms import box_nms as our_box_nms
from smallpose.models.codecs.nms import nearby_joints_nms as our_nearby_joints_nms
from smallpose.models.codecs.nms import oks_nms as our_oks_nms

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
whole = _neighbour("parity_whole_images", Path(__file__).with_name("full_image.py"))
letterbox, dcc = whole.letterbox, whole.dcc
optional = _neighbour("parity_optional", Path(__file__).with_name("optional_codecs.py"))
losses = _neighbour("parity_losses", Path(__file__).with_name("losses.py"))
loss, train_losses = losses.loss, losses.train_losses
cal_gmm_mask, cal_loss = losses.cal_gmm_mask, losses.cal_loss


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
    from smallpose.dataloading.affine import map_to_image

    if method in whole.METHODS:
        return whole.predict(model, method, images, metas, flip_test)
    with torch.no_grad():
        points, scores = model.decode(model.compute_outputs(images, flip_test))
    center, scale = (
        np.array([m[key] for m in metas], dtype=np.float64)
        for key in ("input_center", "input_scale")
    )
    back = map_to_image(points.double().numpy(), center, scale, model.input_wh)
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
    center, scale = compute_box_window(box, size)
    rgb = np.ascontiguousarray(bgr[..., ::-1])
    matrix = compute_warp_matrix(center[0], scale[0], size, udp=method in UDP_WARPED)
    crop = cut_crop(rgb, matrix, size)
    return crop, {"input_center": center[0], "input_scale": scale[0], "input_size": size}


def box_transform(
    bbox: Sequence[float], size_wh: tuple[int, int], udp: bool, rotation: float
) -> tuple[Floats, Floats, Floats]:
    """A corner box to centre, scale and the (2, 3) matrix."""
    center, scale = compute_box_window(to_xywh(np.array([bbox], dtype=np.float64)), size_wh)
    return center[0], scale[0], compute_warp_matrix(center[0], scale[0], size_wh, rotation, udp)


def encode(
    codec: str, keypoints: NDArray[Any], visible: NDArray[Any], **kw: Any
) -> dict[str, NDArray[Any]]:
    """(n, k, 2) keypoints of a 192 × 256 crop to the codec's targets."""
    if codec in whole.CODECS:
        return whole.encode(codec, keypoints, visible, **kw)
    if codec in optional.CODECS:
        return optional.encode(codec, keypoints, visible)
    points, seen = (torch.from_numpy(np.asarray(a, np.float32)) for a in (keypoints, visible))
    size, map_size = (192, 256), (48, 64)
    if codec == "msra":
        maps, weights = heatmap.encode_heatmaps(points, seen, map_size, float(kw.get("sigma", 2.0)))
        # Several people on one map: the largest value of each pixel.
        made = {"heatmaps": maps.amax(dim=0)}
    elif codec == "udp":
        maps, weights = udp_heatmap.encode_udp_heatmaps(
            points, seen, size, map_size, float(kw.get("sigma", 2.0))
        )
        made = {"heatmaps": maps.amax(dim=0)}
    elif codec == "simcc":
        x, y, weights = simcc.encode_simcc(points, seen, size, float(kw.get("sigma", 6.0)))
        made = {"keypoint_x_labels": x, "keypoint_y_labels": y}
    elif codec == "regression":
        labels, weights = coordinates.encode_coordinates(points, seen, size)
        made = {"keypoint_labels": labels}
    elif codec == "cal":
        size = kw.get("input_size", size)
        map_size = kw.get("heatmap_size", (size[0] // 4, size[1] // 4))
        maps, offsets, near, weights = cal.encode_cal(
            points, seen, size, map_size, float(kw.get("sigma", 2.0))
        )
        made = {"heatmaps": maps[0], "offsets": offsets[0], "offset_mask": near[0]}
    else:
        raise NotImplementedError(codec)
    return {key: value.numpy() for key, value in {**made, "keypoint_weights": weights}.items()}


def decode(codec: str, **inputs: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Outputs to (n, k, 2) keypoints of the crop and (n, k) scores."""
    if codec in whole.CODECS:
        return whole.decode(codec, **inputs)
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
        points, scores = heatmap.decode_heatmaps(tensors["heatmaps"])
    elif codec == "udp":
        points, scores = udp_heatmap.decode_udp_heatmaps(tensors["heatmaps"], size)
    elif codec == "cal":
        points, scores = cal.decode_cal(tensors["heatmaps"], tensors["offsets"], size)
    elif codec == "simcc":
        points, scores = simcc.decode_simcc(tensors["simcc_x"], tensors["simcc_y"])
    elif codec == "regression":
        (coords,) = tensors.values()
        spread = coords[..., 2:] if coords.shape[-1] == 4 else None
        points, scores = coordinates.decode_coordinates(coords[..., :2], spread, size)
    else:
        raise NotImplementedError(codec)
    return points.numpy(), scores.numpy()


def rle_flow_log_prob(x: Tensor) -> Tensor:
    """(n, 2) errors to the flow's (n,) log densities, with the material's weights."""
    return losses.rle_loss().flow_model.log_prob(x)


def oks_nms(
    keypoints: Any,
    scores: Any = None,
    area: Any = None,
    sigmas: Any = None,
    threshold: float = 0.9,
    **more: Any,
) -> NDArray[np.intp]:
    """Rows to keep of one picture's people; MMPose's list of dicts and its `thr` will do too."""
    if isinstance(keypoints, Sequence):
        if scores is not None:
            more.setdefault("thr", scores)
        sigmas = area if sigmas is None else sigmas
        scores = [np.mean(p["score"]) for p in keypoints]
        area = [p["area"] for p in keypoints]
        keypoints = [np.asarray(p["keypoints"]) for p in keypoints]
    points = np.asarray(keypoints, np.float64)
    sigmas = COCO17.sigmas if sigmas is None else sigmas
    above = float(losses.first_of(more, ("thr", "thresh", "above")) or threshold)
    columns = (np.asarray(c, np.float64) for c in (scores, area, sigmas))
    return our_oks_nms(points, *columns, above)


def nearby_joints_nms(
    keypoints: Any,
    scores: Any = None,
    dist_thr: float = 0.05,
    max_dets: int = whole.MOST,
    num_nearby_joints_thr: int | None = None,
    **more: Any,
) -> NDArray[np.intp]:
    """Rows of people to keep; scores of people or of their keypoints, or MMPose's dicts."""
    if isinstance(keypoints, Sequence):
        dist_thr = dist_thr if scores is None else float(scores)
        scores = [np.mean(p["score"]) for p in keypoints]
        keypoints = [np.asarray(p["keypoints"]) for p in keypoints]
    scores = np.asarray(scores)
    mean = scores.mean(axis=1) if scores.ndim == 2 else scores
    options = {
        "distance_threshold": dist_thr,
        "max_people": max_dets,
        "num_nearby_joints": num_nearby_joints_thr,
    }
    return our_nearby_joints_nms(np.asarray(keypoints), mean, **options)


def box_nms(boxes: Any, scores: Any, threshold: float = 0.65) -> NDArray[np.intp]:
    """Rows of (d, 4) corner boxes to keep, the surest first."""
    return our_box_nms(np.asarray(boxes), np.asarray(scores), threshold)
