"""HRFormer (Yuan et al. 2021): HRNet's branches with window attention instead of convolutions.

It differs from HRNet in its blocks, in depth-wise downsampling and in bilinear upsampling. Weight
names are MMPose's.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from smallpose.models.backbones.hrnet import W16_TINY, HRNet, HRNetConfig
from smallpose.models.backbones.vit import DropPath

HRFORMER_S = HRNetConfig(modules=(1, 4, 2), depth=2, stem_depth=2)
HRFORMER_TINY = W16_TINY


class WindowAttention(nn.Module):
    """Self-attention among the tokens of a window, with a relative position bias.

    Args:
        width: c, the channels of a token.
        heads: attention heads, each `width / heads` wide.
        window: side of the window, map px.
    """

    relative_position_index: Tensor

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        num_offsets = (2 * window - 1) ** 2
        self.relative_position_bias_table = nn.Parameter(torch.zeros(num_offsets, heads))
        self.register_buffer("relative_position_index", _relative_position_index(window))
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (windows, window², c) tokens to the same shape."""
        m, n, c = tokens.shape
        q, k, v = self.qkv(tokens).view(m, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        bias = self.relative_position_bias_table[self.relative_position_index]  # (n, n, heads)
        bias = bias.permute(2, 0, 1)[None].to(q.dtype)
        attended = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.proj(attended.transpose(1, 2).reshape(m, n, c))


def _relative_position_index(window: int) -> Tensor:
    """Return the row of the bias table for each query and key, (window², window²)."""
    y, x = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
    y, x = y.flatten(), x.flatten()
    dy = y[:, None] - y[None]
    dx = x[:, None] - x[None]
    return (dy + window - 1) * (2 * window - 1) + dx + window - 1


class LocalWindowSelfAttention(nn.Module):
    """Self-attention within windows that do not overlap.

    The map is padded with zeros on all sides to a multiple of the window; the zeros are keys and
    values like any other token, as the published weights were trained.
    """

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.attn = WindowAttention(width, heads, window)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, h, w, c) to the same shape."""
        b, h, w, c = x.shape
        s = self.window
        pad_h, pad_w = -h % s, -w % s
        top, left = pad_h // 2, pad_w // 2
        x = functional.pad(x, (0, 0, left, pad_w - left, top, pad_h - top))
        rows, columns = (h + pad_h) // s, (w + pad_w) // s
        x = x.view(b, rows, s, columns, s, c).transpose(2, 3).reshape(-1, s * s, c)
        x = self.attn(x)
        x = x.view(b, rows, columns, s, s, c).transpose(2, 3).reshape(b, rows * s, columns * s, c)
        return x[:, top : top + h, left : left + w]


class CrossFFN(nn.Module):
    """Feed-forward network whose depth-wise 3×3 convolution passes information between windows."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = 4 * width
        self.fc1 = nn.Conv2d(width, hidden, 1)
        self.norm1 = nn.BatchNorm2d(hidden)
        self.dw3x3 = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.norm2 = nn.BatchNorm2d(hidden)
        self.fc2 = nn.Conv2d(hidden, width, 1)
        self.norm3 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, c, h, w) to the same shape."""
        x = functional.gelu(self.norm1(self.fc1(x)))
        x = functional.gelu(self.norm2(self.dw3x3(x)))
        return functional.gelu(self.norm3(self.fc2(x)))


class HRFormerBlock(nn.Module):
    """Window attention, then a feed-forward network, each normalised before and added after."""

    def __init__(self, width: int, heads: int, drop_path: float, window: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = LocalWindowSelfAttention(width, heads, window)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.ffn = CrossFFN(width)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, c, h, w) to the same shape."""
        tokens = x.permute(0, 2, 3, 1)  # (b, h, w, c), for the layer norms
        tokens = tokens + self.drop_path(self.attn(self.norm1(tokens)))
        inner = self.ffn(self.norm2(tokens).permute(0, 3, 1, 2))
        return tokens.permute(0, 3, 1, 2) + self.drop_path(inner)


class HRFormer(HRNet):
    """Images to features at stride 4.

    Args:
        config: width and depth; `depth` counts transformer blocks.
        head_width: channels of one attention head.
        window: side of the attention windows, map px.
        drop_path: stochastic depth rate of the last block; it rises linearly to this.
    """

    up_mode: Literal["nearest", "bilinear"] = "bilinear"

    def __init__(
        self,
        config: HRNetConfig = HRFORMER_S,
        head_width: int = 32,
        window: int = 7,
        drop_path: float = 0.1,
    ) -> None:
        num_blocks = config.depth * sum(config.modules)
        # `make_branch` reads these while HRNet's constructor runs; none of them is a module.
        self._drop_rates = torch.linspace(0, drop_path, num_blocks).tolist()
        self._head_width = head_width
        self._window = window
        super().__init__(config)

    def make_branch(self, stage: int, module: int, level: int) -> nn.Sequential:
        """Create transformer blocks; all branches of a module share their stochastic depth."""
        config, width = self.config, self.config.widths[level]
        first = config.depth * (sum(config.modules[: stage - 2]) + module)
        rates = self._drop_rates[first : first + config.depth]
        heads = max(1, width // self._head_width)
        return nn.Sequential(*(HRFormerBlock(width, heads, rate, self._window) for rate in rates))

    def make_downsampling(
        self, in_channels: int, out_channels: int, is_last: bool
    ) -> nn.Sequential:
        """Create one halving: depth-wise 3×3, then 1×1."""
        layers = [
            nn.Conv2d(in_channels, in_channels, 3, 2, 1, groups=in_channels, bias=False),
            nn.BatchNorm2d(in_channels),
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        ]
        return nn.Sequential(*layers, *([] if is_last else [nn.ReLU(inplace=True)]))
