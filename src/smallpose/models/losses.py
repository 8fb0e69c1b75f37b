"""Losses that more than one method uses."""

import torch
from torch import Tensor


def heatmap_mse_loss(output: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Average weight × (output - target)² over all elements, those of weight 0 included.

    Args:
        output, target: (b, k, h, w).
        weight: (b, k) of each keypoint, or anything that broadcasts to the heatmaps.
    """
    squared = (output - target).square()
    if weight is not None:
        squared = squared * (weight[..., None, None] if weight.ndim == 2 else weight)
    return squared.mean()


def focal_heatmap_loss(output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Compute CornerNet's focal loss, in which pixels near a peak are penalised less.

    Args:
        output: probabilities.
        target: 1 at peaks, less around them.
        weight: broadcasts to both.
    """
    # Peaks are few: only there is the positive term computed. The negative term's weight is 0 there
    # by itself.
    peaks = torch.nonzero(target == 1, as_tuple=True)
    peak_weight, peak_output = weight.expand_as(target)[peaks], output[peaks]
    positive_loss = peak_output.log() * (1 - peak_output).square() * peak_weight
    negative_weight = (1 - target).square().square() * weight
    negative_loss = (1 - output).log() * output.square() * negative_weight
    num_positive = peak_weight.sum()
    num_positive = torch.where(num_positive == 0, torch.ones_like(num_positive), num_positive)
    return -(positive_loss.sum() + negative_loss.sum()) / num_positive
