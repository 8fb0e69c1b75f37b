"""Where a map or a row of bins is largest."""

import torch
from torch import Tensor


def first_largest(values: Tensor) -> tuple[Tensor, Tensor]:
    """(…, n) numbers to the largest, (…), and the first place that has it, (…).

    PyTorch's own argmax may name any of several equal places, and flat maps have many.
    """
    largest = values.amax(dim=-1)
    countdown = torch.arange(values.shape[-1], 0, -1, device=values.device)
    place = ((values == largest[..., None]) * countdown).argmax(dim=-1)
    return largest, place


def largest_pixel(maps: Tensor) -> tuple[Tensor, Tensor]:
    """(b, k, h, w) maps to (b, k, 2) whole x, y of their first maximum, and the (b, k) maxima."""
    largest, place = first_largest(maps.flatten(2))
    w = maps.shape[-1]
    return torch.stack([place % w, place // w], dim=-1), largest
