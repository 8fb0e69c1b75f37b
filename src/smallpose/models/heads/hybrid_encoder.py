"""The hybrid encoder of RT-DETR and RTMO: attention at stride 32, then feature pyramid fusion.

The transformer layer on the coarsest level (AIFI) is global; two passes of convolutions (CCFM, an
FPN and a PAN) carry its output to finer levels and back. Weight names are MMPose's.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smallpose.models.conv_norm import ConvNorm, init_uniform

# Inside, for every size of the method.
HIDDEN_CHANNELS = 256
NUM_HEADS = 8


class SinePositionalEncoding(nn.Module):
    """Sine and cosine encoding of positions, `channels` for each coordinate.

    Args:
        channels: even; the cosines come first, then the sines.
        temperature: the longest wavelength is 2 pi times this.
    """

    def __init__(self, channels: int, temperature: float) -> None:
        super().__init__()
        half = channels // 2
        steps = torch.arange(half, dtype=torch.float32) / half
        self.register_buffer("dim_t", temperature**steps)

    def forward(self, positions: Tensor) -> Tensor:
        """Encode (…) positions as (…, channels)."""
        waves = positions[..., None] / self.get_buffer("dim_t")
        return torch.cat([waves.cos(), waves.sin()], dim=-1)

    def encode_grid(self, height: int, width: int) -> Tensor:
        """Encode the pixels of a map, row by row, as (h * w, 2 channels): row, then column."""
        like = self.get_buffer("dim_t")
        # Integers first: ONNX has no range of float16.
        rows = self(torch.arange(height, device=like.device).to(like.dtype))
        columns = self(torch.arange(width, device=like.device).to(like.dtype))
        both = (
            rows[:, None].expand(height, width, -1),
            columns[None].expand(height, width, -1),
        )
        return torch.cat(both, dim=-1).flatten(0, 1)


class _Attention(nn.Module):
    """Multi-head attention under the name it has in checkpoints."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(channels, heads, batch_first=True)


class _FeedForward(nn.Module):
    """A feed-forward network under the names it has in checkpoints."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Sequential(nn.Linear(channels, hidden), nn.GELU()), nn.Linear(hidden, channels)
        )


class TransformerEncoderLayer(nn.Module):
    """Self-attention and a feed-forward network, each added to its input and then normalised."""

    def __init__(self, channels: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.self_attn = _Attention(channels, heads)
        self.ffn = _FeedForward(channels, hidden)
        self.norms = nn.ModuleList([nn.LayerNorm(channels), nn.LayerNorm(channels)])

    def forward(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Map (b, n, c) tokens with (n, c) position encodings to (b, n, c)."""
        queries = tokens + positions
        # With weights it is two plain products and a softmax, which round as in the tests of the
        # published weights; a fused kernel would gain nothing on 400 tokens.
        attended, _ = self.self_attn.attn(queries, queries, tokens, need_weights=True)
        tokens = self.norms[0](tokens + attended)
        return self.norms[1](tokens + self.ffn.layers(tokens))


class _Encoder(nn.Module):
    """A stack of one transformer layer."""

    def __init__(self, layer: TransformerEncoderLayer) -> None:
        super().__init__()
        self.layers = nn.ModuleList([layer])


class RepVGGBlock(nn.Module):
    """A 3×3 and a 1×1 convolution in parallel, added before the activation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch_3x3 = ConvNorm(channels, channels, 3, act="")
        self.branch_1x1 = ConvNorm(channels, channels, 1, act="")

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, c, h, w) to the same shape."""
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
        """Map (b, in_channels, h, w) to (b, out_channels, h, w)."""
        return self.conv3(self.bottlenecks(self.conv1(x)) + self.conv2(x))


class _ChannelMapper(nn.Module):
    """One 1×1 convolution per level."""

    def __init__(self, in_channels: int, channels: int, levels: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList([ConvNorm(in_channels, channels, act="") for _ in range(levels)])


class HybridEncoder(nn.Module):
    """Fuses three feature levels and returns the two coarser ones.

    Args:
        in_channels: at strides 8, 16, 32.
        out_channels: at strides 16 and 32.
        widen, deepen: factors of the width and depth of the CSP blocks.
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
        self.encoder = nn.ModuleList(
            [_Encoder(TransformerEncoderLayer(hidden, NUM_HEADS, 4 * hidden))]
        )
        self.sincos_pos_enc = SinePositionalEncoding(hidden // 2, 10000)
        num_steps = len(in_channels) - 1

        def make_blocks() -> nn.ModuleList:
            return nn.ModuleList(
                [CSPRepLayer(2 * hidden, width, depth, hidden) for _ in range(num_steps)]
            )

        self.lateral_convs = nn.ModuleList([ConvNorm(hidden, hidden) for _ in range(num_steps)])
        self.fpn_blocks = make_blocks()
        self.downsample_convs = nn.ModuleList(
            [ConvNorm(hidden, hidden, 3, 2) for _ in range(num_steps)]
        )
        self.pan_blocks = make_blocks()
        self.projector = _ChannelMapper(hidden, out_channels, 2)
        init_uniform(self)

    def forward(self, levels: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Map features at strides 8, 16, 32 to (b, out_channels, …) at strides 16 and 32."""
        _, stride16, stride32 = self.fuse(levels)
        return stride16, stride32

    def fuse(self, levels: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
        """Return what `forward` does, after the fused (b, hidden, …) features at stride 8."""
        projected = [proj(x) for proj, x in zip(self.input_proj, levels, strict=True)]
        projected[-1] = self.attend(projected[-1])

        finer = projected[-1]
        laterals = []  # the coarser maps after their lateral convolutions
        for lateral, block, level in zip(
            self.lateral_convs, self.fpn_blocks, projected[-2::-1], strict=True
        ):
            coarse = lateral(finer)
            laterals.append(coarse)
            upsampled = F.interpolate(coarse, scale_factor=2.0, mode="nearest")
            finer = block(torch.cat([upsampled, level], dim=1))

        return self.fuse_bottom_up(finer, laterals, self.pan_blocks)

    def fuse_bottom_up(
        self, finest: Tensor, laterals: Sequence[Tensor], blocks: nn.ModuleList
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Fuse the levels from the finest to the coarsest, and project the two coarser ones.

        Args:
            finest: of the pass from the coarsest level down.
            laterals: that pass' coarser maps, the coarsest first.
            blocks: `pan_blocks`, or layers that compute the same.
        """
        out = [finest]
        for down, block, coarse in zip(
            self.downsample_convs, blocks, reversed(laterals), strict=True
        ):
            out.append(block(torch.cat([down(out[-1]), coarse], dim=1)))
        stride16, stride32 = (
            conv(x) for conv, x in zip(self.projector.convs, out[-2:], strict=True)
        )
        return out[0], stride16, stride32

    def attend(self, x: Tensor) -> Tensor:
        """Apply the transformer layer to the projected coarsest level, (b, hidden, h, w)."""
        b, c, h, w = x.shape
        tokens = x.flatten(2).transpose(1, 2)  # (b, h * w, c)
        positions = self.sincos_pos_enc.encode_grid(h, w)
        for layer in self.encoder[0].get_submodule("layers").children():
            tokens = layer(tokens, positions)
        return tokens.transpose(1, 2).reshape(b, c, h, w)
