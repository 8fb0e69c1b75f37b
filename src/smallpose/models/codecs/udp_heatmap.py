"""Unbiased heatmaps: Gaussians about the exact keypoint (UDP, Huang et al. 2020), DARK decoding.

Crops and maps are the same window on two grids whose outer pixel centres coincide, so lengths are
measured between first and last pixel: (w - 1) / (map w - 1) and not w / map w. Decoding takes a
Newton step on the logarithm of the blurred map (DARK, Zhang et al. 2020). Needs crops cut by the
UDP warp of `dataloading/affine.py`.
"""

import torch
from torch import Tensor
from torch.nn import functional

from smallpose.models.codecs.gaussian import draw_gaussians, evaluate_gaussian, weigh_by_patch
from smallpose.models.codecs.peaks import find_peak_pixels

BLUR_KERNEL = 11  # taps of the smoothing before decoding, for maps with a sigma of 2
_MAPS_AT_ONCE = 16  # on a CPU, so that their sums stay in its cache
_EPS = 1.1920929e-07  # float32's; keeps the Hessian of a flat map from being singular


def crop_px_per_map_px(input_wh: tuple[int, int], map_wh: tuple[int, int]) -> tuple[float, float]:
    """Return the size of a map pixel in crop px, on x and on y."""
    return (input_wh[0] - 1) / (map_wh[0] - 1), (input_wh[1] - 1) / (map_wh[1] - 1)


def encode_udp_heatmaps(
    keypoints: Tensor,
    visible: Tensor,
    input_wh: tuple[int, int],
    map_wh: tuple[int, int],
    sigma: float = 2.0,
) -> tuple[Tensor, Tensor]:
    """Encode keypoints of crops as heatmaps, with the loss weight of each.

    Args:
        keypoints: (b, k, 2) x, y in crop px.
        visible: (b, k) 1 where labelled, 0 where not.
        input_wh, map_wh: size of the crops and of the maps.
        sigma: of the Gaussian, map px; cut off beyond 3 sigma of the nearest pixel on each axis.
    Returns: (b, k, h, w) maps, whose peaks lie between pixels and stay below 1, and (b, k) weights:
        0 for what is not labelled or so far outside that its patch misses the map.
    """
    scale = keypoints.new_tensor(crop_px_per_map_px(input_wh, map_wh), dtype=torch.float32)
    exact = keypoints.float() / scale
    center = torch.trunc(exact + 0.5)  # toward zero, as an integer cast does it
    patch = center - 3 * sigma, center + 3 * sigma
    weights = weigh_by_patch(visible, patch, map_wh)
    return draw_gaussians(exact, sigma, patch, weights >= 0.5, map_wh), weights


def decode_udp_heatmaps(
    heatmaps: Tensor, input_wh: tuple[int, int], blur_kernel: int = BLUR_KERNEL
) -> tuple[Tensor, Tensor]:
    """Decode heatmaps to keypoints in crop px and their scores (DARK).

    One Newton step from the first maximum on the logarithm of the blurred map. The step has no
    limit, as in the code the weights come from; where nothing is above 0 there is no step and the
    pixel is (-1, -1).

    Args:
        heatmaps: (b, k, h, w).
        input_wh: size of the crops.
        blur_kernel: taps of the smoothing, odd.
    Returns: (b, k, 2) keypoints, scaled so that `map_to_image`, which divides by w and not by
        w - 1, is right for them; and (b, k) scores, the maxima before smoothing.
    """
    h, w = heatmaps.shape[-2:]
    pixels, scores = find_peak_pixels(heatmaps)
    logs = _blur_log(heatmaps, scores, pixels, blur_kernel)
    is_above = (scores > 0)[..., None]
    step = torch.nan_to_num(_newton_step(logs), posinf=0.0, neginf=0.0)
    points = torch.where(is_above, pixels - step, torch.full_like(step, -1.0)).to(heatmaps.dtype)
    return points / points.new_tensor([w - 1, h - 1]) * points.new_tensor(input_wh), scores


def _blur_log(heatmaps: Tensor, maximum: Tensor, pixels: Tensor, kernel: int) -> Tensor:
    """Blur maps, scale them back to their old maximum and return logarithms about a pixel.

    Returns: (b, k, 9) of the pixel and its neighbours, row by row; the border's beyond the border.
    """
    h, w = heatmaps.shape[-2:]
    maps = blur_maps(heatmaps, kernel)
    columns = [(pixels[..., 0] + dx).clamp(0, w - 1) for dx in (-1, 0, 1)]
    rows = [(pixels[..., 1] + dy).clamp(0, h - 1) for dy in (-1, 0, 1)]
    index = torch.stack([y * w + x for y in rows for x in columns], dim=-1)
    values = maps.flatten(2).gather(-1, index)
    values = values * (maximum / maps.amax(dim=(-2, -1)))[..., None]
    # Rounded from double precision: the last bit of a logarithm differs from library to library.
    return torch.log(values.clamp(0.001, 50).double()).to(maps.dtype)


def blur_maps(maps: Tensor, kernel: int) -> Tensor:
    """Blur (b, k, h, w) maps with zero padding, bit-equal to OpenCV's `GaussianBlur`.

    Where a map is nearly flat, the Newton step turns last bits into pixels; so each sum is taken in
    OpenCV's order: along a row from left to right, along a column from the middle outwards by
    pairs, a product and its addition rounded once.
    """
    half = kernel // 2
    sigma = 0.3 * ((kernel - 1) * 0.5 - 1) + 0.8  # OpenCV's for that many taps
    distance = torch.arange(kernel, device=maps.device, dtype=torch.float64) - half
    gaussian = evaluate_gaussian(distance.square(), sigma)
    taps = (gaussian / gaussian.sum()).to(maps.dtype).double()
    flat = maps.flatten(0, 1)
    # An exported graph must hold for any number of maps.
    is_divided = maps.device.type == "cpu" and not torch.onnx.is_in_onnx_export()
    parts = flat.split(_MAPS_AT_ONCE) if is_divided else [flat]
    return torch.cat([_blur_part(part, taps) for part in parts]).view_as(maps)


def _blur_part(maps: Tensor, taps: Tensor) -> Tensor:
    """Blur (n, h, w) maps."""
    h, w = maps.shape[-2:]
    half = len(taps) // 2

    def add_product(total: Tensor, part: Tensor, tap: Tensor) -> Tensor:
        return _round(torch.addcmul(total, part, tap), maps.dtype)

    x = functional.pad(maps, (half, half, half, half)).double()
    sums = _round(x[..., :w] * taps[0], maps.dtype)
    for i in range(1, len(taps)):
        sums = add_product(sums, x[..., i : i + w], taps[i])
    rows = sums.to(maps.dtype)
    total = _round(sums[:, half : half + h] * taps[half], maps.dtype)
    for i in range(1, half + 1):
        pair = rows[:, half - i : half - i + h] + rows[:, half + i : half + i + h]
        total = add_product(total, pair.double(), taps[half + i])
    return total.to(maps.dtype)


def _round(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Round to another type and back to double precision."""
    return values.to(dtype).double()


def _newton_step(logs: Tensor) -> Tensor:
    """Return inverse(Hessian) × gradient at the middle of (b, k, 9) pixels, (b, k, 2)."""
    first, up, _, left, center, right, _, down, last = logs.double().unbind(-1)
    gx, gy = (right - left) / 2, (down - up) / 2
    xx = right - 2 * center + left + _EPS
    yy = down - 2 * center + up + _EPS
    xy = (last - right - down + 2 * center - left - up + first) / 2
    determinant = xx * yy - xy * xy
    return torch.stack([yy * gx - xy * gy, xx * gy - xy * gx], dim=-1) / determinant[..., None]
