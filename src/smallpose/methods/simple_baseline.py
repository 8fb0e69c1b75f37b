"""SimpleBaseline (Xiao et al. 2018): ResNet, three transposed convolutions, heatmaps.

The plainest of the eleven and the yardstick of the others. `simple_baseline_r50` has MMPose's
weight names; its training at 256 × 192 runs at about three crops a second on one CPU core.
`simple_baseline_r18_tiny` is its twin for two cores: a fifth of the width at 96 × 64, its features
left at stride 16.
"""

from torch import Tensor

from smallpose.core.skeleton import Skeleton
from smallpose.dataloading.augmentation import Augmentation
from smallpose.methods.base import MethodCard, PoseMethod, Recipe
from smallpose.models.backbones.resnet import ResNet, create_resnet18_stride16, create_resnet50
from smallpose.models.codecs import heatmap
from smallpose.models.heads.deconv import HeatmapHead
from smallpose.models.losses import heatmap_mse_loss

R50_CARD = MethodCard(
    title="SimpleBaseline",
    paradigm="top-down",
    parts="ResNet-50, three transposed convolutions, heatmaps",
    checkpoint="td-hm_res50_8xb64-210e_coco-256x192-04af38ce_20220923.pth",
    checkpoint_folder="v1/body_2d_keypoint/topdown_heatmap/coco",
    checkpoint_hash="04af38ce",
)
R50_RECIPES = {
    "paper": Recipe(batch_size=128),
    # 64 crops on each of eight GPUs, which the rate is meant for.
    "mmpose": Recipe(batch_size=512),
    "quick": Recipe(batch_size=64, epochs=20, learning_rate=1e-3, schedule="one_cycle", warm_up=20),
}

TINY_CARD = MethodCard(
    title="SimpleBaseline (tiny)",
    paradigm="top-down",
    parts="ResNet-18 at a fifth of its width and stride 16, two transposed convolutions, heatmaps",
)
TINY_RECIPES = {
    # A few thousand steps are too few to learn people upside down, so chance is milder than
    # MMPose's; and many small steps teach more in a minute than few large ones.
    "quick": Recipe(
        optimizer="adamw",
        learning_rate=5e-3,
        weight_decay=0.01,
        batch_size=32,
        epochs=6,
        schedule="one_cycle",
        warm_up=20,
        augment=Augmentation(half_body=0, shift=0.08, scale=0.15, rotate_deg=20, rotate_chance=0.4),
    ),
} | {name: R50_RECIPES[name] for name in ("paper", "mmpose")}


class SimpleBaseline(PoseMethod):
    """A backbone at stride 32 (or 16) and a head that brings it to stride 4."""

    def __init__(
        self,
        skeleton: Skeleton,
        backbone: ResNet,
        head_widths: tuple[int, ...],
        input_wh: tuple[int, int],
        sigma: float = 2.0,
    ) -> None:
        super().__init__(skeleton, input_wh)
        self.backbone, self.sigma = backbone, sigma
        self.head = HeatmapHead(backbone.out_channels, head_widths, len(skeleton))
        self.map_wh = (input_wh[0] // heatmap.STRIDE, input_wh[1] // heatmap.STRIDE)

    def forward(self, pictures: Tensor) -> Tensor:
        """(b, 3, h, w) normalised pictures to (b, k, h / 4, w / 4) heatmaps."""
        return self.head(self.backbone(pictures))

    def targets(self, keypoints: Tensor) -> tuple[Tensor, Tensor]:
        """(b, k, 3) keypoints to (b, k, h / 4, w / 4) heatmaps and (b, k) weights."""
        visible = keypoints[..., 2].clamp(max=1)
        return heatmap.encode_heatmaps(keypoints[..., :2], visible, self.map_wh, self.sigma)

    def loss(self, outputs: Tensor, targets: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """The mean squared error of the heatmaps; joints that are not labelled do not count."""
        return {"heatmap": heatmap_mse_loss(outputs, *targets)}

    def flip_back(self, outputs: Tensor) -> Tensor:
        """Heatmaps mirrored back, sides exchanged, one column to the right."""
        return heatmap.flip_back_heatmaps(outputs, self._mirror, shift=True)

    def decode(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Each map's largest pixel, a quarter moved."""
        return heatmap.decode_heatmaps(outputs)


def create_r50(skeleton: Skeleton) -> SimpleBaseline:
    """ResNet-50 at 256 × 192, 34.0 M parameters."""
    method = SimpleBaseline(skeleton, create_resnet50(), (256, 256, 256), (192, 256))
    method.name, method.card = "simple_baseline_r50", R50_CARD
    method.recipes = R50_RECIPES
    return method


def create_r18_tiny(skeleton: Skeleton) -> SimpleBaseline:
    """ResNet-18 at a fifth of its width at 96 × 64, 0.4 M parameters."""
    # On maps of 24 × 16 a sigma of 2 would melt a left and a right shoulder into one.
    method = SimpleBaseline(skeleton, create_resnet18_stride16(), (32, 32), (64, 96), sigma=1.0)
    method.name, method.card = "simple_baseline_r18_tiny", TINY_CARD
    method.recipes = TINY_RECIPES
    return method
