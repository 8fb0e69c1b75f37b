"""Features of all strides side by side at the finest one: what DEKR and CID work on."""

import torch
import torch.nn.functional as F
from torch import Tensor


def stack_levels(levels: list[Tensor]) -> Tensor:
    """(b, c_i, h / 2ⁱ, w / 2ⁱ) features, finest first, to (b, sum of c_i, h, w)."""
    size = levels[0].shape[2:]
    grown = [F.interpolate(x, size, mode="bilinear", align_corners=False) for x in levels[1:]]
    return torch.cat([levels[0], *grown], dim=1)
