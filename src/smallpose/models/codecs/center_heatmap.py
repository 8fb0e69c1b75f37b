"""Heatmaps of all people of an image with their roots: what DEKR's and CID's codecs share.

A person's root is the mean of their
labelled keypoints. The maps have a quarter of the image's resolution. People of an image are n
rows here, and a map of all people holds the largest of their Gaussians.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from smallpose.models.codecs.gaussian import draw_gaussians, weigh_by_patch

STRIDE = 4


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


class Peaks(NamedTuple):
    """The d highest peaks of a map, the highest first.

    Args:
        indices: (d,) flat pixel indices.
        values: (d,).
        num_peaks: number of all peaks, those left out among them.
    """

    indices: Tensor
    values: Tensor
    num_peaks: int


def find_peaks(heatmap: Tensor, kernel: int, threshold: float, max_peaks: int | None) -> Peaks:
    """Find the pixels of an (h, w) map that are the maxima of their neighbourhood.

    Args:
        kernel: odd side of the neighbourhood.
        threshold: pixels at or below it are no peaks.
        max_peaks: None for all.
    """
    pooled = torch.nn.functional.max_pool2d(heatmap[None, None], kernel, 1, kernel // 2)[0, 0]
    peaks = torch.where(pooled == heatmap, heatmap, torch.zeros_like(heatmap)).flatten()
    count = int((peaks > threshold).sum())
    values, indices = peaks.topk(count if max_peaks is None else min(max_peaks, count))
    return Peaks(indices, values, count)


def half_map_pixel(map_hw: tuple[int, int], image_hw: tuple[int, int]) -> tuple[float, float]:
    """Return half a map pixel in image px, (x, y)."""
    return image_hw[1] / map_hw[1] / 2, image_hw[0] / map_hw[0] / 2
