"""ViTPose-S and ViTPose-B (Xu et al. 2022): plain ViT, two transposed convolutions, UDP heatmaps.

Crops are cut by the UDP warp and maps are decoded on its grid; neither works without the other.
Printed AP (Table 3): 45.4 in setting A, 68.9 in B. `vitpose_s` trains at about two crops a second
on one CPU core, `vitpose_tiny` at about a hundred and fifty. ViTPose-B is not in the paper.
"""

from dataclasses import replace

from torch import Tensor, nn

from smallpose.core.skeleton import Skeleton
from smallpose.methods.base import MethodCard, Recipe
from smallpose.methods.heatmap import HeatmapMethod
from smallpose.methods.hrnet import TINY_QUICK
from smallpose.models.backbones.vit import VIT_B, VIT_S, VIT_TINY, ViT, get_layer_index
from smallpose.models.codecs.heatmap import flip_back_heatmaps
from smallpose.models.codecs.udp_heatmap import decode_udp_heatmaps, encode_udp_heatmaps

S_CARD = MethodCard(
    title="ViTPose-S",
    paradigm="top-down",
    parts="ViT-S, two transposed convolutions, UDP heatmaps",
    checkpoint="td-hm_ViTPose-small_8xb64-210e_coco-256x192-62d7a712_20230314.pth",
    checkpoint_folder="v1/body_2d_keypoint/topdown_heatmap/coco",
    checkpoint_hash="62d7a712",
)
ADAMW = Recipe(optimizer="adamw", weight_decay=0.1, clip_norm=1.0, layer_decay=0.8)
S_RECIPES = {
    "paper": replace(ADAMW, batch_size=64),
    "mmpose": replace(ADAMW, batch_size=512),  # 64 crops on each of eight GPUs
    "quick": replace(ADAMW, batch_size=64, epochs=20, schedule="one_cycle", warm_up=20),
}

B_CARD = MethodCard(
    title="ViTPose-B",
    paradigm="top-down",
    parts="ViT-B, two transposed convolutions, UDP heatmaps",
    checkpoint="td-hm_ViTPose-base_8xb64-210e_coco-256x192-216eae50_20230314.pth",
    checkpoint_folder="v1/body_2d_keypoint/topdown_heatmap/coco",
    checkpoint_hash="216eae50",
)
B_RECIPES = {name: replace(S_RECIPES[name], layer_decay=0.75) for name in ("mmpose", "quick")}

TINY_CARD = MethodCard(
    title="ViTPose (tiny)",
    paradigm="top-down",
    parts="ViT of four blocks on patches of 8, one transposed convolution, 96 × 64",
)
TINY_ADAMW = replace(TINY_QUICK, learning_rate=2e-3, clip_norm=1.0)


class ViTPose(HeatmapMethod):
    """A ViT and a head that brings its patches to stride 4."""

    udp_warp = True
    heatmap_coding = None  # UDP's own
    backbone: ViT

    def __init__(
        self,
        skeleton: Skeleton,
        backbone: ViT,
        head_widths: tuple[int, ...],
        input_wh: tuple[int, int],
    ) -> None:
        super().__init__(skeleton, backbone, backbone.out_channels, head_widths, input_wh)

    def param_group_factors(
        self, name: str, weight: nn.Parameter, recipe: Recipe
    ) -> tuple[float, float]:
        """Return the factors of layer-wise decay; position embeddings, norms, biases no decay."""
        return vit_param_group_factors(self.backbone, name, weight, recipe)

    def targets(self, keypoints: Tensor) -> tuple[Tensor, Tensor]:
        """Encode (b, k, 3) keypoints as (b, k, h / 4, w / 4) heatmaps and (b, k) weights."""
        visible = keypoints[..., 2].clamp(max=1)
        return encode_udp_heatmaps(
            keypoints[..., :2], visible, self.input_wh, self.map_wh, self.sigma
        )

    def flip_back(self, outputs: Tensor) -> Tensor:
        """Flip heatmaps back, left and right swapped; UDP's grid is symmetric, without a shift."""
        return flip_back_heatmaps(outputs, self._flip_indices, shift=False)

    def decode(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Decode each map's maximum with a Newton step."""
        return decode_udp_heatmaps(outputs, self.input_wh)


def vit_param_group_factors(
    backbone: ViT, name: str, weight: nn.Parameter, recipe: Recipe
) -> tuple[float, float]:
    """Return `PoseMethod.param_group_factors` of methods on a ViT, as MMPose sets them.

    The learning rate falls from layer to layer towards the input; heads have the full rate.
    """
    depth = len(backbone.layers)
    rate = recipe.layer_decay ** (depth + 1 - get_layer_index(name, depth))
    return rate, float(weight.ndim > 1 and not name.endswith("pos_embed"))


def create_s(skeleton: Skeleton) -> ViTPose:
    """Create ViTPose-S for 256 × 192, 24.3 M parameters."""
    method = ViTPose(skeleton, ViT(VIT_S, (192, 256)), (256, 256), (192, 256))
    method.name = "vitpose_s"
    method.card = S_CARD
    method.recipes = S_RECIPES
    return method


def create_b(skeleton: Skeleton) -> ViTPose:
    """Create ViTPose-B for 256 × 192, 90.0 M parameters."""
    method = ViTPose(skeleton, ViT(VIT_B, (192, 256)), (256, 256), (192, 256))
    method.name = "vitpose_b"
    method.card = B_CARD
    method.recipes = B_RECIPES
    return method


def create_tiny(skeleton: Skeleton) -> ViTPose:
    """Create ViTPose of four blocks on patches of 8 for 96 × 64, 0.5 M parameters."""
    method = ViTPose(skeleton, ViT(VIT_TINY, (64, 96)), (32,), (64, 96))
    method.name = "vitpose_tiny"
    method.card = TINY_CARD
    method.recipes = {"quick": TINY_ADAMW} | {n: S_RECIPES[n] for n in ("paper", "mmpose")}
    return method
