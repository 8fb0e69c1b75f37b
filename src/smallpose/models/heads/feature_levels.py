"""Features of all strides concatenated at the finest one, the input of DEKR's and CID's heads."""

import torch
import torch.nn.functional as F
from torch import Tensor


def stack_levels(levels: list[Tensor]) -> Tensor:
    """Upsample (b, c_i, h / 2ⁱ, w / 2ⁱ) features, finest first, to (b, sum of c_i, h, w)."""
    size = levels[0].shape[2:]
    upsampled = [F.interpolate(x, size, mode="bilinear", align_corners=False) for x in levels[1:]]
    return torch.cat([levels[0], *upsampled], dim=1)
