"""Where a map or a row of bins is largest."""

import torch
from torch import Tensor


def find_first_maximum(values: Tensor) -> tuple[Tensor, Tensor]:
    """(…, n) numbers to the largest, (…), and the first place that has it, (…).

    PyTorch's own argmax may name any of several equal places, and flat maps have many.
    """
    largest = values.amax(dim=-1)
    countdown = torch.arange(values.shape[-1], 0, -1, device=values.device)
    place = ((values == largest[..., None]) * countdown).argmax(dim=-1)
    return largest, place


def find_peak_pixels(maps: Tensor) -> tuple[Tensor, Tensor]:
    """(b, k, h, w) maps to (b, k, 2) whole x, y of their first maximum, and the (b, k) maxima."""
    # The first row that has it, and the first place in it: what is compared is not the whole map.
    largest, y = find_first_maximum(maps.amax(dim=-1))
    row = maps.gather(2, y[..., None, None].expand(-1, -1, 1, maps.shape[-1]))[:, :, 0]
    return torch.stack([find_first_maximum(row)[1], y], dim=-1), largest
