"""RTMO's training: assignment of people to grid cells, and the terms of the loss (Sec. 3.3, 3.4).

Trained in two stages: first the joints regressed by the cells and the coordinate classifier are
supervised by the labels, later the regression is supervised by the classifier.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from smallpose.dataloading.full_image.batch_people import MASK_STRIDE
from smallpose.models.codecs.offsets import (
    GridPoints,
    box_iou,
    decode_boxes,
    decode_keypoints,
    encode_boxes,
)
from smallpose.models.codecs.sim_ota import CellPredictions, ImageTruth, assign_cells, compute_oks
from smallpose.models.heads.rtmo import RTMOHead, RTMOOutputs

VISIBILITY_THRESHOLD = 0.3  # of joints that locate a cell's person in the mask of unlabelled people


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """Weights and settings of the loss in one stage of the training.

    Args:
        bbox, vis, mle, oks, cls: weights of the terms by these names in `compute_rtmo_losses`.
        oks_power: the score's target is the OKS to this power.
        from_classifier: regressed joints and scores are supervised by the coordinate classifier.
        sigma_range: limits, relative to a person's size, of the label's predicted width. A wide
            label asks the classifier only to be near.
        tolerance: factor of the sigmas in the OKS term. OKS has no gradient far from the label.
        assign_tolerance: factor of the sigmas where people are assigned to cells. While poses are
            far off, their OKS would teach each person to a single cell.
        raw_boxes: add the L1 loss of the raw boxes from the beginning, not in closing epochs alone.
    """

    bbox: float = 5.0
    vis: float = 1.0
    oks: float = 30.0
    mle: float = 1.0
    cls: float = 1.0
    oks_power: float = 0.5
    from_classifier: bool = False
    sigma_range: tuple[float, float] = (1e-3, math.inf)
    tolerance: float = 1.0
    assign_tolerance: float = 1.0
    raw_boxes: bool = False


class RTMOTargets(NamedTuple):
    """The n people of a batch and the regions whose people are not labelled.

    Args:
        image_index: (n,) index of their images.
        boxes: (n, 4) corners, px.
        keypoints: (n, k, 3) x, y and 1 where labelled.
        area: (n,) px².
        unlabelled_mask: (b, h, w) 1 where people are not labelled.
        joint_heatmaps: (b, k, h / 2, w / 2) targets of the dense head; None without it.
    """

    image_index: Tensor
    boxes: Tensor
    keypoints: Tensor
    area: Tensor
    unlabelled_mask: Tensor
    joint_heatmaps: Tensor | None = None


@dataclass(frozen=True)
class _Positives:
    """The m positive cells of a batch: what they predict and the person each is assigned to.

    Args:
        index: (m,) images and (m,) cells.
        points: of the cells.
        boxes: (m, 4) predicted corners, px.
        regressed: (m, k, 2) joints by regression, px.
        pose_vecs: (m, c).
        truth_boxes: (m, 4) corners, px.
        keypoints: (m, k, 2) labels, px.
        visible: (m, k) 1 where labelled.
        area: (m,) px².
        oks: (m,) of the regressed joints.
    """

    index: tuple[Tensor, Tensor]
    points: GridPoints
    boxes: Tensor
    regressed: Tensor
    pose_vecs: Tensor
    truth_boxes: Tensor
    keypoints: Tensor
    visible: Tensor
    area: Tensor
    oks: Tensor


def compute_rtmo_losses(
    head: RTMOHead,
    outputs: RTMOOutputs,
    targets: RTMOTargets,
    weights: LossWeights,
    *,
    use_keypoint_center: bool,
    supervise_raw_boxes: bool,
) -> dict[str, Tensor]:
    """Compute the weighted terms of RTMO's loss by MMPose's names.

    Args:
        use_keypoint_center: see `assign_cells`.
        supervise_raw_boxes: add the L1 loss of the raw boxes, as in the closing epochs.
    """
    points = outputs.grid_points
    boxes = decode_boxes(outputs.bbox_preds, points)
    regressed = decode_keypoints(outputs.kpt_offsets, points)
    wide_sigmas = weights.assign_tolerance * head.sigmas
    cells = _assign_batch(outputs, boxes, regressed, targets, wide_sigmas, use_keypoint_center)
    positives = _gather_positives(outputs, boxes, regressed, targets, cells)
    num_positives = max(len(positives.oks), 1)
    joints, *bins = head.classify(positives.pose_vecs, positives.boxes, positives.points.xy)

    box_errors = box_error(positives.boxes, positives.truth_boxes)
    terms = {"bbox": weights.bbox * box_errors.sum() / num_positives}
    visibility = outputs.kpt_vis[positives.index]
    terms["vis"] = weights.vis * safe_mean(
        F.binary_cross_entropy_with_logits(visibility, positives.visible, reduction="none")
    )
    likelihood = _label_likelihood(head, positives, bins, weights.sigma_range)
    terms["mle"] = weights.mle * safe_mean(negative_log(likelihood) * positives.visible)

    label, is_supervised, oks = positives.keypoints, positives.visible, positives.oks
    if weights.from_classifier:
        label = joints.detach()
        error = (label - positives.keypoints).norm(dim=-1)
        regression_error = (positives.regressed.detach() - positives.keypoints).norm(dim=-1)
        is_supervised = positives.visible * (error < regression_error)
        oks = compute_oks(
            label, positives.keypoints, positives.visible, positives.area, head.sigmas
        )
    sigmas = weights.tolerance * head.sigmas
    errors = oks_error(positives.regressed, label, is_supervised, positives.area, sigmas)
    terms["oks"] = weights.oks * safe_mean(errors)
    if supervise_raw_boxes or weights.raw_boxes:
        raw = outputs.bbox_preds[positives.index]
        error = (raw - encode_boxes(positives.truth_boxes, positives.points)).abs()
        terms["bbox_aux"] = error.sum() / num_positives

    quality = torch.zeros_like(outputs.cls_scores[..., 0])
    quality[positives.index] = oks.detach().pow(weights.oks_power).to(quality.dtype)
    is_counted = 1 - _unlabelled_share(outputs, regressed, targets)
    cls_loss = varifocal_loss(outputs.cls_scores[..., 0], quality) * is_counted
    terms["cls"] = weights.cls * cls_loss.sum() / num_positives
    return terms


def _gather_positives(
    outputs: RTMOOutputs,
    boxes: Tensor,
    regressed: Tensor,
    targets: RTMOTargets,
    cells: tuple[Tensor, Tensor, Tensor, Tensor],
) -> _Positives:
    """Gather what the loss compares at the positive cells, which `_assign_batch` returns."""
    image, cell, person, oks = cells
    labels = targets.keypoints[person]
    return _Positives(
        index=(image, cell),
        points=outputs.grid_points.take(cell),
        boxes=boxes[image, cell],
        regressed=regressed[image, cell],
        pose_vecs=outputs.pose_vecs[image, cell],
        truth_boxes=targets.boxes[person],
        keypoints=labels[..., :2],
        visible=labels[..., 2],
        area=targets.area[person],
        oks=oks,
    )


@torch.no_grad()
def _assign_batch(
    outputs: RTMOOutputs,
    boxes: Tensor,
    regressed: Tensor,
    targets: RTMOTargets,
    sigmas: Tensor,
    use_keypoint_center: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return images, cells, people (rows of `targets`) and OKS of the positive cells."""
    parts = []
    for image in range(len(boxes)):
        rows = torch.nonzero(targets.image_index == image)[:, 0]
        predictions = CellPredictions(
            scores=outputs.cls_scores[image, :, 0].float().sigmoid(),
            boxes=boxes[image].float(),
            keypoints=regressed[image].float(),
        )
        truth = ImageTruth(targets.boxes[rows], targets.keypoints[rows], targets.area[rows])
        cells, people, oks = assign_cells(
            predictions, truth, outputs.grid_points, sigmas, use_keypoint_center
        )
        parts.append((torch.full_like(cells, image), cells, rows[people], oks))
    images, cells, people, oks = (torch.cat(column) for column in zip(*parts, strict=True))
    return images, cells, people, oks


def _label_likelihood(
    head: RTMOHead,
    positives: _Positives,
    bins: list[Tensor],
    sigma_range: tuple[float, float],
) -> Tensor:
    """Compute the (m, k) likelihood of the labels under the classifier's bins (Eq. 4, 5).

    Each label is a Laplace distribution whose width, relative to the person's size, the network
    predicts.

    Args:
        bins: probabilities, (m, k, x_bins) and (m, k, y_bins).
    """
    sigma = head.dcc.sigma_fc(positives.pose_vecs).clamp(*sigma_range)[..., None]
    width = sigma * positives.area.sqrt().clamp(min=1)[:, None, None]
    positions = head.allocate_bins(positives.boxes)
    likelihood = torch.ones_like(positives.keypoints[..., 0])
    for axis, (p, position) in enumerate(zip(bins, positions, strict=True)):
        distance = (positives.keypoints[..., axis, None] - position[:, None]).abs()  # (m, k, bins)
        likelihood = likelihood * (p * torch.exp(-distance / width / 2) / sigma).sum(dim=-1)
    return likelihood


@torch.no_grad()
def _unlabelled_share(outputs: RTMOOutputs, regressed: Tensor, targets: RTMOTargets) -> Tensor:
    """Return how far each cell's person lies in a region of unlabelled people, (b, p) in [0, 1]."""
    if not targets.unlabelled_mask.any():
        return torch.zeros_like(outputs.cls_scores[..., 0])
    is_visible = outputs.kpt_vis.sigmoid() > VISIBILITY_THRESHOLD
    weight = is_visible.to(regressed.dtype)[..., None]
    center = (regressed * weight).sum(dim=2) / weight.sum(dim=2).clamp(min=1e-8)  # (b, p, 2)
    h, w = targets.unlabelled_mask.shape[-2:]
    last = center.new_tensor([w, h]) * MASK_STRIDE - 1
    grid = center / last * 2 - 1
    share = F.grid_sample(targets.unlabelled_mask[:, None], grid[:, None], align_corners=False)
    return share[:, 0, 0]


def safe_mean(values: Tensor) -> Tensor:
    """Return the mean, or 0 of no values, still with a gradient for every weight."""
    return values.sum() / max(values.numel(), 1)


def box_error(predicted: Tensor, truth: Tensor) -> Tensor:
    """Compute 1 - IoU² of (m, 4) corner boxes with their true boxes, (m,)."""
    return 1 - box_iou(predicted, truth).clamp(min=1e-16).square()


def oks_error(
    predicted: Tensor, truth: Tensor, weights: Tensor, area: Tensor, sigmas: Tensor
) -> Tensor:
    """Compute 1 - OKS of poses, (m,).

    The mean is over all k joints and not over those that count: people with few labels weigh less.

    Args:
        predicted, truth: (m, k, 2) px.
        weights: (m, k) 1 where a joint counts, else 0.
        area: (m,) px².
        sigmas: (k,).
    """
    squared = (predicted - truth).square().sum(dim=-1)
    scale = area.clamp(min=1e-16)[:, None] * (2 * sigmas).square()
    similarity = torch.exp(-squared / scale / 2) * weights / weights.shape[-1]
    return 1 - similarity.sum(dim=-1)


def negative_log(likelihood: Tensor) -> Tensor:
    """Return minus the logarithm of likelihoods that may be 0."""
    return -(likelihood + 1e-4).log()


def varifocal_loss(logits: Tensor, quality: Tensor) -> Tensor:
    """Compute the VariFocal loss of each cell (Zhang et al. 2021), alpha .75 and gamma 2.

    A cross entropy with the quality as target and weight; negative cells are weighted by their
    score.
    """
    weights = torch.where(quality > 1e-4, quality, 0.75 * logits.sigmoid().square())
    clamped = logits.clamp(min=-10, max=10)
    return F.binary_cross_entropy_with_logits(clamped, quality, reduction="none") * weights
