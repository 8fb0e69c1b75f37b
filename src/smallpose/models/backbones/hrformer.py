"""HRFormer (Yuan et al. 2021): HRNet's plan with window attention where HRNet has convolutions.

What differs from HRNet: blocks, depth-wise steps from fine to coarse, bilinear steps back. Names of
the weights are MMPose's.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from smallpose.models.backbones.hrnet import W16_TINY, HRNet, HRNetConfig
from smallpose.models.backbones.vit import DropPath

HRFORMER_S = HRNetConfig(modules=(1, 4, 2), depth=2, first=2)
HRFORMER_TINY = W16_TINY


class WindowAttention(nn.Module):
    """Attention among the tokens of a window, with a learned bias for each relative place.

    Args:
        width: c of a token.
        heads: each `width / heads` wide.
        side: of the window, map px.
    """

    relative_position_index: Tensor

    def __init__(self, width: int, heads: int, side: int) -> None:
        super().__init__()
        self.heads, self.side = heads, side
        places = (2 * side - 1) ** 2
        self.relative_position_bias_table = nn.Parameter(torch.zeros(places, heads))
        self.register_buffer("relative_position_index", _relative_places(side))
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        """(windows, side², c) tokens to the same."""
        m, n, c = tokens.shape
        q, k, v = self.qkv(tokens).view(m, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        bias = self.relative_position_bias_table[self.relative_position_index]  # (n, n, heads)
        bias = bias.permute(2, 0, 1)[None].to(q.dtype)
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.proj(mixed.transpose(1, 2).reshape(m, n, c))


def _relative_places(side: int) -> Tensor:
    """(side², side²): for each query and key of a window, the row of the bias table."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    y, x = y.flatten(), x.flatten()
    down, right = y[:, None] - y[None], x[:, None] - x[None]
    return (down + side - 1) * (2 * side - 1) + right + side - 1


class LocalWindowSelfAttention(nn.Module):
    """A map cut into windows that do not overlap, each with attention of its own.

    The map grows to whole windows by zeros on all sides; those zeros are keys and values like any
    other token, as the published weights have it.
    """

    def __init__(self, width: int, heads: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.attn = WindowAttention(width, heads, side)

    def forward(self, x: Tensor) -> Tensor:
        """(b, h, w, c) to the same."""
        b, h, w, c = x.shape
        s = self.side
        more_h, more_w = -h % s, -w % s
        top, left = more_h // 2, more_w // 2
        x = functional.pad(x, (0, 0, left, more_w - left, top, more_h - top))
        rows, columns = (h + more_h) // s, (w + more_w) // s
        x = x.view(b, rows, s, columns, s, c).transpose(2, 3).reshape(-1, s * s, c)
        x = self.attn(x)
        x = x.view(b, rows, columns, s, s, c).transpose(2, 3).reshape(b, rows * s, columns * s, c)
        return x[:, top : top + h, left : left + w]


class CrossFFN(nn.Module):
    """Through four times the width, with a depth-wise 3×3 that lets windows see each other."""

    def __init__(self, width: int) -> None:
        super().__init__()
        wide = 4 * width
        self.fc1 = nn.Conv2d(width, wide, 1)
        self.norm1 = nn.BatchNorm2d(wide)
        self.dw3x3 = nn.Conv2d(wide, wide, 3, padding=1, groups=wide)
        self.norm2 = nn.BatchNorm2d(wide)
        self.fc2 = nn.Conv2d(wide, width, 1)
        self.norm3 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) to the same."""
        x = functional.gelu(self.norm1(self.fc1(x)))
        x = functional.gelu(self.norm2(self.dw3x3(x)))
        return functional.gelu(self.norm3(self.fc2(x)))


class HRFormerBlock(nn.Module):
    """Window attention, then the feed-forward, each normalised before and added after."""

    def __init__(self, width: int, heads: int, drop_path: float, side: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = LocalWindowSelfAttention(width, heads, side)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.ffn = CrossFFN(width)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) to the same."""
        last = x.permute(0, 2, 3, 1)  # (b, h, w, c), as tokens are normalised
        last = last + self.drop_path(self.attn(self.norm1(last)))
        inner = self.ffn(self.norm2(last).permute(0, 3, 1, 2))
        return last.permute(0, 3, 1, 2) + self.drop_path(inner)


class HRFormer(HRNet):
    """Pictures to features at stride 4.

    Args:
        plan: how wide and how deep; `depth` counts transformer blocks.
        head_width: channels of one attention head.
        side: of the attention windows, map px.
        drop_path: chance to skip a block's branch in training, rising linearly to this.
    """

    up_mode: Literal["nearest", "bilinear"] = "bilinear"

    def __init__(
        self,
        plan: HRNetConfig = HRFORMER_S,
        head_width: int = 32,
        side: int = 7,
        drop_path: float = 0.1,
    ) -> None:
        blocks = plan.depth * sum(plan.modules)
        # What `make_branch` reads while HRNet is built; plain lists need no module to live in.
        self._chances = torch.linspace(0, drop_path, blocks).tolist()
        self._head_width, self._side = head_width, side
        super().__init__(plan)

    def make_branch(self, stage: int, module: int, level: int) -> nn.Sequential:
        """Transformer blocks; all branches of a module stand at the same depth."""
        plan, width = self.plan, self.plan.widths[level]
        first = plan.depth * (sum(plan.modules[: stage - 2]) + module)
        chances = self._chances[first : first + plan.depth]
        heads = max(1, width // self._head_width)
        return nn.Sequential(*(HRFormerBlock(width, heads, p, self._side) for p in chances))

    def make_step(self, in_channels: int, out_channels: int, last: bool) -> nn.Sequential:
        """One halving: depth-wise 3×3, then 1×1."""
        layers = [
            nn.Conv2d(in_channels, in_channels, 3, 2, 1, groups=in_channels, bias=False),
            nn.BatchNorm2d(in_channels),
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        ]
        return nn.Sequential(*layers, *([] if last else [nn.ReLU(inplace=True)]))
