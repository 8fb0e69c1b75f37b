"""Heatmaps with an offset field, as CAL has them (Wang et al. 2021).

A coarse heatmap cannot tell where inside a pixel a keypoint lies, so each pixel near a keypoint
also predicts its offset to it. Geometry as in `udp_heatmap.py`: outer pixel centres of crop and map
coincide.
"""

import torch
from torch import Tensor

from smallpose.models.codecs.gaussian import evaluate_gaussian
from smallpose.models.codecs.peaks import find_peak_pixels
from smallpose.models.codecs.udp_heatmap import crop_px_per_map_px

OFFSET_UNIT = 1.5  # map px
OFFSET_RADIUS = 4.0  # map px; offsets are supervised within this distance of a keypoint


def encode_cal(
    keypoints: Tensor,
    visible: Tensor,
    input_wh: tuple[int, int],
    map_wh: tuple[int, int],
    sigma: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Encode keypoints of crops as heatmaps, offsets, the offsets' mask, and loss weights.

    Args:
        keypoints: (b, k, 2) x, y in crop px.
        visible: (b, k) 1 where labelled, 0 where not.
        input_wh, map_wh: size of the crops and of the maps.
        sigma: of the Gaussian, map px; it is drawn over the full map.
    Returns: (b, k, h, w) heatmaps; (b, 2k, h, w) offsets in units of `OFFSET_UNIT`, x then y of
        each joint, 0 beyond `OFFSET_RADIUS`; (b, k, h, w) 1 within it; (b, k) weights.
    """
    w, h = map_wh
    # In double precision, so that a pixel just on the radius is on the same side as the authors'.
    scale = keypoints.new_tensor(crop_px_per_map_px(input_wh, map_wh), dtype=torch.float64)
    exact = keypoints.double() / scale
    center = torch.trunc(exact + 0.5)
    size = exact.new_tensor(map_wh)
    reach = int(3 * sigma + 0.5)
    # Unlike MMPose's codecs, a patch that ends just before the map does not count. NaN is false.
    touches_map = ((center - reach < size) & (center + reach + 1 > 0)).all(dim=-1)
    weights = torch.where(touches_map, visible, torch.zeros_like(visible))
    is_drawn = (weights >= 0.5)[..., None, None]
    columns, rows = (torch.arange(n, device=exact.device) for n in (w, h))
    dx = (exact[..., 0, None, None] - columns).float()  # (b, k, 1, w)
    dy = (exact[..., 1, None, None] - rows[:, None]).float()
    squared = dx.square() + dy.square()  # (b, k, h, w)
    gaussian = evaluate_gaussian(squared, sigma)
    zeros = torch.zeros_like(gaussian)
    smallest = torch.finfo(gaussian.dtype).eps * gaussian.amax(dim=(-2, -1), keepdim=True)
    heatmaps = torch.where(is_drawn & (gaussian >= smallest), gaussian, zeros)
    is_near = is_drawn & (squared <= OFFSET_RADIUS**2)
    fields = [torch.where(is_near, d / OFFSET_UNIT, zeros) for d in (dx, dy)]
    offsets = torch.stack(fields, dim=2).flatten(1, 2)
    return heatmaps, offsets, is_near.to(gaussian.dtype), weights


def decode_cal(
    heatmaps: Tensor, offsets: Tensor, input_wh: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Decode heatmaps and offsets to keypoints in crop px and their scores.

    A keypoint is the first maximum, (0, 0) where nothing is above 0, plus the offset at it.

    Args:
        heatmaps: (b, k, h, w).
        offsets: (b, 2k, h, w).
        input_wh: size of the crops.
    Returns: (b, k, 2) keypoints, scaled so that `map_to_image`, which divides by w and not by
        w - 1, is right for them; and (b, k) scores, the maxima.
    """
    b, k, h, w = heatmaps.shape
    pixels, scores = find_peak_pixels(heatmaps)
    pixels = pixels * (scores > 0)[..., None]
    index = pixels[..., 1] * w + pixels[..., 0]
    fields = offsets.view(b, k, 2, h * w)
    peak_offsets = fields.gather(-1, index[..., None, None].expand(-1, -1, 2, -1))[..., 0]
    points = pixels + OFFSET_UNIT * peak_offsets
    return points / points.new_tensor([w - 1, h - 1]) * points.new_tensor(input_wh), scores


def flip_back_cal(heatmaps: Tensor, offsets: Tensor, flip_indices: Tensor) -> tuple[Tensor, Tensor]:
    """Flip outputs of mirrored crops back: columns reversed, left and right swapped, x negated.

    Args:
        flip_indices: (k,) index of each joint's left-right counterpart.
    """
    b, _, h, w = offsets.shape
    fields = offsets.flip(-1).view(b, -1, 2, h, w)[:, flip_indices]
    fields = fields * fields.new_tensor([-1.0, 1.0])[:, None, None]
    return heatmaps.flip(-1)[:, flip_indices], fields.flatten(1, 2)
