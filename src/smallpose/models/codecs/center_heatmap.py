"""Maps of all people of a picture at once: keypoints, roots, and offsets from roots (DEKR, CID).

A person's root is the mean of his labelled keypoints; where there is a root, there is a person. A
stride of 4 lies between picture and maps. People are rows of their own here (n of them in one
picture), and a map holds the largest of their bells.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

STRIDE = 4


class Roots(NamedTuple):
    """Where people are, map px.

    Args:
        xy: (n, 2) means of the labelled keypoints; 0 for people without one.
        there: (n,) whether one is labelled.
        diagonal: (n,) of the box around the labelled keypoints.
    """

    xy: Tensor
    there: Tensor
    diagonal: Tensor


def find_roots(keypoints: Tensor) -> Roots:
    """(n, k, 3) x, y in map px and v, to the people's roots."""
    seen = keypoints[..., 2:] > 0
    points = keypoints[..., :2]
    mean = (points * seen).sum(dim=1) / seen.sum(dim=1).clamp(min=1)
    low = points.masked_fill(~seen, torch.inf).amin(dim=1)
    high = points.masked_fill(~seen, -torch.inf).amax(dim=1)
    there = seen.any(dim=1)[:, 0]
    size = torch.where(there[:, None], high - low, torch.zeros_like(mean))
    return Roots(mean, there, torch.linalg.vector_norm(size, dim=-1))


def bells(
    points: Tensor, visible: Tensor, sigma: Tensor, map_wh: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Each point as a Gaussian of its own on a map of its own.

    The patch is cut square at 3 sigma, which need not be whole here; then its peak lands one pixel
    up and left of the point where the fraction of 3 sigma is below a half. Published weights were
    trained with that.

    Args:
        points: (n, k, 2) map px.
        visible: (n, k).
        sigma: (n,) map px.
    Returns: (n, k, h, w) maps, and (n, k) weights: 0 where the patch misses the map, `visible`
        elsewhere.
    """
    w, h = map_wh
    reach = 3 * sigma[:, None, None]
    middle = torch.trunc(points.float() + 0.5)  # (n, k, 2)
    low, high = torch.trunc(middle - reach), torch.trunc(middle + reach + 1)
    size = torch.tensor([w, h], device=points.device)
    off = ((low >= size) | (high < 0)).any(dim=-1)
    weights = torch.where(off, torch.zeros_like(visible), visible)
    drawn = weights >= 0.5
    peak = torch.floor(reach + 0.5)  # counted from the patch's first pixel
    axes = []
    for axis, side in enumerate((w, h)):
        at = torch.arange(side, device=points.device, dtype=torch.float32)
        begin, end = low[..., axis, None], high[..., axis, None]
        away = at - begin - peak
        bell = torch.exp(-away.square() / (2 * sigma[:, None, None].square()))
        axes.append(bell * ((at >= begin) & (at < end)))
    maps = axes[1][..., :, None] * axes[0][..., None, :]
    return maps * drawn[..., None, None], weights


def merge_heatmaps(maps: Tensor) -> Tensor:
    """(n, k, h, w) people's maps to the (k, h, w) map of all of them; zeros for nobody."""
    return maps.amax(dim=0) if len(maps) else maps.new_zeros(maps.shape[1:])


def encode_offsets(
    keypoints: Tensor, roots: Roots, there: Tensor, reach: float, map_wh: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Around each root, how far away the person's keypoints are.

    Args:
        keypoints: (n, k, 3) x, y in map px and v.
        there: (n,) whose roots count.
        reach: the window around a root, map px to each side.
    Returns: (k, 2, h, w) offsets and (k, h, w) weights, 1 / diagonal. Where windows of two people
        cross, the smaller one should win. "Smaller" is looked up in one map of sizes for all
        joints, which a person overwrites with his first joint that is free there; so later joints
        of the same person always win over people before him.
    """
    w, h = map_wh
    k = keypoints.shape[1]
    offsets = keypoints.new_zeros((k, 2, h, w))
    weights = keypoints.new_zeros((k, h, w))
    sizes = keypoints.new_zeros((h, w))
    size = torch.tensor([w, h], device=keypoints.device)
    on_map = ((roots.xy >= 0) & (roots.xy < size)).all(dim=-1) & there
    inside = ((keypoints[..., :2] >= 0) & (keypoints[..., :2] < size)).all(dim=-1)
    usable = inside & (keypoints[..., 2] >= 1)
    for person in torch.nonzero(on_map)[:, 0].tolist():
        x, y = roots.xy[person].tolist()
        columns = slice(max(int(x - reach), 0), max(min(int(x + reach), w), 0))
        rows = slice(max(int(y - reach), 0), max(min(int(y + reach), h), 0))
        diagonal = roots.diagonal[person]
        window = offsets[:, :, rows, columns]
        taken = (window != 0).any(dim=1)  # (k, …)
        blocked = taken & (diagonal > sizes[rows, columns])
        free = usable[person, :, None, None] & ~blocked
        # From the first free joint on, the size found in the map is the person's own.
        write = usable[person, :, None, None] & (free.cumsum(dim=0) > 0)
        at_x = torch.arange(columns.start, columns.stop, device=keypoints.device)
        at_y = torch.arange(rows.start, rows.stop, device=keypoints.device)
        grid = torch.stack([at_x.expand(len(at_y), -1), at_y[:, None].expand(-1, len(at_x))])
        away = keypoints[person, :, :2, None, None] - grid  # (k, 2, …)
        offsets[:, :, rows, columns] = torch.where(write[:, None], away, window)
        weight = (1 / diagonal).expand(write.shape)
        weights[:, rows, columns] = torch.where(write, weight, weights[:, rows, columns])
        sizes[rows, columns] = torch.where(write.any(dim=0), diagonal, sizes[rows, columns])
    return offsets, weights


def find_peaks(maps: Tensor, kernel: int, above: float, most: int | None) -> tuple[Tensor, Tensor]:
    """Pixels of one (h, w) map that are the largest of their neighbourhood and above a threshold.

    Args:
        kernel: odd side of the neighbourhood.
        most: how many at most; None for all.
    Returns: (d,) flat pixels and (d,) values, the largest first.
    """
    pooled = torch.nn.functional.max_pool2d(maps[None, None], kernel, 1, kernel // 2)[0, 0]
    alone = torch.where(pooled == maps, maps, torch.zeros_like(maps)).flatten()
    count = int((alone > above).sum())
    values, places = alone.topk(count if most is None else min(most, count))
    return places, values


def compute_person_sigma(corners: Tensor, overlap: float = 0.7) -> Tensor:
    """(n, 4, 2) corners of boxes in map px to CID's (n,) sigmas.

    CornerNet's radius within which a moved box still overlaps by so much, a third of it. Its three
    cases lack the division by the leading coefficient, as in the code the weights come from.
    """
    height = torch.linalg.vector_norm(corners[:, 0] - corners[:, 1], dim=-1)
    width = torch.linalg.vector_norm(corners[:, 0] - corners[:, 2], dim=-1)
    total, area = height + width, height * width
    both_in = (total + (total**2 - 4 * area * (1 - overlap) / (1 + overlap)).sqrt()) / 2
    inner = (2 * total + (4 * total**2 - 16 * (1 - overlap) * area).sqrt()) / 2
    outer = -2 * overlap * total
    outer = (outer + (outer**2 + 16 * overlap * (1 - overlap) * area).sqrt()) / 2
    return torch.stack([both_in, inner, outer]).amin(dim=0) / 3


def half_map_pixel(map_hw: tuple[int, int], picture_hw: tuple[int, int]) -> tuple[float, float]:
    """Half a map pixel in picture px, (x, y)."""
    return picture_hw[1] / map_hw[1] / 2, picture_hw[0] / map_hw[0] / 2


MIN_DIAGONAL = math.sqrt(32)  # map px; people with less get no root in DEKR
