"""ViTPose-S-RLE: ViTPose's backbone with RLE's head, loss, decoding and plain warp.

MMPose has neither a configuration nor weights of it, though the paper's setting A says so; its row
there (29.2 AP, 68.4 in B; Table 3) is far below its neighbours'. The paper does not say whether it
cut crops by the UDP warp.
"""

from dataclasses import replace

from torch import nn

from smallpose.core.skeleton import Skeleton
from smallpose.methods.base import MethodCard, Recipe
from smallpose.methods.rle import RLE
from smallpose.methods.vitpose import S_RECIPES, TINY_ADAMW, vit_param_group_factors
from smallpose.models.backbones.vit import VIT_S, VIT_TINY, ViT

S_CARD = MethodCard(
    title="ViTPose-S-RLE",
    paradigm="top-down",
    parts="ViT-S, coordinates with a spread",
)

TINY_CARD = MethodCard(
    title="ViTPose-RLE (tiny)",
    paradigm="top-down",
    parts="ViT of four blocks on patches of 8, coordinates with a spread, 96 × 64",
)


class ViTPoseRLE(RLE):
    """RLE on a ViT."""

    backbone: ViT

    def param_group_factors(
        self, name: str, weight: nn.Parameter, recipe: Recipe
    ) -> tuple[float, float]:
        """Return the factors of layer-wise decay; position embeddings, norms, biases no decay."""
        return vit_param_group_factors(self.backbone, name, weight, recipe)


def create_s(skeleton: Skeleton) -> ViTPoseRLE:
    """Create ViTPose-S-RLE for 256 × 192, 21.7 M parameters."""
    method = ViTPoseRLE(skeleton, ViT(VIT_S, (192, 256)), (192, 256))
    method.name = "vitpose_s_rle"
    method.card = S_CARD
    method.recipes = S_RECIPES  # MMPose has none for this method; these are ViTPose-S's
    return method


def create_tiny(skeleton: Skeleton) -> ViTPoseRLE:
    """Create ViTPose-RLE of four blocks on patches of 8 for 96 × 64, 0.5 M parameters."""
    method = ViTPoseRLE(skeleton, ViT(VIT_TINY, (64, 96)), (64, 96))
    method.name = "vitpose_rle_tiny"
    method.card = TINY_CARD
    method.recipes = {"quick": replace(TINY_ADAMW, epochs=12)} | {
        n: S_RECIPES[n] for n in ("paper", "mmpose")
    }
    return method
