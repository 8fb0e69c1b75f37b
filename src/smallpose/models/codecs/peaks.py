"""Maxima of heatmaps and of rows of bins."""

import torch
from torch import Tensor


def find_first_maximum(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the maximum over the last axis, (…), and the first index that has it, (…).

    PyTorch's argmax may return any of several equal maxima, and flat maps have many.
    """
    maximum = values.amax(dim=-1)
    countdown = torch.arange(values.shape[-1], 0, -1, device=values.device)
    index = ((values == maximum[..., None]) * countdown).argmax(dim=-1)
    return maximum, index


def find_peak_pixels(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """Return whole x, y of the first maximum of (b, k, h, w) maps, (b, k, 2), and the maxima."""
    # First the row, then the column: comparing every pixel of the map would cost more.
    maximum, y = find_first_maximum(heatmaps.amax(dim=-1))
    row = heatmaps.gather(2, y[..., None, None].expand(-1, -1, 1, heatmaps.shape[-1]))[:, :, 0]
    return torch.stack([find_first_maximum(row)[1], y], dim=-1), maximum
