"""Features of three strides mixed: attention on the coarsest, then down and up (RT-DETR, RTMO).

Only what the transformer layer sees at stride 32 is global; two passes of convolutions carry it to
finer levels (coarse to fine, fine to coarse). Names of the weights are MMPose's.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smallpose.models.conv_norm import ConvNorm, init_uniform

HIDDEN_CHANNELS, HEADS = (
    256,
    8,
)  # channels and attention heads inside, whatever the size of the method


class SinePositionalEncoding(nn.Module):
    """Sines and cosines of positions, `channels` for each coordinate.

    Args:
        channels: even; the cosines come first, then the sines.
        temperature: the longest wave is 2 pi times this long.
    """

    def __init__(self, channels: int, temperature: float) -> None:
        super().__init__()
        half = channels // 2
        steps = torch.arange(half, dtype=torch.float32) / half
        self.register_buffer("dim_t", temperature**steps)

    def forward(self, positions: Tensor) -> Tensor:
        """(…) positions to (…, channels)."""
        waves = positions[..., None] / self.get_buffer("dim_t")
        return torch.cat([waves.cos(), waves.sin()], dim=-1)

    def grid(self, height: int, width: int) -> Tensor:
        """(h * w, 2 channels): the row's encoding and then the column's, row by row."""
        like = self.get_buffer("dim_t")
        rows = self(torch.arange(height, device=like.device, dtype=like.dtype))
        columns = self(torch.arange(width, device=like.device, dtype=like.dtype))
        both = (
            rows[:, None].expand(height, width, -1),
            columns[None].expand(height, width, -1),
        )
        return torch.cat(both, dim=-1).flatten(0, 1)


class _Attention(nn.Module):
    """Multi-head attention under the name that checkpoints have for it."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(channels, heads, batch_first=True)


class _FeedForward(nn.Module):
    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Sequential(nn.Linear(channels, hidden), nn.GELU()), nn.Linear(hidden, channels)
        )


class TransformerEncoderLayer(nn.Module):
    """Attention and a feed-forward net, each added to its input and then normed."""

    def __init__(self, channels: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.self_attn = _Attention(channels, heads)
        self.ffn = _FeedForward(channels, hidden)
        self.norms = nn.ModuleList([nn.LayerNorm(channels), nn.LayerNorm(channels)])

    def forward(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """(b, n, c) tokens and (n, c) encodings of where they are, to (b, n, c)."""
        asked = tokens + positions
        # With weights it is two plain products and a softmax, rounded as the published weights'
        # own tests were; a fused kernel would gain nothing on 400 tokens.
        seen, _ = self.self_attn.attn(asked, asked, tokens, need_weights=True)
        tokens = self.norms[0](tokens + seen)
        return self.norms[1](tokens + self.ffn.layers(tokens))


class _Encoder(nn.Module):
    def __init__(self, layer: TransformerEncoderLayer) -> None:
        super().__init__()
        self.layers = nn.ModuleList([layer])


class RepVGGBlock(nn.Module):
    """A 3×3 and a 1×1 convolution side by side, added before the activation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch_3x3 = ConvNorm(channels, channels, 3, act="")
        self.branch_1x1 = ConvNorm(channels, channels, 1, act="")

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) to the same."""
        return F.silu(self.branch_3x3(x) + self.branch_1x1(x))


class CSPRepLayer(nn.Module):
    """Two 1×1 convolutions, one followed by `depth` blocks, added."""

    def __init__(self, in_channels: int, width: int, depth: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(in_channels, width)
        self.conv2 = ConvNorm(in_channels, width)
        self.bottlenecks = nn.Sequential(*(RepVGGBlock(width) for _ in range(depth)))
        self.conv3 = ConvNorm(width, out_channels) if width != out_channels else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(b, in_channels, h, w) to (b, out_channels, h, w)."""
        return self.conv3(self.bottlenecks(self.conv1(x)) + self.conv2(x))


class _ChannelMapper(nn.Module):
    def __init__(self, in_channels: int, channels: int, levels: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList([ConvNorm(in_channels, channels, act="") for _ in range(levels)])


class HybridEncoder(nn.Module):
    """Three levels in, the two coarser ones out.

    Args:
        in_channels: at strides 8, 16, 32.
        out_channels: at strides 16 and 32.
        widen, deepen: size of the method: width of the CSP blocks and their depth.
        hidden: channels inside.
    """

    def __init__(
        self,
        in_channels: tuple[int, ...],
        out_channels: int,
        widen: float,
        deepen: float,
        hidden: int = HIDDEN_CHANNELS,
    ) -> None:
        super().__init__()
        width, depth = int(hidden * widen), round(3 * deepen)
        self.input_proj = nn.ModuleList([ConvNorm(c, hidden, act="") for c in in_channels])
        self.encoder = nn.ModuleList([_Encoder(TransformerEncoderLayer(hidden, HEADS, 4 * hidden))])
        self.sincos_pos_enc = SinePositionalEncoding(hidden // 2, 10000)
        steps = len(in_channels) - 1

        def blocks() -> nn.ModuleList:
            return nn.ModuleList(
                [CSPRepLayer(2 * hidden, width, depth, hidden) for _ in range(steps)]
            )

        self.lateral_convs = nn.ModuleList([ConvNorm(hidden, hidden) for _ in range(steps)])
        self.fpn_blocks = blocks()
        self.downsample_convs = nn.ModuleList(
            [ConvNorm(hidden, hidden, 3, 2) for _ in range(steps)]
        )
        self.pan_blocks = blocks()
        self.projector = _ChannelMapper(hidden, out_channels, 2)
        init_uniform(self)

    def forward(self, levels: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Features at strides 8, 16, 32 to (b, out_channels, …) at strides 16 and 32."""
        mixed = [proj(x) for proj, x in zip(self.input_proj, levels, strict=True)]
        mixed[-1] = self._attend(mixed[-1])

        finer = mixed[-1]
        kept = []  # the coarser maps, as their lateral convolutions leave them
        for lateral, block, level in zip(
            self.lateral_convs, self.fpn_blocks, mixed[-2::-1], strict=True
        ):
            coarse = lateral(finer)
            kept.append(coarse)
            up = F.interpolate(coarse, scale_factor=2.0, mode="nearest")
            finer = block(torch.cat([up, level], dim=1))

        out = [finer]
        for down, block, coarse in zip(
            self.downsample_convs, self.pan_blocks, reversed(kept), strict=True
        ):
            out.append(block(torch.cat([down(out[-1]), coarse], dim=1)))
        sixteenth, last = (p(x) for p, x in zip(self.projector.convs, out[-2:], strict=True))
        return sixteenth, last

    def _attend(self, x: Tensor) -> Tensor:
        """The coarsest level, (b, c, h, w), seen as a whole."""
        b, c, h, w = x.shape
        tokens = x.flatten(2).transpose(1, 2)  # (b, h * w, c)
        positions = self.sincos_pos_enc.grid(h, w)
        for layer in self.encoder[0].get_submodule("layers").children():
            tokens = layer(tokens, positions)
        return tokens.transpose(1, 2).reshape(b, c, h, w)
