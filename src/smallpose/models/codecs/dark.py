"""Heatmaps about the exact keypoint, and the Newton step that reads them (DARK, Zhang et al. 2020).

The maps have a quarter of the crop's resolution, as those of `heatmap.py`, whose peaks are on whole
pixels. Encoding and decoding are those of MMPose's `MSRAHeatmap` with `unbiased=True`, so weights
that were trained so elsewhere can be used.
"""

import torch
from torch import Tensor

from smallpose.models.codecs.gaussian import draw_gaussians, weigh_by_patch
from smallpose.models.codecs.peaks import find_peak_pixels
from smallpose.models.codecs.udp_heatmap import blur_maps

_MIN_VALUE = 1e-10  # of a map before its logarithm


def choose_blur_kernel(sigma: float) -> int:
    """Return the taps of a smoothing about as wide as Gaussians of a sigma, map px.

    >>> [choose_blur_kernel(sigma) for sigma in (1.0, 2.0, 3.0)]
    [5, 11, 17]
    """
    return 1 + 2 * round((sigma - 0.8) / 0.3 + 1)  # OpenCV's sigma for that many taps


def encode_exact_heatmaps(
    points: Tensor, visible: Tensor, map_wh: tuple[int, int], sigma: float = 2.0
) -> tuple[Tensor, Tensor]:
    """Encode keypoints as Gaussians about their exact place, with the loss weight of each.

    Args:
        points: (b, k, 2) x, y in map px.
        visible: (b, k) 1 where labelled, 0 where not.
        map_wh: size of the maps.
        sigma: of the Gaussian, map px; it is not cut off.
    Returns: (b, k, h, w) maps, whose peaks lie between pixels and stay below 1, and (b, k) weights:
        0 for what is not labelled or more than 3 sigma outside, `visible` elsewhere.
    """
    points = points.float()
    weights = weigh_by_patch(visible, (points - 3 * sigma, points + 3 * sigma), map_wh)
    whole_map = torch.zeros_like(points), torch.full_like(points, max(map_wh))
    return draw_gaussians(points, sigma, whole_map, weights >= 0.5, map_wh), weights


def decode_dark_heatmaps(heatmaps: Tensor, blur_kernel: int) -> tuple[Tensor, Tensor]:
    """Decode heatmaps to keypoints in map px and their scores.

    From the first maximum, one Newton step is taken on the logarithm of the smoothed map, unless
    the maximum is within two pixels of the border. The step has no limit, as in MMPose. Where
    nothing is above 0 the keypoint is (-1, -1).

    Args:
        heatmaps: (b, k, h, w).
        blur_kernel: taps of the smoothing, odd.
    Returns: (b, k, 2) keypoints and (b, k) scores, the maxima before smoothing.
    """
    h, w = heatmaps.shape[-2:]
    pixels, scores = find_peak_pixels(heatmaps)
    blurred = blur_maps(heatmaps, blur_kernel)
    blurred = blurred * (scores / blurred.amax(dim=(-2, -1)))[..., None, None]
    step = _compute_newton_step(blurred.clamp(min=_MIN_VALUE).log(), pixels)
    last = pixels.new_tensor([w - 3, h - 3])
    is_inside = ((pixels >= 2) & (pixels <= last)).all(dim=-1) & (scores > 0)
    points = pixels - torch.where(is_inside[..., None], step, torch.zeros_like(step))
    points = torch.where((scores > 0)[..., None], points, torch.full_like(points, -1.0))
    return points.to(heatmaps.dtype), scores


def _compute_newton_step(log_maps: Tensor, pixels: Tensor) -> Tensor:
    """Return inverse(Hessian) × gradient at (b, k, 2) pixels; 0 where the Hessian is singular.

    Second derivatives are taken between pixels two apart, so that noise weighs less.
    """
    h, w = log_maps.shape[-2:]
    flat = log_maps.flatten(2).double()

    def value_at(dx: int, dy: int) -> Tensor:
        x = (pixels[..., 0] + dx).clamp(0, w - 1)
        y = (pixels[..., 1] + dy).clamp(0, h - 1)
        return flat.gather(-1, (y * w + x)[..., None])[..., 0]

    center = value_at(0, 0)
    gx = (value_at(1, 0) - value_at(-1, 0)) / 2
    gy = (value_at(0, 1) - value_at(0, -1)) / 2
    xx = (value_at(2, 0) - 2 * center + value_at(-2, 0)) / 4
    yy = (value_at(0, 2) - 2 * center + value_at(0, -2)) / 4
    xy = (value_at(1, 1) - value_at(-1, 1) - value_at(1, -1) + value_at(-1, -1)) / 4
    determinant = xx * yy - xy * xy
    step = torch.stack([yy * gx - xy * gy, xx * gy - xy * gx], dim=-1)
    is_singular = determinant == 0
    step = step / torch.where(is_singular, torch.ones_like(determinant), determinant)[..., None]
    return torch.where(is_singular[..., None], torch.zeros_like(step), step)
