"""ViT as ViTPose uses it (Dosovitskiy et al. 2021; Xu et al. 2022): plain patches, no class token.

Weight names are MMPretrain's. HRFormer uses `DropPath` of this module too.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class ViTConfig:
    """Width, depth and patches of a ViT; the defaults are those of ViT-S.

    Args:
        width: c, the channels of a token.
        depth: number of blocks.
        heads: attention heads, each `width / heads` wide.
        patch: side of a patch, px; patches do not overlap.
        padding: zero px around the image. Two of them keep the number of patches and shift each
            two px up and left, as the published weights were trained.
        drop_path: stochastic depth rate of the last block; it rises linearly to this.
    """

    width: int = 384
    depth: int = 12
    heads: int = 12
    patch: int = 16
    padding: int = 2
    drop_path: float = 0.1


VIT_S = ViTConfig()
VIT_B = ViTConfig(width=768, drop_path=0.3)
VIT_TINY = ViTConfig(width=96, depth=4, heads=4, patch=8, padding=0, drop_path=0.0)


class DropPath(nn.Module):
    """Stochastic depth: in training, zeroes a sample's branch at random and rescales the others.

    Args:
        rate: probability that a branch is dropped.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, …) to the same shape."""
        if not self.training or self.rate == 0:
            return x
        is_kept = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= self.rate
        return x * is_kept.to(x.dtype) / (1 - self.rate)


class MultiheadAttention(nn.Module):
    """Self-attention among all tokens."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (b, n, c) tokens to the same shape."""
        b, n, c = tokens.shape
        parts = self.qkv(tokens).view(b, n, 3, self.heads, -1).unbind(2)
        # Each is (b, heads, n, c / heads). Engines copy less than after a permutation of all three.
        q, k, v = (part.transpose(1, 2) for part in parts)
        attended = functional.scaled_dot_product_attention(q, k, v)
        return self.proj(attended.transpose(1, 2).reshape(b, n, c))


class FeedForward(nn.Module):
    """Two linear layers for each token, through four times its width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = 4 * width
        self.layers = nn.Sequential(
            nn.Sequential(nn.Linear(width, hidden), nn.GELU()), nn.Linear(hidden, width)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (b, n, c) tokens to the same shape."""
        return self.layers(tokens)


class TransformerBlock(nn.Module):
    """Attention, then a feed-forward network, each normalised before and added after."""

    def __init__(self, width: int, heads: int, drop_path: float) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = MultiheadAttention(width, heads)
        self.ln2 = nn.LayerNorm(width, eps=1e-6)
        self.ffn = FeedForward(width)
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (b, n, c) tokens to the same shape."""
        tokens = tokens + self.drop_path(self.attn(self.ln1(tokens)))
        return tokens + self.drop_path(self.ffn(self.ln2(tokens)))


class PatchEmbed(nn.Module):
    """Images to one token per patch."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.projection = nn.Conv2d(3, config.width, config.patch, config.patch, config.padding)

    def forward(self, images: Tensor) -> Tensor:
        """Map (b, 3, h, w) to (b, c, h / patch, w / patch)."""
        return self.projection(images)


class ViT(nn.Module):
    """Images to features at the patches' stride.

    Args:
        input_wh: size of the images for which each patch has a learned position embedding; for
            other sizes the embeddings are interpolated.
    """

    def __init__(self, config: ViTConfig, input_wh: tuple[int, int]) -> None:
        super().__init__()
        self.out_channels = config.width
        num_patches = (input_wh[0] // config.patch) * (input_wh[1] // config.patch)
        self.grid_hw = (input_wh[1] // config.patch, input_wh[0] // config.patch)
        self.pos_embed = nn.Parameter(torch.zeros(1, num_patches, config.width))
        self.patch_embed = PatchEmbed(config)
        rates = torch.linspace(0, config.drop_path, config.depth).tolist()
        self.layers = nn.ModuleList(
            TransformerBlock(config.width, config.heads, rate) for rate in rates
        )
        self.ln1 = nn.LayerNorm(config.width, eps=1e-6)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Map (b, 3, h, w) normalised images to (b, c, h / patch, w / patch)."""
        x = self.patch_embed(images)
        b, c, h, w = x.shape
        tokens = x.flatten(2).transpose(1, 2) + self._embed_positions((h, w))  # row by row
        for block in self.layers:
            tokens = block(tokens)
        return self.ln1(tokens).transpose(1, 2).reshape(b, c, h, w)

    def _embed_positions(self, grid_hw: tuple[int, int]) -> Tensor:
        """Return (1, h w, c) position embeddings, interpolated for another grid than learned."""
        if grid_hw == self.grid_hw:
            return self.pos_embed
        learned = self.pos_embed.transpose(1, 2).unflatten(2, self.grid_hw)
        resized = functional.interpolate(learned, size=grid_hw, mode="bicubic")
        return resized.flatten(2).transpose(1, 2)


def get_layer_index(name: str, depth: int) -> int:
    """Return the layer of a ViT that a weight belongs to, for layer-wise learning-rate decay.

    Args:
        name: of a parameter, as in `named_parameters` of a method.
        depth: number of the ViT's blocks.
    Returns: 0 for patch and position embeddings, i + 1 for block i, depth + 1 for all that follows.
    """
    name = name.removeprefix("backbone.")
    if name.startswith(("patch_embed.", "pos_embed")):
        return 0
    if name.startswith("layers."):
        return int(name.split(".")[1]) + 1
    return depth + 1
