"""Heatmaps of all people of an image: keypoints, roots, and offsets from roots (DEKR, CID).

MMPose calls these codecs `SPR` and `DecoupledHeatmap`. A person's root is the mean of their
labelled keypoints. The maps have a quarter of the image's resolution. People of an image are n
rows here, and a map of all people holds the largest of their Gaussians.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from smallpose.models.codecs.gaussian import draw_gaussians, weigh_by_patch

STRIDE = 4
MIN_DIAGONAL = math.sqrt(32)  # map px; smaller people get no root in DEKR


class Roots(NamedTuple):
    """The roots of n people, map px.

    Args:
        xy: (n, 2) means of the labelled keypoints; 0 for people without one.
        is_labelled: (n,) whether a person has a labelled keypoint.
        diagonal: (n,) of the box around the labelled keypoints.
    """

    xy: Tensor
    is_labelled: Tensor
    diagonal: Tensor


def find_roots(keypoints: Tensor) -> Roots:
    """Compute the roots of people from (n, k, 3) keypoints: x, y in map px and v."""
    is_labelled = keypoints[..., 2:] > 0
    points = keypoints[..., :2]
    mean = (points * is_labelled).sum(dim=1) / is_labelled.sum(dim=1).clamp(min=1)
    low = points.masked_fill(~is_labelled, torch.inf).amin(dim=1)
    high = points.masked_fill(~is_labelled, -torch.inf).amax(dim=1)
    has_root = is_labelled.any(dim=1)[:, 0]
    size = torch.where(has_root[:, None], high - low, torch.zeros_like(mean))
    return Roots(mean, has_root, torch.linalg.vector_norm(size, dim=-1))


def draw_instance_heatmaps(
    points: Tensor, visible: Tensor, sigma: Tensor, map_wh: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Draw each point of each person as a Gaussian on a map of its own.

    The patch is cut square at 3 sigma, which need not be whole here; then the peak is one pixel up
    and left of the point where the fraction of 3 sigma is below a half. The published weights were
    trained with that.

    Args:
        points: (n, k, 2) map px.
        visible: (n, k).
        sigma: (n,) map px.
    Returns: (n, k, h, w) maps, and (n, k) weights: 0 where the patch misses the map, `visible`
        elsewhere.
    """
    reach = 3 * sigma[:, None, None]
    rounded = torch.trunc(points.float() + 0.5)  # (n, k, 2)
    first = torch.trunc(rounded - reach)
    last = torch.trunc(rounded + reach + 1) - 1
    center = first + torch.floor(reach + 0.5)
    weights = weigh_by_patch(visible, (first, last), map_wh)
    maps = draw_gaussians(center, sigma[:, None], (first, last), weights >= 0.5, map_wh)
    return maps, weights


def merge_heatmaps(maps: Tensor) -> Tensor:
    """Merge (n, k, h, w) maps of people into the (k, h, w) map of all; zeros for no person."""
    return maps.amax(dim=0) if len(maps) else maps.new_zeros(maps.shape[1:])


def encode_offsets(
    keypoints: Tensor, roots: Roots, has_root: Tensor, reach: float, map_wh: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Encode the offsets from the pixels around each root to the person's keypoints.

    Where windows of two people overlap, the smaller person should win. "Smaller" is looked up in
    one map of sizes for all joints, which a person overwrites with their first joint that is free
    there; so later joints of the same person always win over people before them. This is what
    MMPose does.

    Args:
        keypoints: (n, k, 3) x, y in map px and v.
        has_root: (n,) whose roots are supervised.
        reach: of the window around a root, map px to each side.
    Returns: (k, 2, h, w) offsets and (k, h, w) weights, 1 / diagonal.
    """
    w, h = map_wh
    k = keypoints.shape[1]
    offsets = keypoints.new_zeros((k, 2, h, w))
    weights = keypoints.new_zeros((k, h, w))
    sizes = keypoints.new_zeros((h, w))
    map_size = torch.tensor([w, h], device=keypoints.device)
    on_map = ((roots.xy >= 0) & (roots.xy < map_size)).all(dim=-1) & has_root
    is_inside = ((keypoints[..., :2] >= 0) & (keypoints[..., :2] < map_size)).all(dim=-1)
    is_usable = is_inside & (keypoints[..., 2] >= 1)
    for person in torch.nonzero(on_map)[:, 0].tolist():
        x, y = roots.xy[person].tolist()
        columns = slice(max(int(x - reach), 0), max(min(int(x + reach), w), 0))
        rows = slice(max(int(y - reach), 0), max(min(int(y + reach), h), 0))
        diagonal = roots.diagonal[person]
        window = offsets[:, :, rows, columns]
        is_taken = (window != 0).any(dim=1)  # (k, …)
        is_blocked = is_taken & (diagonal > sizes[rows, columns])
        is_free = is_usable[person, :, None, None] & ~is_blocked
        # From the first free joint on, the size in the map is the person's own.
        is_written = is_usable[person, :, None, None] & (is_free.cumsum(dim=0) > 0)
        x_range = torch.arange(columns.start, columns.stop, device=keypoints.device)
        y_range = torch.arange(rows.start, rows.stop, device=keypoints.device)
        grid = torch.stack(
            [x_range.expand(len(y_range), -1), y_range[:, None].expand(-1, len(x_range))]
        )
        to_keypoints = keypoints[person, :, :2, None, None] - grid  # (k, 2, …)
        offsets[:, :, rows, columns] = torch.where(is_written[:, None], to_keypoints, window)
        weight = (1 / diagonal).expand(is_written.shape)
        weights[:, rows, columns] = torch.where(is_written, weight, weights[:, rows, columns])
        sizes[rows, columns] = torch.where(is_written.any(dim=0), diagonal, sizes[rows, columns])
    return offsets, weights


def find_peaks(
    heatmap: Tensor, kernel: int, threshold: float, max_peaks: int | None
) -> tuple[Tensor, Tensor]:
    """Find the pixels of an (h, w) map that are the maxima of their neighbourhood.

    Args:
        kernel: odd side of the neighbourhood.
        threshold: pixels at or below it are no peaks.
        max_peaks: None for all.
    Returns: (d,) flat pixel indices and (d,) values, the largest first.
    """
    pooled = torch.nn.functional.max_pool2d(heatmap[None, None], kernel, 1, kernel // 2)[0, 0]
    peaks = torch.where(pooled == heatmap, heatmap, torch.zeros_like(heatmap)).flatten()
    count = int((peaks > threshold).sum())
    values, indices = peaks.topk(count if max_peaks is None else min(max_peaks, count))
    return indices, values


def compute_person_sigma(corners: Tensor, overlap: float = 0.7) -> Tensor:
    """Compute CID's sigmas, (n,), from (n, 4, 2) box corners in map px.

    A sigma is a third of CornerNet's radius, within which a moved box still has an IoU of
    `overlap`. The three cases lack the division by the leading coefficient, as in the code the
    weights come from.
    """
    height = torch.linalg.vector_norm(corners[:, 0] - corners[:, 1], dim=-1)
    width = torch.linalg.vector_norm(corners[:, 0] - corners[:, 2], dim=-1)
    total, area = height + width, height * width
    shifted = (total + (total**2 - 4 * area * (1 - overlap) / (1 + overlap)).sqrt()) / 2
    inner = (2 * total + (4 * total**2 - 16 * (1 - overlap) * area).sqrt()) / 2
    outer = -2 * overlap * total
    outer = (outer + (outer**2 + 16 * overlap * (1 - overlap) * area).sqrt()) / 2
    return torch.stack([shifted, inner, outer]).amin(dim=0) / 3


def half_map_pixel(map_hw: tuple[int, int], image_hw: tuple[int, int]) -> tuple[float, float]:
    """Return half a map pixel in image px, (x, y)."""
    return image_hw[1] / map_hw[1] / 2, image_hw[0] / map_hw[0] / 2
