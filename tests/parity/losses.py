"""The adapter's part for losses: each by its name, and all of a method's for images and people.

Names, arguments and settings are those of `shared/parity/adapter.md`: a loss is as its method
trains with it, its weight and its reduction included.
"""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smallpose.core.skeleton import COCO17
from smallpose.dataloading.full_image.batch_people import BatchPeople
from smallpose.methods import cal, cid, dekr, rtmo_loss
from smallpose.methods.simcc import kl_bin_loss
from smallpose.models.codecs.center_heatmap import STRIDE
from smallpose.models.heads.rle import RLELoss
from smallpose.models.losses import heatmap_mse_loss

RTMO_WEIGHTS = rtmo_loss.LossWeights()  # of the first stage
# The offset weight of CAL's authors where they weight offsets with the fitted Gaussian. The
# variants of their loss change one setting each and keep it.
CAL_OFFSET_WEIGHT = 0.7
# CAL's pixel-weighted variant weights pixels at least this high by their error, others evenly.
PIXEL_THRESHOLD, PIXEL_GAIN, PIXEL_WEIGHT = 0.3, 4.0, 0.9


def loss(name: str, **tensors: Tensor) -> Tensor:
    """Compute a loss by its name; it is differentiable in its arguments."""
    if name not in LOSSES:
        raise NotImplementedError(name)
    return LOSSES[name](**tensors)


def _keypoint_mse(
    output: Tensor, target: Tensor, weight: Tensor | None = None, mask: Tensor | None = None
) -> Tensor:
    return heatmap_mse_loss(output, target, _combine_weights(output, weight, mask))


def _kl_discrete(x: Tensor, y: Tensor, gx: Tensor, gy: Tensor, weight: Tensor) -> Tensor:
    return kl_bin_loss(x, gx, weight) + kl_bin_loss(y, gy, weight)


def _rle(pred: Tensor, sigma: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    return rle_loss()(pred, sigma, target, weight.reshape(pred.shape[:2]))


def _smooth_l1(output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    return dekr.OFFSET_WEIGHT * dekr.offset_loss(output, target, weight)


def _focal(
    output: Tensor, target: Tensor, weight: Tensor | None = None, mask: Tensor | None = None
) -> Tensor:
    weights = _combine_weights(output, weight, mask)
    return cid.focal_heatmap_loss(output, target, torch.ones(()) if weights is None else weights)


def _weighted_focal(output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    return cid.DECOUPLED_WEIGHT * _focal(output, target, weight)


def _info_nce(features: Tensor) -> Tensor:
    image_index = torch.zeros(len(features), dtype=torch.int64)
    return cid.contrastive_loss(features, image_index) * len(features)


def _varifocal(output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    return (rtmo_loss.varifocal_loss(output, target) * weight).sum()


def _iou_square(output: Tensor, target: Tensor) -> Tensor:
    return RTMO_WEIGHTS.bbox * rtmo_loss.box_error(output, target).sum()


def _oks(output: Tensor, target: Tensor, weight: Tensor, areas: Tensor) -> Tensor:
    sigmas = torch.tensor(COCO17.sigmas, dtype=torch.float32)
    return RTMO_WEIGHTS.oks * rtmo_loss.oks_error(output, target, weight, areas, sigmas)


def _bce_vis(output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    error = torch.nn.functional.binary_cross_entropy_with_logits(output, target, reduction="none")
    return rtmo_loss.safe_mean(error * weight)


def _mle_cc(x: Tensor, y: Tensor, gx: Tensor, gy: Tensor, weight: Tensor) -> Tensor:
    likelihood = (x * gx).sum(dim=-1) * (y * gy).sum(dim=-1)
    return (rtmo_loss.negative_log(likelihood) * weight).mean(dim=1)


def _l1_sum(output: Tensor, target: Tensor) -> Tensor:
    return (output - target).abs().sum()


LOSSES: dict[str, Callable[..., Tensor]] = {
    "keypoint_mse": _keypoint_mse,
    "keypoint_mse_noweight": _keypoint_mse,
    "keypoint_mse_pixelweight_mask": _keypoint_mse,
    "kl_discrete": _kl_discrete,
    "rle": _rle,
    "soft_weight_smooth_l1": _smooth_l1,
    "focal_heatmap": _weighted_focal,
    "focal_heatmap_mask": _focal,
    "focal_heatmap_nopos": _focal,
    "info_nce": _info_nce,
    "varifocal": _varifocal,
    "iou_square": _iou_square,
    "oks": _oks,
    "bce_vis": _bce_vis,
    "mle_cc": _mle_cc,
    "l1_sum": _l1_sum,
}


def _combine_weights(output: Tensor, weight: Tensor | None, mask: Tensor | None) -> Tensor | None:
    """Multiply weights of keypoints or of pixels by a mask of pixels."""
    if weight is not None:
        weight = weight.reshape(*weight.shape, *[1] * (output.ndim - weight.ndim))
    if mask is None or weight is None:
        return weight if mask is None else mask
    return weight * mask


def load_module(name: str, path: Path) -> ModuleType:
    """Load a file as a module, by its path."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rle_loss() -> RLELoss:
    """Create RLE's loss with the material's weights in its flow."""
    path = Path(__file__).resolve().parents[3] / "shared" / "parity" / "weights.py"
    material = load_module("parity_weights_of_flow", path)
    module = RLELoss()
    state = material.fill_state_dict(module.state_dict(), prefix="head.loss_module.")
    module.load_state_dict(state)
    return module


def cal_gmm_mask(heatmap: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Compute the offsets' (b, k, h, w) mask from predicted and true heatmaps and weights."""
    return cal.compute_confidence_mask(heatmap, target, weight.reshape(heatmap.shape[:2]))


def cal_loss(
    variant: str,
    heatmap: Tensor,
    offset: Tensor,
    target: Tensor,
    target_offset: Tensor,
    mask: Tensor,
    gmm_mask: Tensor,
    weight: Tensor,
) -> Tensor:
    """Compute the loss of CAL's authors in one of its variants.

    Args:
        variant: `total`, offsets weighted by the fitted Gaussian's mask; `total_pixel_weighted`,
            the heatmap's pixels weighted too; `total_pred_mask`, offsets weighted by the
            prediction instead; `total_binary_mask`, evenly near the keypoint instead.
        mask, gmm_mask: (b, k, h, w) 1 near the keypoint, and what `cal_gmm_mask` returns.
        weight: (b, k) or (b, k, 1).
    """
    offset_mask = gmm_mask
    if variant == "total_pred_mask":
        predicted = heatmap.detach() * mask
        low = predicted.amin(dim=(2, 3), keepdim=True)
        high = predicted.amax(dim=(2, 3), keepdim=True)
        offset_mask = (predicted - low) / (high - low + 1e-5) * mask
    elif variant == "total_binary_mask":
        offset_mask = mask
    elif variant == "total_pixel_weighted":
        by_error = torch.exp(PIXEL_GAIN * (heatmap - target).abs())
        pixel_weight = torch.where(
            target >= PIXEL_THRESHOLD, by_error, torch.full_like(target, PIXEL_WEIGHT)
        )
        heatmap, target = heatmap * pixel_weight, target * pixel_weight
    elif variant != "total":
        raise NotImplementedError(variant)
    targets = target, target_offset, mask, weight.reshape(heatmap.shape[:2])
    heatmap_loss, offset_loss = cal.heatmap_and_offset_loss((heatmap, offset), targets, offset_mask)
    return heatmap_loss + CAL_OFFSET_WEIGHT * offset_loss


def train_losses(
    model: Any, method: str, images: Tensor, targets: Sequence[Mapping[str, Any]], stage: str
) -> dict[str, Tensor]:
    """Compute the terms of a method's loss by MMPose's names, with gradients.

    Args:
        images: prepared images.
        targets: for each image a dict of its people: `keypoints` (n, k, 2), `visible` (n, k),
            `bboxes` (n, 4) or (n, 4, 2) and `areas` (n,), the latter two for full images only; also
            `heatmap_mask`, 1 where the loss counts, if not everywhere.
        stage: RTMO's `stage1`, `stage2` or `stage3_aux`, the second one's closing epochs; `train`
            for the others.
    """
    if method.startswith("rtmo"):
        model.stage, model.closing = STAGES[stage]
    if method.startswith("cid"):
        model.jitter = 0
    terms = model.loss(model(images), _make_targets(model, method, targets, images.shape[-2:]))
    if method in TERMS:
        return {TERMS[method][name]: term for name, term in terms.items()}
    if method.startswith("cal"):
        return terms
    return {"loss_kpt": sum(terms.values(), torch.zeros(()))}


STAGES = {"stage1": (1, False), "stage2": (2, False), "stage3_aux": (2, True)}
_RTMO = {name: f"loss_{name}" for name in ("bbox", "vis", "mle", "oks", "bbox_aux", "cls")}
TERMS = {
    **{f"rtmo_{size}": _RTMO for size in "sml"},
    "cid_hrnet_w32": {
        "heatmap_coupled": "loss/heatmap_coupled",
        "heatmap_decoupled": "loss/heatmap_decoupled",
        "contrastive": "loss/contrastive",
    },
    "dekr_hrnet_w32": {"heatmap": "loss/heatmap", "displacement": "loss/displacement"},
}


def _make_targets(
    model: Any, method: str, targets: Sequence[Mapping[str, Any]], size_hw: Sequence[int]
) -> Any:
    """Encode people as the method does in training."""
    if method.startswith(("rtmo", "cid", "dekr")):
        return model.targets(collect_people(targets, size_hw))
    k = len(model.skeleton)
    rows = []
    for target in targets:
        xy = _to_float(target["keypoints"]).reshape(-1, k, 2)[0]
        visible = _to_float(target["visible"]).reshape(-1, k)[0]
        rows.append(torch.cat([xy, visible[:, None]], dim=1))
    return model.targets(torch.stack(rows))


def _to_float(value: Any) -> Tensor:
    return torch.as_tensor(np.asarray(value)).float()


def collect_people(targets: Sequence[Mapping[str, Any]], size_hw: Sequence[int]) -> BatchPeople:
    """Collect the people of images in one table."""
    parts = []
    for index, target in enumerate(targets):
        xy, visible = _to_float(target["keypoints"]), _to_float(target["visible"])
        boxes = _to_float(target["bboxes"]).flatten(1)
        if boxes.shape[1] == 4:
            # Upper left, lower left, upper right, lower right.
            boxes = boxes[:, [0, 1, 0, 3, 2, 1, 2, 3]]
        all_ones = np.ones([side // STRIDE for side in size_hw])
        mask = _to_float(target.get("heatmap_mask", all_ones))
        parts.append(
            BatchPeople(
                image_index=torch.full((len(xy),), index),
                keypoints=torch.cat([xy, visible[..., None]], dim=2),
                corners=boxes.reshape(-1, 4, 2),
                area=_to_float(target["areas"]).reshape(-1),
                heatmap_mask=mask.reshape(1, *mask.shape[-2:]),
            )
        )
    return BatchPeople(*(torch.cat(column) for column in zip(*parts, strict=True)))
