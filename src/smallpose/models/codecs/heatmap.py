"""Keypoints to Gaussian heatmaps and back, with a peak of 1 on a whole pixel ("MSRA" in MMPose).

A stride of 4 lies between the crop and its maps. What is odd here (the patch that is cut square,
the weight rule that keeps a keypoint just off the map, the quarter shift that spares the border)
is what published weights were trained and are tested with.
"""

import torch
from torch import Tensor

from smallpose.models.codecs.peaks import find_peak_pixels

STRIDE = 4


def encode_heatmaps(
    keypoints: Tensor, visible: Tensor, map_wh: tuple[int, int], sigma: float = 2.0
) -> tuple[Tensor, Tensor]:
    """Keypoints of crops to heatmaps and to the weight of each in the loss.

    Args:
        keypoints: (b, k, 2) x, y in crop px.
        visible: (b, k) 1 where labelled, 0 where not.
        map_wh: of the maps.
        sigma: of the Gaussian, map px; it is cut off beyond 3 sigma on each axis.
    Returns: (b, k, h, w) maps and (b, k) weights: 0 for what is not labelled or falls so far
        outside that its patch misses the map, `visible` elsewhere.
    """
    reach = 3 * sigma
    w, h = map_wh
    # Truncation toward zero, as an integer cast does it: -0.7 becomes 0.
    middle = torch.trunc(keypoints.float() / STRIDE + 0.5)  # (b, k, 2)
    low, high = middle - reach, middle + reach + 1
    size = torch.tensor([w, h], device=keypoints.device)
    there = ((low < size) & (high >= 0)).all(dim=-1)  # false for what is no number
    weights = torch.where(there, visible, torch.zeros_like(visible))
    # Before the product: nothing times what is no number would be no number.
    middle = torch.where((weights >= 0.5)[..., None], middle, torch.full_like(middle, -1e6))
    bell_x = _bell(middle[..., 0], w, sigma, reach)  # (b, k, w)
    bell_y = _bell(middle[..., 1], h, sigma, reach)  # (b, k, h)
    return bell_y[..., :, None] * bell_x[..., None, :], weights


def _bell(middle: Tensor, size: int, sigma: float, reach: float) -> Tensor:
    """(b, k) centres to (b, k, size): the Gaussian along one axis, 0 beyond its reach."""
    away = torch.arange(size, device=middle.device) - middle[..., None]
    return torch.exp(away.square() / (-2 * sigma**2)) * (away.abs() <= reach)


def decode_heatmaps(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """Heatmaps to keypoints in crop px and their scores.

    The first largest pixel, moved a quarter of a pixel towards its larger neighbour where it has
    two; (-1, -1) before the scaling where nothing is above 0.

    Args:
        heatmaps: (b, k, h, w).
    Returns: (b, k, 2) keypoints and (b, k) scores, the maxima as they are.
    """
    b, k, h, w = heatmaps.shape
    pixel, scores = find_peak_pixels(heatmaps)
    x, y = pixel.unbind(dim=-1)
    flat, place = heatmaps.reshape(b, k, h * w), y * w + x
    inside_x = (x > 1) & (x < w - 1) & (y > 0) & (y < h)
    inside_y = (y > 1) & (y < h - 1) & (x > 0) & (x < w)
    step_x = _slope(flat, place, 1) * inside_x
    step_y = _slope(flat, place, w) * inside_y
    points = torch.stack([x + 0.25 * step_x, y + 0.25 * step_y], dim=-1)
    points = torch.where((scores > 0)[..., None], points, torch.full_like(points, -1.0))
    return points * STRIDE, scores


def _slope(flat: Tensor, place: Tensor, step: int) -> Tensor:
    """(b, k) sign of the difference between the pixels after and before `place`."""
    last = flat.shape[-1] - 1
    after = flat.gather(-1, (place + step).clamp(max=last)[..., None])[..., 0]
    before = flat.gather(-1, (place - step).clamp(min=0)[..., None])[..., 0]
    return torch.sign(after - before)


def flip_back_heatmaps(heatmaps: Tensor, mirror: Tensor, shift: bool = True) -> Tensor:
    """Heatmaps of mirrored crops, (b, k, h, w), as if of the crops themselves.

    Args:
        mirror: (k,) number of each joint's partner.
        shift: move the result one column to the right. Mirroring a plain crop moves its
            content by one crop pixel against the maps' grid, and this is the usual cure.
    """
    back = heatmaps.flip(-1)[:, mirror]
    if shift:
        back = torch.cat([back[..., :1], back[..., :-1]], dim=-1)
    return back
