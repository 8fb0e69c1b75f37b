"""Gaussians as training targets: the one place where codecs draw them and weigh keypoints."""

import torch
from torch import Tensor


def evaluate_gaussian(squared_distance: Tensor, sigma: float | Tensor) -> Tensor:
    """Return exp(-d² / 2σ²) for squared distances d²; sigma in the unit of d."""
    return torch.exp(squared_distance / (-2 * sigma**2))


def draw_gaussians(
    center: Tensor,
    sigma: float | Tensor,
    patch: tuple[Tensor, Tensor],
    is_drawn: Tensor,
    map_wh: tuple[int, int],
) -> Tensor:
    """Draw one Gaussian patch with a peak of 1 per keypoint, each on a map of its own.

    Args:
        center: (…, 2) x, y of the peaks in map px; they need not be whole.
        sigma: map px; one for all, or a tensor that broadcasts to (…).
        patch: first and last pixel of the patch on each axis, (…, 2) each; all else is 0.
        is_drawn: (…) false for keypoints whose map stays empty.
        map_wh: size of the maps.
    Returns: (…, h, w).
    """
    if isinstance(sigma, Tensor):
        sigma = sigma[..., None]
    axes = []
    for axis, size in enumerate(map_wh):
        pixels = torch.arange(size, device=center.device)
        first, last = (end[..., axis, None] for end in patch)
        is_inside = (pixels >= first) & (pixels <= last) & is_drawn[..., None]
        values = evaluate_gaussian((pixels - center[..., axis, None]).square(), sigma)
        # `where` and not a product, because keypoints that are not drawn may be NaN.
        axes.append(torch.where(is_inside, values, torch.zeros_like(values)))
    x, y = axes
    return y[..., :, None] * x[..., None, :]


def weigh_by_patch(
    visible: Tensor, patch: tuple[Tensor, Tensor], size_wh: tuple[int, int]
) -> Tensor:
    """Return the loss weight of each keypoint: `visible`, or 0 where its patch misses the map.

    A patch that ends one pixel before the map still counts, as in MMPose.

    Args:
        visible: (…).
        patch: first and last pixel of each keypoint's patch, (…, 2) each; NaN gives 0.
        size_wh: size of the map, or the number of bins on x and on y.
    """
    first, last = patch
    size = torch.tensor(size_wh, device=first.device)
    touches_map = ((first < size) & (last + 1 >= 0)).all(dim=-1)
    return torch.where(touches_map, visible, torch.zeros_like(visible))
