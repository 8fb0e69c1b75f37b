"""ViTPose-S (Xu et al. 2022): plain ViT, two transposed convolutions, heatmaps without bias (UDP).

Crops are cut by the UDP warp and maps decoded on its grid; neither works without the other. Printed
AP (Table 3): 45.4 in setting A, 68.9 in B. `vitpose_s` trains at about two crops a second on one
CPU core, `vitpose_tiny` at about a hundred and fifty.
"""

from dataclasses import replace

from torch import Tensor, nn

from smallpose.core.skeleton import Skeleton
from smallpose.methods.base import MethodCard, PoseMethod, Recipe
from smallpose.methods.hrnet import TINY_QUICK
from smallpose.models.backbones.vit import VIT_S, VIT_TINY, ViT, get_layer_index
from smallpose.models.codecs import heatmap, udp_heatmap
from smallpose.models.heads.deconv import HeatmapHead
from smallpose.models.losses import heatmap_mse_loss

S_CARD = MethodCard(
    title="ViTPose-S",
    paradigm="top-down",
    parts="ViT-S, two transposed convolutions, UDP heatmaps",
    paper_ap={"A": (45.4, 34.6), "B": (68.9, 66.9)},
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

TINY_CARD = MethodCard(
    title="ViTPose (tiny)",
    paradigm="top-down",
    parts="ViT of four blocks on patches of 8, one transposed convolution, 96 × 64",
)
TINY_ADAMW = replace(TINY_QUICK, learning_rate=2e-3, clip_norm=1.0)


class ViTPose(PoseMethod):
    """A ViT and a head that brings its patches to stride 4."""

    udp_warp = True

    def __init__(
        self,
        skeleton: Skeleton,
        backbone: ViT,
        head_widths: tuple[int, ...],
        input_wh: tuple[int, int],
    ) -> None:
        super().__init__(skeleton, input_wh)
        self.backbone = backbone
        self.head = HeatmapHead(backbone.out_channels, head_widths, len(skeleton))
        self.map_wh = (input_wh[0] // heatmap.STRIDE, input_wh[1] // heatmap.STRIDE)

    def param_group_factors(
        self, name: str, weight: nn.Parameter, recipe: Recipe
    ) -> tuple[float, float]:
        """Rates fall towards the input; places, norms and biases are not decayed."""
        return vit_param_group_factors(self.backbone, name, weight, recipe)

    def forward(self, pictures: Tensor) -> Tensor:
        """(b, 3, h, w) normalised pictures to (b, k, h / 4, w / 4) heatmaps."""
        return self.head(self.backbone(pictures))

    def targets(self, keypoints: Tensor) -> tuple[Tensor, Tensor]:
        """(b, k, 3) keypoints to (b, k, h / 4, w / 4) heatmaps and (b, k) weights."""
        visible = keypoints[..., 2].clamp(max=1)
        return udp_heatmap.encode_udp_heatmaps(
            keypoints[..., :2], visible, self.input_wh, self.map_wh
        )

    def loss(self, outputs: Tensor, targets: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """The mean squared error of the heatmaps; joints that are not labelled do not count."""
        return {"heatmap": heatmap_mse_loss(outputs, *targets)}

    def flip_back(self, outputs: Tensor) -> Tensor:
        """Heatmaps mirrored back, sides exchanged; UDP's grid is its own mirror image."""
        return heatmap.flip_back_heatmaps(outputs, self._mirror, shift=False)

    def decode(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Each map's largest pixel, moved to the top of a parabola."""
        return udp_heatmap.decode_udp_heatmaps(outputs, self.input_wh)


def vit_param_group_factors(
    backbone: ViT, name: str, weight: nn.Parameter, recipe: Recipe
) -> tuple[float, float]:
    """`PoseMethod.param_group_factors` of methods on a ViT, after MMPose's: all heads learn at full rate."""
    depth = len(backbone.layers)
    share = recipe.layer_decay ** (depth + 1 - get_layer_index(name, depth))
    return share, float(weight.ndim > 1 and not name.endswith("pos_embed"))


def create_s(skeleton: Skeleton) -> ViTPose:
    """ViT-S at 256 × 192, 24.3 M parameters."""
    method = ViTPose(skeleton, ViT(VIT_S, (192, 256)), (256, 256), (192, 256))
    method.name, method.card, method.recipes = "vitpose_s", S_CARD, S_RECIPES
    return method


def create_tiny(skeleton: Skeleton) -> ViTPose:
    """Four blocks on patches of 8 at 96 × 64, 0.5 M parameters."""
    method = ViTPose(skeleton, ViT(VIT_TINY, (64, 96)), (32,), (64, 96))
    method.name, method.card = "vitpose_tiny", TINY_CARD
    method.recipes = {"quick": TINY_ADAMW} | {n: S_RECIPES[n] for n in ("paper", "mmpose")}
    return method
