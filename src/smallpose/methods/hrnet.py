"""HRNet (Sun et al. 2019): branches of four resolutions, heatmaps straight from the finest.

Targets, loss and decoding are SimpleBaseline's. Printed AP (Tables 2 and 3): 45.0 in setting A,
66.4 in B. `hrnet_w32` trains at about two crops a second on one CPU core, `hrnet_w16_tiny` at about
two hundred. HRNet-W48 is not in the paper.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from smallpose.core.skeleton import Skeleton
from smallpose.dataloading.augmentation import Augmentation
from smallpose.methods.base import MethodCard, Recipe, SplitNetwork
from smallpose.methods.heatmap import HeatmapMethod
from smallpose.models.backbones.hrnet import W16_TINY, W48, HRNet

W32_CARD = MethodCard(
    title="HRNet",
    paradigm="top-down",
    parts="HRNet-W32, heatmaps",
    checkpoint="td-hm_hrnet-w32_8xb64-210e_coco-256x192-81c58e40_20220909.pth",
    checkpoint_folder="v1/body_2d_keypoint/topdown_heatmap/coco",
    checkpoint_hash="81c58e40",
)
QUICK = Recipe(batch_size=64, epochs=20, learning_rate=1e-3, schedule="one_cycle", warm_up=20)
W32_RECIPES = {
    # First, because the paper's rate is a hundredth of all others and probably a misprint.
    "mmpose": Recipe(batch_size=512),
    "paper": Recipe(learning_rate=5e-6, batch_size=64),
    "quick": QUICK,
}

W48_CARD = MethodCard(
    title="HRNet-W48",
    paradigm="top-down",
    parts="HRNet-W48, heatmaps",
    checkpoint="td-hm_hrnet-w48_8xb32-210e_coco-256x192-0e67c616_20220913.pth",
    checkpoint_folder="v1/body_2d_keypoint/topdown_heatmap/coco",
    checkpoint_hash="0e67c616",
)
W48_RECIPES = {name: W32_RECIPES[name] for name in ("mmpose", "quick")}

TINY_CARD = MethodCard(
    title="HRNet (tiny)", paradigm="top-down", parts="HRNet-W16, one module a stage, 96 × 64"
)
# Milder than MMPose's: few epochs are too few to learn people upside down.
MILD_AUGMENTATION = Augmentation(
    half_body=0, shift=0.1, scale=0.25, rotate_deg=30, rotate_chance=0.5
)
TINY_QUICK = Recipe(
    optimizer="adamw",
    learning_rate=4e-3,
    weight_decay=0.01,
    batch_size=64,
    epochs=6,
    schedule="one_cycle",
    warm_up=20,
    augment=MILD_AUGMENTATION,
)


class HRNetPose(HeatmapMethod):
    """A backbone that keeps stride 4, and a 1×1 convolution.

    Args:
        backbone: HRNet or HRFormer.
    """

    def __init__(self, skeleton: Skeleton, backbone: HRNet, input_wh: tuple[int, int]) -> None:
        super().__init__(skeleton, backbone, backbone.out_channels[0], (), input_wh)

    def forward(self, images: Tensor) -> Tensor:
        """Map (b, 3, h, w) normalised images to (b, k, h / 4, w / 4) heatmaps."""
        return self.head(self.backbone(images)[0])

    def split_network(self) -> SplitNetwork | None:
        """Return the backbone with its finest features, and the 1×1 convolution of the heatmaps."""
        layers = nn.Sequential(self.backbone, _FinestFeatures())
        return SplitNetwork(layers, self.head.final_layer)


class _FinestFeatures(nn.Module):
    """Takes the features with the smallest stride."""

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return the first of the features."""
        return features[0]


def create_w32(skeleton: Skeleton) -> HRNetPose:
    """Create HRNet-W32 for 256 × 192, 28.5 M parameters."""
    method = HRNetPose(skeleton, HRNet(), (192, 256))
    method.name = "hrnet_w32"
    method.card = W32_CARD
    method.recipes = W32_RECIPES
    return method


def create_w48(skeleton: Skeleton) -> HRNetPose:
    """Create HRNet-W48 for 256 × 192, 63.6 M parameters."""
    method = HRNetPose(skeleton, HRNet(W48), (192, 256))
    method.name = "hrnet_w48"
    method.card = W48_CARD
    method.recipes = W48_RECIPES
    return method


def create_w16_tiny(skeleton: Skeleton) -> HRNetPose:
    """Create HRNet-W16 with one module a stage for 96 × 64, 0.7 M parameters."""
    method = HRNetPose(skeleton, HRNet(W16_TINY), (64, 96))
    method.name = "hrnet_w16_tiny"
    method.card = TINY_CARD
    method.recipes = {"quick": TINY_QUICK} | {n: W32_RECIPES[n] for n in ("paper", "mmpose")}
    return method
