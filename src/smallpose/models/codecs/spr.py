"""Heatmaps and offsets from roots: DEKR's codec (`SPR` in MMPose; Geng et al. 2021)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from smallpose.models.codecs.center_heatmap import (
    Roots,
    draw_instance_heatmaps,
    find_roots,
    merge_heatmaps,
)

SIGMA = 2.0  # map px
ROOT_SIGMA = 4.0  # map px; also the reach of the offsets around a root
BACKGROUND_WEIGHT = 0.1  # of pixels without a Gaussian
MIN_DIAGONAL = math.sqrt(32)  # map px; smaller people get no root


def encode_spr(
    keypoints: Tensor, map_wh: tuple[int, int], scale: float = 1.0
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Encode the keypoints of one image.

    Args:
        keypoints: (n, k, 3) x, y in map px and v.
        scale: factor of the sigmas and of the least diagonal, which are made for inputs of 512 px.
    Returns: (k + 1, h, w) heatmaps, the root last, and their weights; (2k, h, w) offsets and their
        weights.
    """
    points, visible = keypoints[..., :2], keypoints[..., 2]
    roots = find_roots(keypoints)
    has_root = roots.is_labelled & (roots.diagonal >= scale * MIN_DIAGONAL)
    sigma = torch.full_like(roots.diagonal, scale * SIGMA)
    keypoint_heatmaps, _ = draw_instance_heatmaps(points, visible, sigma, map_wh)
    root_heatmaps, _ = draw_instance_heatmaps(
        roots.xy[:, None],
        has_root[:, None].to(visible.dtype),
        torch.full_like(sigma, scale * ROOT_SIGMA),
        map_wh,
    )
    heatmaps = torch.cat([merge_heatmaps(keypoint_heatmaps), merge_heatmaps(root_heatmaps)])
    weights = torch.where(heatmaps > 0, 1.0, BACKGROUND_WEIGHT)
    reach = scale * ROOT_SIGMA
    offsets, offset_weights = encode_offsets(keypoints, roots, has_root, reach, map_wh)
    return heatmaps, weights, offsets.flatten(0, 1), offset_weights.repeat_interleave(2, dim=0)


def sample_scores(heatmaps: Tensor, points: Tensor) -> Tensor:
    """Sample (k, h, w) heatmaps at (d, k, 2) points in map px, (d, k).

    Points are scaled as if the outer pixels' centres were the map's ends and sampled as if its
    edges were; slightly off, but so were the scores that published weights were tested with.
    """
    h, w = heatmaps.shape[1:]
    last = points.new_tensor([w - 1, h - 1]).clamp(min=1)
    grid = (points / last * 2 - 1).transpose(0, 1)[:, None]  # (k, 1, d, 2)
    scores = F.grid_sample(heatmaps[:, None], grid, padding_mode="border", align_corners=False)
    return scores[:, 0, 0].T


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


def choose_taught_pixels(weights: Tensor, num_others: int) -> Tensor:
    """Choose all pixels with a target, as many of each image, and some others at random.

    Args:
        weights: (b, 2k, h, w) of the targets.
        num_others: pixels of an image besides those of the image that has most.
    Returns: (b, p) indices of the flat map, different ones.
    """
    is_taught = (weights > 0).any(dim=1).flatten(1)
    num_pixels = min(int(is_taught.sum(dim=1).max()) + num_others, is_taught.shape[1])
    priority = torch.rand(is_taught.shape, device=weights.device) + is_taught
    return priority.topk(num_pixels, dim=1).indices
