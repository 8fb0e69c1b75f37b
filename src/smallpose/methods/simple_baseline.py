"""SimpleBaseline (Xiao et al. 2018): ResNet, three transposed convolutions, heatmaps.

The simplest of the eleven and the reference for the others. `simple_baseline_r50` has MMPose's
weight names; its training at 256 × 192 runs at about three crops a second on one CPU core.
`simple_baseline_r18_tiny` is its tiny variant for two cores: a fifth of the width at 96 × 64, with
features at stride 16.
"""

from smallpose.core.skeleton import Skeleton
from smallpose.dataloading.augmentation import Augmentation
from smallpose.methods.base import MethodCard, Recipe
from smallpose.methods.heatmap import HeatmapMethod
from smallpose.models.backbones.resnet import ResNet, create_resnet18_stride16, create_resnet50

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
    # A few thousand steps are too few to learn people upside down, so the augmentation is milder
    # than MMPose's; and many small steps learn more in a minute than few large ones.
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


class SimpleBaseline(HeatmapMethod):
    """A backbone at stride 32 (or 16) and a head that brings it to stride 4."""

    def __init__(
        self,
        skeleton: Skeleton,
        backbone: ResNet,
        head_widths: tuple[int, ...],
        input_wh: tuple[int, int],
        sigma: float = 2.0,
    ) -> None:
        super().__init__(skeleton, backbone, backbone.out_channels, head_widths, input_wh, sigma)


def create_r50(skeleton: Skeleton) -> SimpleBaseline:
    """Create SimpleBaseline with ResNet-50 for 256 × 192, 34.0 M parameters."""
    method = SimpleBaseline(skeleton, create_resnet50(), (256, 256, 256), (192, 256))
    method.name = "simple_baseline_r50"
    method.card = R50_CARD
    method.recipes = R50_RECIPES
    return method


def create_r18_tiny(skeleton: Skeleton) -> SimpleBaseline:
    """Create SimpleBaseline with a narrow ResNet-18 for 96 × 64, 0.4 M parameters."""
    # On maps of 24 × 16 a sigma of 2 would merge a left and a right shoulder.
    method = SimpleBaseline(skeleton, create_resnet18_stride16(), (32, 32), (64, 96), sigma=1.0)
    method.name = "simple_baseline_r18_tiny"
    method.card = TINY_CARD
    method.recipes = TINY_RECIPES
    return method
