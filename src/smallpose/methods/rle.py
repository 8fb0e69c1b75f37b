"""RLE (Li et al. 2021): ResNet, pooled, coordinates with a spread; the likelihood is learned.

The loss and its flow are in `models/heads/rle.py`. Printed AP (Table 3): 44.1 in setting A,
67.8 in B. `rle_r50` trains at about four crops a second on one CPU core, `rle_r18_tiny` at about
three hundred.
"""

from dataclasses import replace

import torch
from torch import Tensor

from smallpose.core.skeleton import Skeleton
from smallpose.methods.base import MethodCard, PoseMethod, Recipe
from smallpose.methods.hrnet import TINY_QUICK
from smallpose.models.backbones.resnet import ResNet, create_resnet18_narrow, create_resnet50
from smallpose.models.backbones.vit import ViT
from smallpose.models.codecs import coordinates
from smallpose.models.heads.rle import RLEHead

R50_CARD = MethodCard(
    title="RLE",
    paradigm="top-down",
    parts="ResNet-50, coordinates with a spread",
    paper_ap={"A": (44.1, 33.4), "B": (67.8, 65.5)},
    checkpoint="td-reg_res50_rle-8xb64-210e_coco-256x192-d37efd64_20220913.pth",
    checkpoint_folder="v1/body_2d_keypoint/topdown_regression/coco",
    checkpoint_hash="d37efd64",
)
R50_RECIPES = {
    "paper": Recipe(learning_rate=1e-3, batch_size=128),
    "mmpose": Recipe(learning_rate=1e-3, batch_size=512),  # 64 crops on each of eight GPUs
    "quick": Recipe(batch_size=64, epochs=20, learning_rate=1e-3, schedule="one_cycle", warm_up=20),
}

TINY_CARD = MethodCard(
    title="RLE (tiny)",
    paradigm="top-down",
    parts="ResNet-18 at a fifth of its width, coordinates with a spread, 96 × 64",
)
TINY_QUICK_RLE = replace(TINY_QUICK, learning_rate=2e-3, epochs=12)


class RLE(PoseMethod):
    """A backbone, pooled, and one linear layer. The flow is only there to be trained with."""

    score_rule = "box_plus_mean_plus_best"
    keypoint_layers = ("head.fc",)

    def __init__(
        self, skeleton: Skeleton, backbone: ResNet | ViT, input_wh: tuple[int, int]
    ) -> None:
        super().__init__(skeleton, input_wh)
        self.backbone = backbone
        self.head = RLEHead(backbone.out_channels, len(skeleton))

    def forward(self, pictures: Tensor) -> Tensor:
        """(b, 3, h, w) to (b, k, 4): x, y in units of the crop, and logits of their spreads."""
        return self.head(self.backbone(pictures))

    def targets(self, keypoints: Tensor) -> tuple[Tensor, Tensor]:
        """(b, k, 3) keypoints to (b, k, 2) coordinates and (b, k) weights."""
        visible = keypoints[..., 2].clamp(max=1)
        return coordinates.encode_coordinates(keypoints[..., :2], visible, self.input_wh)

    def loss(self, outputs: Tensor, targets: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """How unlikely the labelled keypoints are; those outside the crop do not count."""
        points, logits = outputs[..., :2], outputs[..., 2:]
        return {"rle": self.head.loss_module(points, logits, *targets)}

    def compute_outputs(self, pictures: Tensor, flip_test: bool) -> Tensor:
        """(b, k, 4): x, y and their spreads, no longer logits; spreads are what is averaged."""
        plain = _with_spreads(self.run_network(pictures))
        if not flip_test:
            return plain
        return (plain + self.flip_back(_with_spreads(self.run_network(pictures.flip(-1))))) / 2

    def flip_back(self, outputs: Tensor) -> Tensor:
        """Coordinates mirrored, sides exchanged."""
        points, spread = outputs[..., :2], outputs[..., 2:]
        return torch.cat(
            coordinates.flip_back_coordinates(points, spread, self._mirror, self.input_wh), dim=-1
        )

    def decode(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Coordinates in crop px; 1 less the mean spread as the score."""
        return coordinates.decode_coordinates(outputs[..., :2], outputs[..., 2:], self.input_wh)


def _with_spreads(raw: Tensor) -> Tensor:
    return torch.cat([raw[..., :2], raw[..., 2:].sigmoid()], dim=-1)


def create_r50(skeleton: Skeleton) -> RLE:
    """ResNet-50 at 256 × 192, 23.7 M parameters."""
    method = RLE(skeleton, create_resnet50(), (192, 256))
    method.name, method.card, method.recipes = "rle_r50", R50_CARD, R50_RECIPES
    return method


def create_r18_tiny(skeleton: Skeleton) -> RLE:
    """ResNet-18 at a fifth of its width at 96 × 64, 0.5 M parameters."""
    method = RLE(skeleton, create_resnet18_narrow(), (64, 96))
    method.name, method.card = "rle_r18_tiny", TINY_CARD
    method.recipes = {"quick": TINY_QUICK_RLE} | {n: R50_RECIPES[n] for n in ("paper", "mmpose")}
    return method
