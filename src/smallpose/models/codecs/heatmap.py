"""Gaussian heatmaps with a peak of 1 on a whole pixel (`MSRAHeatmap` in MMPose).

The maps have a quarter of the crop's resolution. The odd details (the patch is cut square, a
keypoint just off the map keeps its weight, the border gets no quarter shift) are those with which
the published weights were trained and are tested.
"""

import torch
from torch import Tensor

from smallpose.models.codecs.gaussian import draw_gaussians, weigh_by_patch
from smallpose.models.codecs.peaks import find_peak_pixels

STRIDE = 4


def encode_heatmaps(
    keypoints: Tensor, visible: Tensor, map_wh: tuple[int, int], sigma: float = 2.0
) -> tuple[Tensor, Tensor]:
    """Encode keypoints of crops as heatmaps, with the loss weight of each.

    Args:
        keypoints: (b, k, 2) x, y in crop px.
        visible: (b, k) 1 where labelled, 0 where not.
        map_wh: size of the maps.
        sigma: of the Gaussian, map px; it is cut off beyond 3 sigma on each axis.
    Returns: (b, k, h, w) maps and (b, k) weights: 0 for what is not labelled or so far outside
        that its patch misses the map, `visible` elsewhere.
    """
    # Truncation toward zero, as an integer cast does it: -0.7 becomes 0.
    center = torch.trunc(keypoints.float() / STRIDE + 0.5)  # (b, k, 2)
    patch = center - 3 * sigma, center + 3 * sigma
    weights = weigh_by_patch(visible, patch, map_wh)
    return draw_gaussians(center, sigma, patch, weights >= 0.5, map_wh), weights


def decode_heatmaps(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """Decode heatmaps to keypoints in crop px and their scores.

    The first maximum is moved a quarter of a pixel towards its larger neighbour where it has two;
    it is (-1, -1) before the scaling where nothing is above 0.

    Args:
        heatmaps: (b, k, h, w).
    Returns: (b, k, 2) keypoints and (b, k) scores, the unchanged maxima.
    """
    b, k, h, w = heatmaps.shape
    pixels, scores = find_peak_pixels(heatmaps)
    x, y = pixels.unbind(dim=-1)
    flat = heatmaps.reshape(b, k, h * w)
    index = y * w + x
    can_shift_x = (x > 1) & (x < w - 1) & (y > 0) & (y < h)
    can_shift_y = (y > 1) & (y < h - 1) & (x > 0) & (x < w)
    shift_x = _slope_sign(flat, index, 1) * can_shift_x
    shift_y = _slope_sign(flat, index, w) * can_shift_y
    points = torch.stack([x + 0.25 * shift_x, y + 0.25 * shift_y], dim=-1)
    points = torch.where((scores > 0)[..., None], points, torch.full_like(points, -1.0))
    return points * STRIDE, scores


def _slope_sign(flat: Tensor, index: Tensor, step: int) -> Tensor:
    """Return the (b, k) sign of the difference between the pixels after and before `index`."""
    last = flat.shape[-1] - 1
    after = flat.gather(-1, (index + step).clamp(max=last)[..., None])[..., 0]
    before = flat.gather(-1, (index - step).clamp(min=0)[..., None])[..., 0]
    return torch.sign(after - before)


def flip_back_heatmaps(heatmaps: Tensor, flip_indices: Tensor, shift: bool = True) -> Tensor:
    """Flip heatmaps of mirrored crops, (b, k, h, w), back to the crops.

    Args:
        flip_indices: (k,) index of each joint's left-right counterpart.
        shift: move the result one column to the right. Mirroring a crop shifts its content by one
            crop pixel against the maps' grid; this compensates for it.
    """
    flipped = heatmaps.flip(-1)[:, flip_indices]
    if shift:
        flipped = torch.cat([flipped[..., :1], flipped[..., :-1]], dim=-1)
    return flipped
