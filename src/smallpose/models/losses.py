"""Losses that more than one method uses."""

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
