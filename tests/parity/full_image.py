"""The adapter's half for whole-image methods: RTMO, CID and DEKR under the material's names."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smallpose.dataloading.affine import map_to_image
from smallpose.dataloading.full_image.letterbox import apply_letterbox, compute_letterbox
from smallpose.methods import cid, dekr, rtmo
from smallpose.methods.full_image import Detections, FullImageMethod
from smallpose.models.codecs import heatmap
from smallpose.models.codecs.center_heatmap import STRIDE, find_peaks
from smallpose.models.heads.cid import sample_at_roots

Floats = NDArray[np.float64]

METHODS = ("rtmo_s", "rtmo_m", "rtmo_l", "cid_hrnet_w32", "dekr_hrnet_w32")
CODECS = ("spr", "decoupled")
MOST = 30  # people; MMPose's cap in DEKR and CID


@torch.no_grad()
def forward(
    model: FullImageMethod, method: str, images: Tensor, **extra: Tensor
) -> dict[str, Tensor]:
    """Raw outputs for prepared pictures."""
    if isinstance(model, rtmo.RTMO):
        cells = model(images)
        names = ("cls_scores", "bbox_preds", "kpt_vis", "pose_vecs", "kpt_offsets")
        return dict(zip(names, cells, strict=False))
    first, second = model(images)
    if isinstance(model, dekr.DEKR):
        return {"heatmaps": first, "displacements": second}
    made = {"root_heatmaps": first, "feat": second}
    if "instance_coords" in extra:
        roots, picture = extra["instance_coords"].long(), extra["instance_imgids"].long()
        person = sample_at_roots(second, picture, roots)
        made["instance_feats"] = person
        made["instance_heatmaps"] = model.head.gfd_module(second, picture, person, roots)
    return made


@torch.no_grad()
def predict(
    model: FullImageMethod,
    method: str,
    images: Tensor,
    metas: Sequence[Mapping[str, Any]],
    flip_test: bool,
) -> list[dict[str, Any]]:
    """The people of each prepared picture in picture coordinates, keypoint scores as `scores`."""
    if not isinstance(model, rtmo.RTMO):
        model.max_people = MOST
    return [_back(f, m) for f, m in zip(model.detect(images, flip_test), metas, strict=True)]


def _back(found: Detections, meta: Mapping[str, Any]) -> dict[str, Any]:
    n = len(found.scores)
    center, scale = (
        np.broadcast_to(np.asarray(meta[key], np.float64), (n, 2))
        for key in ("input_center", "input_scale")
    )
    size = tuple(meta["input_size"])
    corners = found.boxes_xyxy.double().numpy().reshape(n, 2, 2)
    return {
        "keypoints": map_to_image(found.keypoints.double().numpy(), center, scale, size),
        "scores": found.keypoint_scores.double().numpy(),
        "bbox_scores": found.scores.double().numpy(),
        "bboxes": map_to_image(corners, center, scale, size).reshape(n, 4),
    }


def letterbox(method: str, ori_wh: Sequence[int]) -> tuple[Floats, Floats, tuple[int, int], Floats]:
    """How a picture of that size is fitted: centre, scale, network size, (2, 3) matrix."""
    if method.startswith("rtmo"):
        fitting = compute_letterbox((ori_wh[0], ori_wh[1]), (640, 640), 32, "inside")
    else:
        multiple = 64 if method.startswith("cid") else 32
        fitting = compute_letterbox((ori_wh[0], ori_wh[1]), (512, 512), multiple, "cover")
    return fitting.center, fitting.scale, fitting.size_wh, fitting.matrix


def preprocess(method: str, bgr: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """A BGR picture to the RGB network picture and where it came from."""
    height, width = bgr.shape[:2]
    center, scale, size, matrix = letterbox(method, (width, height))
    rgb = np.ascontiguousarray(bgr[..., ::-1])
    how = compute_letterbox((width, height), size, 1, "inside")._replace(matrix=matrix)
    shown = apply_letterbox(rgb, how, 114 if method.startswith("rtmo") else 0)
    return shown, {"input_center": center, "input_scale": scale, "input_size": size}


def encode(
    codec: str, keypoints: NDArray[Any], visible: NDArray[Any], **kw: Any
) -> dict[str, NDArray[Any]]:
    """(n, k, 2) keypoints of one network picture to the codec's targets."""
    w, h = kw.get("heatmap_size", [side // STRIDE for side in kw.get("input_size", (512, 512))])
    points = np.concatenate([keypoints, np.asarray(visible)[..., None]], axis=2)
    on_map = torch.from_numpy(points.astype(np.float32))
    on_map[..., :2] /= STRIDE
    if codec == "spr":
        names = ("heatmaps", "heatmap_weights", "displacements", "displacement_weights")
        return {n: t.numpy() for n, t in zip(names, dekr.encode_spr(on_map, (w, h)), strict=True)}
    corners = kw.get("bbox")
    if corners is None:
        corners = _corners_of_seen(on_map)
    else:
        corners = torch.from_numpy(np.asarray(corners, np.float32).reshape(-1, 4, 2)) / STRIDE
    maps, own, weights, roots = cid.encode_decoupled_heatmaps(
        on_map, corners, (w, h), int(kw.get("jitter", 0))
    )
    return {
        "heatmaps": maps.numpy(),
        "instance_heatmaps": own.flatten(0, 1).numpy(),
        "keypoint_weights": weights.numpy(),
        "instance_coords": roots.numpy(),
    }


def _corners_of_seen(keypoints: Tensor) -> Tensor:
    seen, xy = keypoints[..., 2:] > 0, keypoints[..., :2]
    low = xy.masked_fill(~seen, torch.inf).amin(dim=1)
    high = xy.masked_fill(~seen, -torch.inf).amax(dim=1)
    x = torch.stack([low[:, 0], low[:, 0], high[:, 0], high[:, 0]], dim=1)
    y = torch.stack([low[:, 1], high[:, 1], low[:, 1], high[:, 1]], dim=1)
    return torch.stack([x, y], dim=2).nan_to_num(posinf=0.0, neginf=0.0)


def decode(codec: str, **inputs: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Maps of one picture to (n, k, 2) keypoints of the network picture and (n, k) scores."""
    if codec == "spr":
        maps, away = (
            torch.as_tensor(np.asarray(inputs[key])) for key in ("heatmaps", "displacements")
        )
        k, w = len(maps) - 1, maps.shape[-1]
        places, _ = find_peaks(maps[k], 5, 0.01, MOST)
        roots = torch.stack([places % w, places // w], dim=-1)
        points = roots[:, None] + away.flatten(1)[:, places].T.unflatten(1, (k, 2))
        return (points * STRIDE).numpy(), dekr.sample_scores(maps[:k], points).numpy()
    own = torch.as_tensor(np.asarray(inputs["instance_heatmaps"]))
    points, scores = heatmap.decode_heatmaps(own)
    sure = torch.as_tensor(np.asarray(inputs["instance_scores"])).reshape(-1, 1)
    return points.numpy(), (scores * sure).numpy()


@torch.no_grad()
def dcc(model: rtmo.RTMO, pose_feats: Tensor, bbox_cs: Tensor, grids: Tensor) -> Tensor:
    """Pose vectors, centres and (padded) sizes of boxes and cells' points to (n, k, 2) joints."""
    return model.head.dcc(pose_feats, bbox_cs[:, :2], bbox_cs[:, 2:], grids)[0]
