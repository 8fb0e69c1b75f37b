"""Boxes and keypoints to offsets from a cell's point, in strides, and back (RTMO)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class GridPoints(NamedTuple):
    """The points of all cells of a picture, p of them.

    Args:
        xy: (p, 2) px, the middle pixel of each cell.
        stride: (p, 1) px.
    """

    xy: Tensor
    stride: Tensor

    def take(self, rows: Tensor) -> "GridPoints":
        """The given cells."""
        return GridPoints(self.xy[rows], self.stride[rows])


def make_grid_points(
    sizes_hw: Sequence[Sequence[int]], strides: Sequence[int], like: Tensor
) -> GridPoints:
    """The cells of a picture, level by level, row by row, on the device of `like`.

    The middle of a cell is (stride - 1) / 2 px from its first pixel, as pixel centres are whole.
    """
    xy, stride = [], []
    # Never in half precision, which has too few digits for places in a large picture.
    kind = torch.promote_types(like.dtype, torch.float32)
    for (h, w), step in zip(sizes_hw, strides, strict=True):
        x = torch.arange(w, device=like.device, dtype=kind) * step + (step - 1) / 2
        y = torch.arange(h, device=like.device, dtype=kind) * step + (step - 1) / 2
        level = torch.stack([x.expand(h, w), y[:, None].expand(h, w)], dim=-1).flatten(0, 1)
        xy.append(level)
        stride.append(torch.full_like(level[:, :1], step))
    return GridPoints(torch.cat(xy), torch.cat(stride))


def decode_boxes(raw: Tensor, points: GridPoints) -> Tensor:
    """(…, p, 4) centres and log sizes in strides to corners, (…, p, 4) px."""
    center = raw[..., :2] * points.stride + points.xy
    half = raw[..., 2:].exp() * points.stride / 2
    return torch.cat([center - half, center + half], dim=-1)


def encode_boxes(corners: Tensor, points: GridPoints) -> Tensor:
    """(p, 4) corners in px to centres and log sizes in strides."""
    center, size = corners_to_center_size(corners)
    offset = (center - points.xy) / points.stride
    return torch.cat([offset, (size / points.stride + 1e-8).log()], dim=-1)


def decode_keypoints(raw: Tensor, points: GridPoints) -> Tensor:
    """(…, p, 2k) offsets in strides to (…, p, k, 2) px."""
    pairs = raw.unflatten(-1, (-1, 2))
    return pairs * points.stride[..., None] + points.xy[..., None, :]


def corners_to_center_size(corners: Tensor) -> tuple[Tensor, Tensor]:
    """(…, 4) corners to (…, 2) centres and (…, 2) sizes."""
    low, high = corners[..., :2], corners[..., 2:]
    return (low + high) / 2, high - low


def box_iou(first: Tensor, second: Tensor, floor: float = 1e-6) -> Tensor:
    """Overlap of boxes by their corners, (…, 4) and (…, 4), broadcast; no union below `floor`."""
    low = torch.maximum(first[..., :2], second[..., :2])
    high = torch.minimum(first[..., 2:], second[..., 2:])
    shared = (high - low).clamp(min=0).prod(dim=-1)
    areas = [(b[..., 2:] - b[..., :2]).prod(dim=-1) for b in (first, second)]
    return shared / (areas[0] + areas[1] - shared).clamp(min=floor)
