"""Keypoints to Gaussian heatmaps about the exact place and back without a bias (Huang et al. 2020).

Crops and maps are the same window seen on two grids whose outer pixel centres coincide, so that
lengths are those between first and last pixel: (w - 1) / (map w - 1) and not w / map w. Decoding
fits a parabola to the logarithm of the blurred map (Zhang et al. 2020). Needs crops cut by the UDP
warp of `dataloading/affine.py`.
"""

import torch
from torch import Tensor
from torch.nn import functional

from smallpose.models.codecs.peaks import find_peak_pixels

BLUR = 11  # taps of the smoothing before decoding, for maps with a sigma of 2
_EPS = 1.1920929e-07  # float32's; keeps the Hessian of a flat map from being singular


def crop_px_per_map_px(input_wh: tuple[int, int], map_wh: tuple[int, int]) -> tuple[float, float]:
    """Crop px in a map px, on x and on y."""
    return (input_wh[0] - 1) / (map_wh[0] - 1), (input_wh[1] - 1) / (map_wh[1] - 1)


def encode_udp_heatmaps(
    keypoints: Tensor,
    visible: Tensor,
    input_wh: tuple[int, int],
    map_wh: tuple[int, int],
    sigma: float = 2.0,
) -> tuple[Tensor, Tensor]:
    """Keypoints of crops to heatmaps and to the weight of each in the loss.

    Args:
        keypoints: (b, k, 2) x, y in crop px.
        visible: (b, k) 1 where labelled, 0 where not.
        input_wh, map_wh: of the crops and of the maps.
        sigma: of the Gaussian, map px; cut off beyond 3 sigma of the nearest pixel on each axis.
    Returns: (b, k, h, w) maps, whose peaks lie between pixels and stay below 1, and (b, k) weights:
        0 for what is not labelled or so far outside that its patch misses the map.
    """
    reach = 3 * sigma
    w, h = map_wh
    exact = keypoints.float() / keypoints.new_tensor(
        crop_px_per_map_px(input_wh, map_wh), dtype=torch.float32
    )
    middle = torch.trunc(exact + 0.5)  # toward zero, as an integer cast does it
    size = torch.tensor([w, h], device=keypoints.device)
    there = (middle - reach < size) & (middle + reach + 1 >= 0)  # false for what is no number
    weights = torch.where(there.all(dim=-1), visible, torch.zeros_like(visible))
    drawn = (weights >= 0.5)[..., None]
    bell_x = _bell(exact[..., 0], middle[..., 0], w, sigma, reach)  # (b, k, w)
    bell_y = _bell(exact[..., 1], middle[..., 1], h, sigma, reach)  # (b, k, h)
    # `where`, because a keypoint that is no number may have a weight of 0.
    bell_x = torch.where(drawn, bell_x, torch.zeros_like(bell_x))
    bell_y = torch.where(drawn, bell_y, torch.zeros_like(bell_y))
    return bell_y[..., :, None] * bell_x[..., None, :], weights


def _bell(exact: Tensor, middle: Tensor, size: int, sigma: float, reach: float) -> Tensor:
    pixels = torch.arange(size, device=exact.device)
    away = pixels - exact[..., None]
    near = (pixels - middle[..., None]).abs() <= reach
    return torch.exp(away.square() / (-2 * sigma**2)) * near


def decode_udp_heatmaps(
    heatmaps: Tensor, input_wh: tuple[int, int], blur: int = BLUR
) -> tuple[Tensor, Tensor]:
    """Heatmaps to keypoints in crop px and their scores.

    One Newton step from the first largest pixel on the logarithm of the blurred map. The step has
    no limit, as in the code the weights come from; where nothing is above 0 there is no step and
    the pixel is (-1, -1).

    Args:
        heatmaps: (b, k, h, w).
        input_wh: of the crops.
        blur: taps of the smoothing, odd.
    Returns: (b, k, 2) keypoints, in units such that `to_image` is right for them, which divides by
        w and not by w - 1; and (b, k) scores, the maxima before smoothing.
    """
    h, w = heatmaps.shape[-2:]
    pixel, scores = find_peak_pixels(heatmaps)
    logs = _log_smooth(heatmaps, scores, blur)
    above = (scores > 0)[..., None]
    step = torch.nan_to_num(_newton(logs, pixel), posinf=0.0, neginf=0.0)
    points = torch.where(above, pixel - step, torch.full_like(step, -1.0)).to(heatmaps.dtype)
    return points / points.new_tensor([w - 1, h - 1]) * points.new_tensor(input_wh), scores


def _log_smooth(heatmaps: Tensor, largest: Tensor, blur: int) -> Tensor:
    """The logarithm of maps that were smoothed and given back their old maximum."""
    maps = _smooth(heatmaps, blur)
    maps = maps * (largest / maps.amax(dim=(-2, -1)))[..., None, None]
    # Rounded from double precision: the last bit of a logarithm differs from library to library.
    return torch.log(maps.clamp(0.001, 50).double()).to(maps.dtype)


def _smooth(maps: Tensor, blur: int) -> Tensor:
    """(b, k, h, w) maps blurred by a Gaussian, zeros around them, as OpenCV does it to the bit.

    Where a map is nearly flat, the Newton step makes pixels out of the last bits; so each sum is
    taken in OpenCV's order: along a row from left to right, along a column from the middle outwards
    by pairs, a product and its addition rounded once.
    """
    h, w = maps.shape[-2:]
    half = blur // 2
    sigma = 0.3 * ((blur - 1) * 0.5 - 1) + 0.8  # OpenCV's for that many taps
    away = torch.arange(blur, device=maps.device, dtype=torch.float64) - half
    bell = torch.exp(away.square() / (-2 * sigma**2))
    taps = (bell / bell.sum()).to(maps.dtype).double()

    def fused(part: Tensor, tap: Tensor, total: Tensor) -> Tensor:
        return torch.addcmul(total.double(), part.double(), tap).to(maps.dtype)

    x = functional.pad(maps, (half, half, half, half))
    rows = (x[..., :w].double() * taps[0]).to(maps.dtype)
    for i in range(1, blur):
        rows = fused(x[..., i : i + w], taps[i], rows)
    middle = rows[..., half : half + h, :]
    total = (middle.double() * taps[half]).to(maps.dtype)
    for i in range(1, half + 1):
        pair = rows[..., half - i : half - i + h, :] + rows[..., half + i : half + i + h, :]
        total = fused(pair, taps[half + i], total)
    return total


def _newton(logs: Tensor, pixel: Tensor) -> Tensor:
    """(b, k, h, w) maps and (b, k, 2) pixels to inverse(Hessian) × gradient there, (b, k, 2)."""
    h, w = logs.shape[-2:]
    flat = logs.flatten(2).double()

    def at(dx: int, dy: int) -> Tensor:
        """(b, k) values beside the pixel; beyond the border, those of the border."""
        x = (pixel[..., 0] + dx).clamp(0, w - 1)
        y = (pixel[..., 1] + dy).clamp(0, h - 1)
        return flat.gather(-1, (y * w + x)[..., None])[..., 0]

    here, left, right, up, down = at(0, 0), at(-1, 0), at(1, 0), at(0, -1), at(0, 1)
    gx, gy = (right - left) / 2, (down - up) / 2
    xx = right - 2 * here + left + _EPS
    yy = down - 2 * here + up + _EPS
    xy = (at(1, 1) - right - down + 2 * here - left - up + at(-1, -1)) / 2
    determinant = xx * yy - xy * xy
    return torch.stack([yy * gx - xy * gy, xx * gy - xy * gx], dim=-1) / determinant[..., None]
