"""Attention among the joints of a person, in the heads of RTMPose and RTMO.

The gated attention unit (GAU, Hua et al. 2022) takes the place of attention and feed-forward layer
of a transformer; here the similarities are squared instead of going through a softmax.
"""

import torch
from torch import Tensor, nn


class ScaleNorm(nn.Module):
    """Divides tokens by their root mean square and multiplies them by one learned number."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.ones(1))
        self.scale = channels**-0.5

    def forward(self, x: Tensor) -> Tensor:
        """Map (…, channels) to the same shape."""
        size = torch.linalg.vector_norm(x, dim=-1, keepdim=True) * self.scale
        return x / size.clamp(min=1e-5) * self.g


class Scale(nn.Module):
    """Learned factors, one or one for each channel."""

    def __init__(self, initial: Tensor) -> None:
        super().__init__()
        self.scale = nn.Parameter(initial)

    def forward(self, x: Tensor) -> Tensor:
        """Map (…, channels) to the same shape."""
        return x * self.scale


class GatedAttentionUnit(nn.Module):
    """Gated attention unit among the joints of a person, without softmax."""

    def __init__(self, channels: int, width: int, key_width: int) -> None:
        super().__init__()
        self.split = (width, width, key_width)
        self.ln = ScaleNorm(channels)
        self.uv = nn.Linear(channels, 2 * width + key_width, bias=False)
        self.o = nn.Linear(width, channels, bias=False)
        self.gamma = nn.Parameter(torch.rand(2, key_width))
        self.beta = nn.Parameter(torch.rand(2, key_width))
        self.res_scale = Scale(torch.ones(channels))
        nn.init.xavier_uniform_(self.uv.weight)

    def forward(self, tokens: Tensor, positions: Tensor | None = None) -> Tensor:
        """Map (n, k, c) tokens to (n, k, c).

        Args:
            positions: (k, key_width) encodings of the joints; None for none.
        """
        u, v, base = nn.functional.silu(self.uv(self.ln(tokens))).split(self.split, dim=-1)
        query, key = (base[..., None, :] * self.gamma + self.beta).unbind(dim=-2)
        if positions is not None:
            query = query + positions
            key = key + positions
        similarity = query @ key.transpose(-1, -2) / self.split[2] ** 0.5
        attended = torch.relu(similarity).square() @ v
        return self.res_scale(tokens) + self.o(u * attended)
