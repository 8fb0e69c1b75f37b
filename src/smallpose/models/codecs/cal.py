"""Keypoints to heatmaps with a field of offsets and back, as CAL has them (Wang et al. 2021).

A coarse map alone cannot say where inside its pixel a keypoint lies, so each pixel near a keypoint
also says how far away it is. Geometry as in `udp.py`: outer pixel centres of crop and map coincide.
"""

import torch
from torch import Tensor

from smallpose.models.codecs.peaks import find_peak_pixels
from smallpose.models.codecs.udp_heatmap import crop_px_per_map_px

OFFSET_UNIT = 1.5  # map px
OFFSET_RADIUS = 4.0  # map px; offsets are taught this near to a keypoint


def encode_cal(
    keypoints: Tensor,
    visible: Tensor,
    input_wh: tuple[int, int],
    map_wh: tuple[int, int],
    sigma: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Keypoints of crops to heatmaps, offsets, where offsets are taught, and weights.

    Args:
        keypoints: (b, k, 2) x, y in crop px.
        visible: (b, k) 1 where labelled, 0 where not.
        input_wh, map_wh: of the crops and of the maps.
        sigma: of the Gaussian, map px; it is drawn over the whole map.
    Returns: (b, k, h, w) heatmaps; (b, 2k, h, w) offsets in units of `OFFSET_UNIT`, x then y of
        each joint, 0 beyond `OFFSET_RADIUS`; (b, k, h, w) 1 within it; (b, k) weights.
    """
    w, h = map_wh
    # In double precision, so that a pixel just on the radius falls on the authors' side.
    exact = keypoints.double() / keypoints.new_tensor(
        crop_px_per_map_px(input_wh, map_wh), dtype=torch.float64
    )
    middle = torch.trunc(exact + 0.5)
    size = exact.new_tensor(map_wh)
    reach = int(3 * sigma + 0.5)
    there = (middle - reach < size) & (middle + reach + 1 > 0)  # false for what is no number
    weights = torch.where(there.all(dim=-1), visible, torch.zeros_like(visible))
    drawn = (weights >= 0.5)[..., None, None]
    columns, rows = (torch.arange(n, device=exact.device) for n in (w, h))
    dx = (exact[..., 0, None, None] - columns).float()  # (b, k, 1, w)
    dy = (exact[..., 1, None, None] - rows[:, None]).float()
    square = dx.square() + dy.square()  # (b, k, h, w)
    bell = torch.exp(square / (-2 * sigma**2))
    nothing = torch.zeros_like(bell)
    faint = torch.finfo(bell.dtype).eps * bell.amax(dim=(-2, -1), keepdim=True)
    heatmaps = torch.where(drawn & (bell >= faint), bell, nothing)
    near = drawn & (square <= OFFSET_RADIUS**2)
    fields = [torch.where(near, d / OFFSET_UNIT, nothing) for d in (dx, dy)]
    offsets = torch.stack(fields, dim=2).flatten(1, 2)
    return heatmaps, offsets, near.to(bell.dtype), weights


def decode_cal(
    heatmaps: Tensor, offsets: Tensor, input_wh: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Heatmaps and offsets to keypoints in crop px and their scores.

    The largest pixel, (0, 0) where nothing is above 0, and the offset that stands there.

    Args:
        heatmaps: (b, k, h, w).
        offsets: (b, 2k, h, w).
        input_wh: of the crops.
    Returns: (b, k, 2) keypoints, in units such that `to_image` is right for them, which divides by
        w and not by w - 1; and (b, k) scores, the maxima.
    """
    b, k, h, w = heatmaps.shape
    pixel, scores = find_peak_pixels(heatmaps)
    pixel = pixel * (scores > 0)[..., None]
    place = pixel[..., 1] * w + pixel[..., 0]
    fields = offsets.view(b, k, 2, h * w)
    there = fields.gather(-1, place[..., None, None].expand(-1, -1, 2, -1))[..., 0]
    points = pixel + OFFSET_UNIT * there
    return points / points.new_tensor([w - 1, h - 1]) * points.new_tensor(input_wh), scores


def flip_back_cal(heatmaps: Tensor, offsets: Tensor, mirror: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs for mirrored crops as if for the crops: columns reversed, sides exchanged, -x.

    Args:
        mirror: (k,) number of each joint's partner.
    """
    b, _, h, w = offsets.shape
    fields = offsets.flip(-1).view(b, -1, 2, h, w)[:, mirror]
    fields = fields * fields.new_tensor([-1.0, 1.0])[:, None, None]
    return heatmaps.flip(-1)[:, mirror], fields.flatten(1, 2)
