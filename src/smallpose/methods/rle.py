"""RLE (Li et al. 2021): ResNet, pooled, coordinates with sigmas; the likelihood is learned.

The loss and its flow are in `models/heads/rle.py`. Printed AP (Table 3): 44.1 in setting A,
67.8 in B. `rle_r50` trains at about four crops a second on one CPU core, `rle_r18_tiny` at about
three hundred.
"""

from dataclasses import replace

import torch
from torch import Tensor

from smallpose.core.skeleton import Skeleton
from smallpose.methods.base import MethodCard, PoseMethod, Recipe
from smallpose.methods.hrnet import QUICK, TINY_QUICK
from smallpose.models.backbones.resnet import ResNet, create_resnet18_narrow, create_resnet50
from smallpose.models.backbones.vit import ViT
from smallpose.models.codecs.coordinates import (
    decode_coordinates,
    encode_coordinates,
    flip_back_coordinates,
)
from smallpose.models.heads.rle import RLEHead

R50_CARD = MethodCard(
    title="RLE",
    paradigm="top-down",
    parts="ResNet-50, coordinates with a spread",
    checkpoint="td-reg_res50_rle-8xb64-210e_coco-256x192-d37efd64_20220913.pth",
    checkpoint_folder="v1/body_2d_keypoint/topdown_regression/coco",
    checkpoint_hash="d37efd64",
)
R50_RECIPES = {
    "paper": Recipe(learning_rate=1e-3, batch_size=128),
    "mmpose": Recipe(learning_rate=1e-3, batch_size=512),  # 64 crops on each of eight GPUs
    "quick": QUICK,
}

TINY_CARD = MethodCard(
    title="RLE (tiny)",
    paradigm="top-down",
    parts="ResNet-18 at a fifth of its width, coordinates with a spread, 96 × 64",
)
TINY_QUICK_RLE = replace(TINY_QUICK, learning_rate=2e-3, epochs=12)


class RLE(PoseMethod):
    """A backbone, global pooling and one linear layer. The flow is used in training only."""

    score_rule = "box_plus_mean_plus_best"
    keypoint_layers = ("head.fc",)

    def __init__(
        self, skeleton: Skeleton, backbone: ResNet | ViT, input_wh: tuple[int, int]
    ) -> None:
        super().__init__(skeleton, input_wh)
        self.backbone = backbone
        self.head = RLEHead(backbone.out_channels, len(skeleton))

    def forward(self, images: Tensor) -> Tensor:
        """Map (b, 3, h, w) to (b, k, 4): x, y in units of the crop, and logits of their sigmas."""
        return self.head(self.backbone(images))

    def targets(self, keypoints: Tensor) -> tuple[Tensor, Tensor]:
        """Encode (b, k, 3) keypoints as (b, k, 2) coordinates and (b, k) weights."""
        visible = keypoints[..., 2].clamp(max=1)
        return encode_coordinates(keypoints[..., :2], visible, self.input_wh)

    def loss(self, outputs: Tensor, targets: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Compute the negative log-likelihood of the labels inside the crop."""
        points, sigma_logits = outputs[..., :2], outputs[..., 2:]
        return {"rle": self.head.loss_module(points, sigma_logits, *targets)}

    def compute_outputs(self, images: Tensor, flip_test: bool) -> Tensor:
        """Compute (b, k, 4): x, y and their sigmas; the flip test averages sigmas, not logits."""
        outputs = _logits_to_sigmas(self.run_network(images))
        if not flip_test:
            return outputs
        flipped = _logits_to_sigmas(self.run_network(images.flip(-1)))
        return (outputs + self.flip_back(flipped)) / 2

    def flip_back(self, outputs: Tensor) -> Tensor:
        """Mirror the coordinates, left and right swapped."""
        points, sigma = outputs[..., :2], outputs[..., 2:]
        flipped = flip_back_coordinates(points, sigma, self._flip_indices, self.input_wh)
        return torch.cat(flipped, dim=-1)

    def decode(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Decode coordinates to crop px; the score is 1 minus the mean sigma."""
        return decode_coordinates(outputs[..., :2], outputs[..., 2:], self.input_wh)


def _logits_to_sigmas(raw: Tensor) -> Tensor:
    return torch.cat([raw[..., :2], raw[..., 2:].sigmoid()], dim=-1)


def create_r50(skeleton: Skeleton) -> RLE:
    """Create RLE with ResNet-50 for 256 × 192, 23.7 M parameters."""
    method = RLE(skeleton, create_resnet50(), (192, 256))
    method.name = "rle_r50"
    method.card = R50_CARD
    method.recipes = R50_RECIPES
    return method


def create_r18_tiny(skeleton: Skeleton) -> RLE:
    """Create RLE with ResNet-18 at a fifth of its width for 96 × 64, 0.5 M parameters."""
    method = RLE(skeleton, create_resnet18_narrow(), (64, 96))
    method.name = "rle_r18_tiny"
    method.card = TINY_CARD
    method.recipes = {"quick": TINY_QUICK_RLE} | {n: R50_RECIPES[n] for n in ("paper", "mmpose")}
    return method
