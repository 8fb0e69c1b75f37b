"""ViT as ViTPose uses it (Dosovitskiy et al. 2021; Xu et al. 2022): plain patches, no class token.

Names of the weights are MMPretrain's. `DropPath` is here because HRFormer skips branches in the
same way.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class ViTConfig:
    """How wide and how deep; the defaults are those of ViT-S.

    Args:
        width: c, numbers in a token.
        depth: blocks.
        heads: of the attention, each `width / heads` wide.
        patch: side of a patch, px; patches do not overlap.
        padding: black px around the picture. Two of them keep the number of patches and move each
            two px up and left, which published weights are used to.
        drop_path: chance to skip a block's branch in training, rising linearly to this.
    """

    width: int = 384
    depth: int = 12
    heads: int = 12
    patch: int = 16
    padding: int = 2
    drop_path: float = 0.1


VIT_S = ViTConfig()
VIT_TINY = ViTConfig(width=96, depth=4, heads=4, patch=8, padding=0, drop_path=0.0)


class DropPath(nn.Module):
    """In training, a sample's branch becomes zero by chance and is made larger otherwise."""

    def __init__(self, chance: float) -> None:
        super().__init__()
        self.chance = chance

    def forward(self, x: Tensor) -> Tensor:
        """(b, …) to the same."""
        if not self.training or self.chance == 0:
            return x
        kept = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= self.chance
        return x * kept.to(x.dtype) / (1 - self.chance)


class Attention(nn.Module):
    """Every token looks at every other one."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(b, n, c) tokens to the same."""
        b, n, c = tokens.shape
        q, k, v = self.qkv(tokens).view(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v)  # (b, heads, n, c / heads)
        return self.proj(mixed.transpose(1, 2).reshape(b, n, c))


class FeedForward(nn.Module):
    """Each token by itself, through four times its width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        wide = 4 * width
        self.layers = nn.Sequential(
            nn.Sequential(nn.Linear(width, wide), nn.GELU()), nn.Linear(wide, width)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(b, n, c) tokens to the same."""
        return self.layers(tokens)


class TransformerBlock(nn.Module):
    """Attention, then the feed-forward, each normalised before and added after."""

    def __init__(self, width: int, heads: int, drop_path: float) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.ln2 = nn.LayerNorm(width, eps=1e-6)
        self.ffn = FeedForward(width)
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: Tensor) -> Tensor:
        """(b, n, c) tokens to the same."""
        tokens = tokens + self.drop_path(self.attn(self.ln1(tokens)))
        return tokens + self.drop_path(self.ffn(self.ln2(tokens)))


class PatchEmbed(nn.Module):
    """Pictures to one token per patch."""

    def __init__(self, plan: ViTConfig) -> None:
        super().__init__()
        self.projection = nn.Conv2d(3, plan.width, plan.patch, plan.patch, plan.padding)

    def forward(self, pictures: Tensor) -> Tensor:
        """(b, 3, h, w) to (b, c, h / patch, w / patch)."""
        return self.projection(pictures)


class ViT(nn.Module):
    """Pictures of one size to features at the patches' stride.

    Args:
        plan: how wide and how deep.
        input_wh: of the pictures; each place has a learned embedding.
    """

    def __init__(self, plan: ViTConfig, input_wh: tuple[int, int]) -> None:
        super().__init__()
        self.out_channels = plan.width
        places = (input_wh[0] // plan.patch) * (input_wh[1] // plan.patch)
        self.pos_embed = nn.Parameter(torch.zeros(1, places, plan.width))
        self.patch_embed = PatchEmbed(plan)
        chances = torch.linspace(0, plan.drop_path, plan.depth).tolist()
        self.layers = nn.ModuleList(
            TransformerBlock(plan.width, plan.heads, chance) for chance in chances
        )
        self.ln1 = nn.LayerNorm(plan.width, eps=1e-6)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def forward(self, pictures: Tensor) -> Tensor:
        """(b, 3, h, w) normalised pictures to (b, c, h / patch, w / patch)."""
        x = self.patch_embed(pictures)
        b, c, h, w = x.shape
        tokens = x.flatten(2).transpose(1, 2) + self.pos_embed  # row by row
        for block in self.layers:
            tokens = block(tokens)
        return self.ln1(tokens).transpose(1, 2).reshape(b, c, h, w)


def get_layer_index(name: str, depth: int) -> int:
    """How deep in a ViT a weight lies, for learning rates that fall towards the input.

    Args:
        name: of a parameter, as in `named_parameters` of a method.
        depth: the ViT's blocks.
    Returns: 0 for patches and places, i + 1 for block i, depth + 1 for all that follows.
    """
    name = name.removeprefix("backbone.")
    if name.startswith(("patch_embed.", "pos_embed")):
        return 0
    if name.startswith("layers."):
        return int(name.split(".")[1]) + 1
    return depth + 1
