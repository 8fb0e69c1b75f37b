"""Boxes and keypoints as offsets from grid points, in strides, and back (YOLOX, RTMO)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class GridPoints(NamedTuple):
    """The points of an image's p grid cells (YOLOX's priors).

    Args:
        xy: (p, 2) px, the middle pixel of each cell.
        stride: (p, 1) px.
    """

    xy: Tensor
    stride: Tensor

    def take(self, rows: Tensor) -> "GridPoints":
        """Select cells by index."""
        return GridPoints(self.xy[rows], self.stride[rows])


def make_grid_points(
    sizes_hw: Sequence[Sequence[int]], strides: Sequence[int], like: Tensor
) -> GridPoints:
    """Create the grid points of an image, level by level, row by row, on the device of `like`.

    The middle of a cell is (stride - 1) / 2 px from its first pixel, as pixel centres are integers.
    """
    xy = []
    stride = []
    # Never in half precision, which has too few digits for positions in a large image.
    dtype = torch.promote_types(like.dtype, torch.float32)
    for (h, w), step in zip(sizes_hw, strides, strict=True):
        x = torch.arange(w, device=like.device, dtype=dtype) * step + (step - 1) / 2
        y = torch.arange(h, device=like.device, dtype=dtype) * step + (step - 1) / 2
        level = torch.stack([x.expand(h, w), y[:, None].expand(h, w)], dim=-1).flatten(0, 1)
        xy.append(level)
        stride.append(torch.full_like(level[:, :1], step))
    return GridPoints(torch.cat(xy), torch.cat(stride))


def decode_boxes(offsets: Tensor, points: GridPoints) -> Tensor:
    """Decode (…, p, 4) centres and log sizes in strides to (…, p, 4) corners in px."""
    center = offsets[..., :2] * points.stride + points.xy
    half = offsets[..., 2:].exp() * points.stride / 2
    return torch.cat([center - half, center + half], dim=-1)


def encode_boxes(corners: Tensor, points: GridPoints) -> Tensor:
    """Encode (p, 4) corners in px as centres and log sizes in strides."""
    center, size = corners_to_center_size(corners)
    offset = (center - points.xy) / points.stride
    return torch.cat([offset, (size / points.stride + 1e-8).log()], dim=-1)


def decode_keypoints(offsets: Tensor, points: GridPoints) -> Tensor:
    """Decode (…, p, 2k) offsets in strides to (…, p, k, 2) px."""
    pairs = offsets.unflatten(-1, (-1, 2))
    return pairs * points.stride[..., None] + points.xy[..., None, :]


def corners_to_center_size(corners: Tensor) -> tuple[Tensor, Tensor]:
    """Convert (…, 4) corners to (…, 2) centres and (…, 2) sizes."""
    low, high = corners[..., :2], corners[..., 2:]
    return (low + high) / 2, high - low


def box_iou(first: Tensor, second: Tensor, min_union: float = 1e-6) -> Tensor:
    """Compute the IoU of boxes given by (…, 4) corners, which broadcast against each other."""
    low = torch.maximum(first[..., :2], second[..., :2])
    high = torch.minimum(first[..., 2:], second[..., 2:])
    intersection = (high - low).clamp(min=0).prod(dim=-1)
    areas = [(b[..., 2:] - b[..., :2]).prod(dim=-1) for b in (first, second)]
    return intersection / (areas[0] + areas[1] - intersection).clamp(min=min_union)
