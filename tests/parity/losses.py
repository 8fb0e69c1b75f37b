"""The adapter's part for losses: each by its name, and all of a method's for images and people.

Names are those of MMPose's classes in lower case (`keypoint_mse`, `kl_discret`, `rle`,
`focal_heatmap`, `info_nce`, `soft_weight_smooth_l1`, `vari_focal`, `iou`, `oks`, `bce`, `mlecc`,
`l1`), with any suffix; arguments are those of `losses.npz` or of MMPose's `forward`. The weight of
each is 1.
"""

import importlib.util
from collections.abc import Mapping, Sequence
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
from smallpose.models.codecs.offsets import box_iou
from smallpose.models.heads.rle import RLELoss
from smallpose.models.losses import heatmap_mse_loss

OUTPUT = ("output", "outputs", "pred", "preds", "input", "pred_hm", "features", "logits")
TARGET = ("target", "targets", "gt", "gt_hm", "label", "labels")
WEIGHT = ("weight", "weights", "target_weight", "target_weights", "keypoint_weights")


def first_of(tensors: Mapping[str, Any], names: Sequence[str]) -> Any:
    """Return the first of these arguments that was passed, or None."""
    return next((tensors[name] for name in names if name in tensors), None)


def by_axis(tensors: Mapping[str, Any], names: Sequence[str]) -> list[Tensor]:
    """Return an argument for x and for y, passed as a pair or under names ending with the axis."""
    both = first_of(tensors, (*names, *(f"{name}_simcc" for name in (*names, "gt"))))
    if isinstance(both, tuple | list):
        return list(both)
    return [
        next(
            t
            for key, t in tensors.items()
            if key.endswith(axis) and key.startswith(tuple(n[:2] for n in names))
        )
        for axis in "xy"
    ]


def loss(name: str, **tensors: Any) -> Tensor:
    """Compute a loss by the prefix of its name; it is differentiable in its arguments."""
    output, target = first_of(tensors, OUTPUT), first_of(tensors, TARGET)
    weight, mask = first_of(tensors, WEIGHT), tensors.get("mask")
    if name.startswith("keypoint_mse"):
        return heatmap_mse_loss(output, target, _combine_weights(output, weight, mask))
    if name.startswith("rle"):
        shape = tensors["pred"].shape[:2]
        weight = torch.ones(shape) if weight is None else weight.reshape(shape)
        return rle_loss()(tensors["pred"], tensors["sigma"], target, weight)
    if name.startswith(("simcc", "kl")):
        outputs, targets = by_axis(tensors, ("output", "pred")), by_axis(tensors, ("target", "gt"))
        terms = (
            kl_bin_loss(o, t, weight.reshape(o.shape[:2]))
            for o, t in zip(outputs, targets, strict=True)
        )
        return sum(terms, torch.zeros(()))
    if "vari" in name:
        per_cell = rtmo_loss.varifocal_loss(output, target)
        return (per_cell * (1 if weight is None else _align_axes(weight, per_cell))).sum()
    if "focal" in name:
        weights = _combine_weights(output, weight, mask)
        return cid.focal_heatmap_loss(
            output, target, torch.ones(()) if weights is None else weights
        )
    if "nce" in name or "contrast" in name:
        (features,) = tensors.values()
        image_index = torch.zeros(len(features), dtype=torch.int64)
        return cid.contrastive_loss(features, image_index) * len(features)
    if "smooth" in name:
        return dekr.offset_loss(output, target, weight.expand_as(output))
    return _rtmo_loss_by_name(name, output, target, weight, tensors)


def _rtmo_loss_by_name(
    name: str, output: Any, target: Any, weight: Any, tensors: Mapping[str, Any]
) -> Tensor:
    if "iou" in name or "box_square" in name:
        iou = box_iou(output, target).clamp(min=1e-16)
        per_box = 1 - iou.square()
        return (per_box * (1 if weight is None else weight)).sum()
    if "oks" in name:
        sigmas = torch.tensor(COCO17.sigmas[: output.shape[-2]], dtype=torch.float32)
        area = first_of(tensors, ("areas", "area"))
        area = torch.ones(len(output)) if area is None else area
        similarity = rtmo_loss.keypoint_similarity(output, target, area, sigmas)
        if weight is not None:
            similarity = similarity * weight / weight.shape[-1]
        return (1 - similarity.sum(dim=-1)).mean()
    if "mle" in name:
        pairs = zip(by_axis(tensors, OUTPUT), by_axis(tensors, TARGET), strict=True)
        likelihood = torch.stack([(p * t).sum(dim=-1) for p, t in pairs]).prod(dim=0)
        return rtmo_loss.safe_mean(
            rtmo_loss.negative_log(likelihood) * (1 if weight is None else weight)
        )
    if "bce" in name or "vis" in name:
        error = torch.nn.functional.binary_cross_entropy_with_logits(
            output, target, reduction="none"
        )
        return rtmo_loss.safe_mean(error * (1 if weight is None else _align_axes(weight, error)))
    if "l1" in name or "aux" in name:
        return (output - target).abs().sum()
    raise NotImplementedError(name)


def _align_axes(weight: Tensor, like: Tensor) -> Tensor:
    """Append axes of length 1 until the weight has as many as the values."""
    return weight.reshape(*weight.shape, *[1] * (like.ndim - weight.ndim))


def _combine_weights(output: Tensor, weight: Tensor | None, mask: Tensor | None) -> Tensor | None:
    """Multiply weights of keypoints or of pixels by a mask of pixels."""
    weights = None if weight is None else _align_axes(weight, output)
    if mask is None:
        return weights
    mask = mask if mask.ndim == output.ndim else mask[:, None]
    return mask if weights is None else weights * mask


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


def cal_gmm_mask(*given: Tensor, **named: Tensor) -> Tensor:
    """Compute the offsets' (b, k, h, w) mask from predicted and true heatmaps and weights."""
    names = (("output", "heatmaps", "pred"), ("target", "true_heatmaps"), WEIGHT)
    output, target, weight = _in_order(names, given, named)
    return cal.compute_confidence_mask(output, target, weight.reshape(output.shape[:2]))


def cal_loss(*given: Any, **named: Any) -> Tensor:
    """Compute the authors' `JointsOffsetLoss`: heatmap loss plus `offset_weight` × offset loss.

    In order: output, hm_hps, target, target_offset, mask (or mask_01 and mask_g, of which the
    second counts), target_weight, offset_weight (1).
    """
    given_list = list(given)
    if len([g for g in given_list if isinstance(g, Tensor) and g.ndim == 4]) == 6:
        del given_list[4]
    if "mask_g" in named:
        named.pop("mask_01", None)
    names = (
        ("output", "heatmaps"),
        ("hm_hps", "offsets"),
        ("target", "true_heatmaps"),
        ("target_offset", "target_offsets", "true_offsets"),
        ("mask", "mask_g", "mask_01"),
        WEIGHT,
        ("offset_weight", "lam", "lambda_"),
    )
    heatmaps, offsets, true_heatmaps, true_offsets, mask, weight, offset_weight = _in_order(
        names, given_list, named
    )
    targets = true_heatmaps, true_offsets, mask, weight.reshape(heatmaps.shape[:2])
    heatmap_loss, offset_loss = cal.heatmap_and_offset_loss((heatmaps, offsets), targets, mask)
    return heatmap_loss + (1.0 if offset_weight is None else float(offset_weight)) * offset_loss


def _in_order(
    names: Sequence[Sequence[str]], given: Sequence[Any], named: Mapping[str, Any]
) -> list[Any]:
    """Return positional and named arguments in the order of `names`, each with its aliases."""
    arguments = list(given)
    for aliases in names[len(given) :]:
        arguments.append(first_of(named, aliases))
    return arguments


def train_losses(model: Any, method: str, images: Tensor, targets: Any, stage: int = 1) -> dict:
    """Compute the terms of a method's loss by MMPose's names, with gradients.

    Args:
        images: prepared images.
        targets: for each image a dict of its people (`keypoints`, `keypoints_visible`, `bboxes`,
            `areas`, `heatmap_mask`), or of targets that a codec has made, by the codec's names; the
            latter also as one dict of stacked tensors.
        stage: RTMO's, 1 or 2; 3 for the closing epochs, whose additional term it has.
    """
    if method.startswith("rtmo"):
        model.stage, model.closing = min(stage, 2), model.closing or stage > 2
    if method.startswith("cid"):
        model.jitter = 0
    outputs = model(images)
    terms = model.loss(outputs, _make_targets(model, method, targets, images.shape[-2:]))
    if method not in TERMS:
        total = sum(terms.values(), torch.zeros(()))
        return terms if method.startswith("cal") else {"loss_kpt": total}
    return {TERMS[method][name]: term for name, term in terms.items()}


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


def _make_targets(model: Any, method: str, targets: Any, size_hw: Sequence[int]) -> Any:
    """Make a method's targets from people or from what a codec made."""
    if isinstance(targets, Mapping):
        count = len(next(iter(targets.values())))
        targets = [{key: value[i] for key, value in targets.items()} for i in range(count)]
    if "keypoints" not in targets[0]:
        return _convert_codec_targets(method, targets)
    if method.startswith(("rtmo", "cid", "dekr")):
        return model.targets(collect_people(targets, size_hw))
    rows = []
    for target in targets:
        xy = _to_float(target["keypoints"]).reshape(-1, len(model.skeleton), 2)[0]
        visible = _to_float(target["keypoints_visible"]).reshape(-1, len(model.skeleton))[0]
        rows.append(torch.cat([xy, visible[:, None]], dim=1))
    return model.targets(torch.stack(rows))


def _convert_codec_targets(method: str, targets: Sequence[Mapping[str, Any]]) -> Any:
    """Convert targets that codecs made to what the methods' losses take."""

    def stack_column(name: str) -> Tensor:
        return torch.stack([_to_float(t[name]) for t in targets])

    def stack_masks() -> Tensor:
        if "heatmap_mask" not in targets[0]:
            return torch.ones(())
        maps = [_to_float(t["heatmap_mask"]) for t in targets]
        return torch.stack([m.reshape(1, *m.shape[-2:]) for m in maps])

    if method.startswith("dekr"):
        weights = stack_column("heatmap_weights") * stack_masks()
        offsets, offset_weights = (
            stack_column("displacements"),
            stack_column("displacement_weights"),
        )
        return dekr.DEKRTargets(stack_column("heatmaps"), weights, offsets, offset_weights)
    if method.startswith("cid"):
        roots = [torch.as_tensor(np.asarray(t["instance_coords"])).long() for t in targets]
        image_index = torch.cat([torch.full((len(r),), i) for i, r in enumerate(roots)])
        weights = torch.cat([_to_float(t["keypoint_weights"]) for t in targets])
        instance_heatmaps = torch.cat([_to_float(t["instance_heatmaps"]) for t in targets])
        map_hw = instance_heatmaps.shape[-2:]
        return cid.CIDTargets(
            heatmaps=stack_column("heatmaps"),
            heatmap_mask=stack_masks(),
            image_index=image_index,
            roots=torch.cat(roots),
            instance_heatmaps=instance_heatmaps.reshape(*weights.shape, *map_hw),
            keypoint_weights=weights,
        )
    k = len(COCO17)
    weights = stack_column("keypoint_weights").reshape(-1, k)
    if method.startswith("simcc"):
        bins = (stack_column(f"keypoint_{axis}_labels") for axis in "xy")
        return *(b.reshape(-1, k, b.shape[-1]) for b in bins), weights
    if "rle" in method:
        return stack_column("keypoint_labels").reshape(-1, k, 2), weights
    if method.startswith("cal"):
        return (
            stack_column("heatmaps"),
            stack_column("offsets"),
            stack_column("offset_mask"),
            weights,
        )
    return stack_column("heatmaps"), weights


def _to_float(value: Any) -> Tensor:
    return torch.as_tensor(np.asarray(value)).float()


def collect_people(targets: Sequence[Mapping[str, Any]], size_hw: Sequence[int]) -> BatchPeople:
    """Collect the people of images in one table; `heatmap_mask` is 1 where the loss counts."""
    parts = []
    for index, target in enumerate(targets):
        xy = _to_float(target["keypoints"])
        visible = _to_float(target["keypoints_visible"])
        boxes = _to_float(target["bboxes"]).reshape(len(xy), -1)
        if boxes.shape[1] == 4:
            # Upper left, lower left, upper right, lower right.
            boxes = boxes[:, [0, 1, 0, 3, 2, 1, 2, 3]]
        area = first_of(target, ("areas", "area"))
        all_ones = np.ones([side // STRIDE for side in size_hw])
        mask = _to_float(target.get("heatmap_mask", all_ones))
        parts.append(
            BatchPeople(
                image_index=torch.full((len(xy),), index),
                keypoints=torch.cat([xy, visible[..., None]], dim=2),
                corners=boxes.reshape(-1, 4, 2),
                area=torch.ones(len(xy)) if area is None else _to_float(area).reshape(-1),
                heatmap_mask=mask.reshape(1, *mask.shape[-2:]),
            )
        )
    return BatchPeople(*(torch.cat(column) for column in zip(*parts, strict=True)))
