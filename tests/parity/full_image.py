"""The adapter's part for full-image methods: RTMO, CID and DEKR under the material's names."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smallpose.dataloading.affine import map_to_image
from smallpose.dataloading.full_image.letterbox import apply_letterbox, compute_letterbox
from smallpose.methods import dekr, rtmo
from smallpose.methods.full_image import Detections, FullImageMethod
from smallpose.models.codecs.center_heatmap import STRIDE, find_peaks
from smallpose.models.codecs.decoupled_heatmap import encode_decoupled_heatmaps
from smallpose.models.codecs.heatmap import decode_heatmaps
from smallpose.models.codecs.spr import encode_spr, sample_scores
from smallpose.models.heads.cid import sample_at_roots

Floats = NDArray[np.float64]

METHODS = ("rtmo_s", "rtmo_m", "rtmo_l", "cid_hrnet_w32", "dekr_hrnet_w32")
CODECS = ("spr", "decoupled")
MAX_PEOPLE = 30  # MMPose's limit in DEKR and CID


@torch.no_grad()
def forward(
    model: FullImageMethod, method: str, images: Tensor, **extra: Tensor
) -> dict[str, Tensor]:
    """Compute raw outputs for prepared images."""
    if isinstance(model, rtmo.RTMO):
        outputs = model(images)
        names = ("cls_scores", "bbox_preds", "kpt_vis", "pose_vecs", "kpt_offsets")
        return {name: getattr(outputs, name) for name in names}
    first, second = model(images)
    if isinstance(model, dekr.DEKR):
        return {"heatmaps": first, "displacements": second}
    outputs = {"root_heatmaps": first, "feat": second}
    if "instance_coords" in extra:
        roots, image_index = extra["instance_coords"].long(), extra["instance_imgids"].long()
        instances = sample_at_roots(second, image_index, roots)
        heatmaps = model.head.gfd_module(second, image_index, instances, roots)
        outputs |= {"instance_feats": instances, "instance_heatmaps": heatmaps}
    return outputs


@torch.no_grad()
def predict(
    model: FullImageMethod,
    method: str,
    images: Tensor,
    metas: Sequence[Mapping[str, Any]],
    flip_test: bool,
) -> list[dict[str, Any]]:
    """Predict the people of each prepared image; keypoint scores are `scores`."""
    if not isinstance(model, rtmo.RTMO):
        model.max_people = MAX_PEOPLE
    return [
        _map_detections(f, m) for f, m in zip(model.detect(images, flip_test), metas, strict=True)
    ]


def _map_detections(detections: Detections, meta: Mapping[str, Any]) -> dict[str, Any]:
    n = len(detections.scores)
    center, scale = (
        np.broadcast_to(np.asarray(meta[key], np.float64), (n, 2))
        for key in ("input_center", "input_scale")
    )
    size = tuple(meta["input_size"])
    corners = detections.boxes_xyxy.double().numpy().reshape(n, 2, 2)
    return {
        "keypoints": map_to_image(detections.keypoints.double().numpy(), center, scale, size),
        "scores": detections.keypoint_scores.double().numpy(),
        "bbox_scores": detections.scores.double().numpy(),
        "bboxes": map_to_image(corners, center, scale, size).reshape(n, 4),
    }


def letterbox(method: str, ori_wh: Sequence[int]) -> tuple[Floats, Floats, tuple[int, int], Floats]:
    """Return how an image of that size is fitted: centre, scale, network size, (2, 3) matrix."""
    if method.startswith("rtmo"):
        window = compute_letterbox((ori_wh[0], ori_wh[1]), (640, 640), 32, "inside")
    else:
        size_divisor = 64 if method.startswith("cid") else 32
        window = compute_letterbox((ori_wh[0], ori_wh[1]), (512, 512), size_divisor, "cover")
    return window.center, window.scale, window.size_wh, window.matrix


def preprocess(method: str, bgr: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Letterbox a BGR image to the RGB input of the network; also return its window."""
    height, width = bgr.shape[:2]
    center, scale, size, matrix = letterbox(method, (width, height))
    rgb = np.ascontiguousarray(bgr[..., ::-1])
    window = compute_letterbox((width, height), size, 1, "inside")._replace(matrix=matrix)
    network_input = apply_letterbox(rgb, window, 114 if method.startswith("rtmo") else 0)
    return network_input, {"input_center": center, "input_scale": scale, "input_size": size}


def encode(
    codec: str, keypoints: NDArray[Any], visible: NDArray[Any], **kw: Any
) -> dict[str, NDArray[Any]]:
    """Encode (n, k, 2) keypoints of one network input as the codec's targets."""
    w, h = kw.get("heatmap_size", [side // STRIDE for side in kw.get("input_size", (512, 512))])
    points = np.concatenate([keypoints, np.asarray(visible)[..., None]], axis=2)
    on_map = torch.from_numpy(points.astype(np.float32))
    on_map[..., :2] /= STRIDE
    if codec == "spr":
        names = ("heatmaps", "heatmap_weights", "displacements", "displacement_weights")
        return {n: t.numpy() for n, t in zip(names, encode_spr(on_map, (w, h)), strict=True)}
    corners = kw.get("bbox_corners")
    if corners is None:
        corners = _corners_around_labelled(on_map)
    else:
        corners = torch.from_numpy(np.asarray(corners, np.float32).reshape(-1, 4, 2)) / STRIDE
    heatmaps, instance_heatmaps, weights, roots = encode_decoupled_heatmaps(
        on_map, corners, (w, h), int(kw.get("jitter", 0))
    )
    return {
        "heatmaps": heatmaps.numpy(),
        "instance_heatmaps": instance_heatmaps.flatten(0, 1).numpy(),
        "keypoint_weights": weights.numpy(),
        "instance_coords": roots.numpy(),
    }


def _corners_around_labelled(keypoints: Tensor) -> Tensor:
    is_labelled, xy = keypoints[..., 2:] > 0, keypoints[..., :2]
    low = xy.masked_fill(~is_labelled, torch.inf).amin(dim=1)
    high = xy.masked_fill(~is_labelled, -torch.inf).amax(dim=1)
    x = torch.stack([low[:, 0], low[:, 0], high[:, 0], high[:, 0]], dim=1)
    y = torch.stack([low[:, 1], high[:, 1], low[:, 1], high[:, 1]], dim=1)
    return torch.stack([x, y], dim=2).nan_to_num(posinf=0.0, neginf=0.0)


def decode(codec: str, **inputs: Any) -> tuple[NDArray[Any], Any]:
    """Decode maps of one image to (n, k, 2) keypoints of the network input and their scores.

    The scores are (n, k), of `spr` a pair: (n,) of the roots and (n, k).
    """
    if codec == "spr":
        heatmaps, offsets = (
            torch.as_tensor(np.asarray(inputs[key])) for key in ("heatmaps", "displacements")
        )
        k, w = len(heatmaps) - 1, heatmaps.shape[-1]
        indices, root_scores, _ = find_peaks(heatmaps[k], 5, 0.01, MAX_PEOPLE)
        roots = torch.stack([indices % w, indices // w], dim=-1)
        points = roots[:, None] + offsets.flatten(1)[:, indices].T.unflatten(1, (k, 2))
        keypoint_scores = sample_scores(heatmaps[:k], points)
        return (points * STRIDE).numpy(), (root_scores.numpy(), keypoint_scores.numpy())
    instance_heatmaps = torch.as_tensor(np.asarray(inputs["instance_heatmaps"]))
    points, scores = decode_heatmaps(instance_heatmaps)
    instance_scores = torch.as_tensor(np.asarray(inputs["instance_scores"])).reshape(-1, 1)
    return points.numpy(), (scores * instance_scores).numpy()


@torch.no_grad()
def dcc(model: rtmo.RTMO, pose_feats: Tensor, bbox_cs: Tensor, grids: Tensor) -> dict[str, Tensor]:
    """Classify coordinates from (n, c) pose vectors.

    Args:
        bbox_cs: (n, 4) centres and padded sizes of boxes, px.
        grids: (n, 2) of the cells that detected the people, px.
    Returns: (n, k, 2) joints, the probabilities of their bins and their (n, k) relative widths.
    """
    classifier = model.head.dcc
    keypoints, x, y = classifier(pose_feats, bbox_cs[:, :2], bbox_cs[:, 2:], grids)
    sigmas = classifier.sigma_fc(pose_feats)
    return {"keypoints": keypoints, "x_hms": x, "y_hms": y, "sigmas": sigmas}
