"""SimCC (Li et al. 2022): ResNet, three transposed convolutions, bins along x and along y.

Printed AP (Table 2): 43.2 in setting A, 68.8 in B, and by far the highest AP of dense small people
(63.6). `simcc_r50` trains at about three crops a second on one CPU core, `simcc_r18_tiny` at about
two hundred.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from smallpose.core.skeleton import Skeleton
from smallpose.methods.base import MethodCard, PoseMethod, Recipe, SplitNetwork
from smallpose.methods.hrnet import QUICK, TINY_QUICK
from smallpose.models.backbones.resnet import ResNet, create_resnet18_narrow, create_resnet50
from smallpose.models.codecs.simcc import decode_simcc, encode_simcc, flip_back_simcc
from smallpose.models.heads.simcc import SimCCHead

R50_CARD = MethodCard(
    title="SimCC",
    paradigm="top-down",
    parts="ResNet-50, three transposed convolutions, bins along x and y",
    checkpoint="simcc_res50_8xb64-210e_coco-256x192-8e0f5b59_20220919.pth",
    checkpoint_folder="v1/body_2d_keypoint/simcc/coco",
    checkpoint_hash="8e0f5b59",
)
R50_RECIPES = {
    "paper": Recipe(learning_rate=1e-3, batch_size=192),
    "mmpose": Recipe(learning_rate=1e-3, batch_size=512),  # 64 crops on each of eight GPUs
    "quick": QUICK,
}

TINY_CARD = MethodCard(
    title="SimCC (tiny)",
    paradigm="top-down",
    parts="ResNet-18 at a fifth of its width, bins along x and y, 96 × 64",
)

AxisLogits = tuple[Tensor, Tensor]


class SimCC(PoseMethod):
    """A backbone at stride 32, maps at stride 4, and a classification over bins.

    Args:
        sigma: of the label smoothing, bins.
    """

    keypoint_layers = ("head.deconv_head.final_layer",)
    sums_loss = True
    takes_any_size = False  # the head has a weight for each cell of its maps

    def __init__(
        self,
        skeleton: Skeleton,
        backbone: ResNet,
        head_widths: tuple[int, int, int],
        input_wh: tuple[int, int],
        sigma: float,
    ) -> None:
        super().__init__(skeleton, input_wh)
        self.backbone = backbone
        self.sigma = sigma
        joints = len(skeleton)
        self.head = SimCCHead(backbone.out_channels, head_widths, joints, input_wh, stride=32)

    def forward(self, images: Tensor) -> AxisLogits:
        """Map (b, 3, h, w) images to logits over x, (b, k, 2w), and over y, (b, k, 2h)."""
        return self.head(self.backbone(images))

    def split_network(self) -> SplitNetwork | None:
        """Return the network up to the maps' 1×1 convolution, and what turns maps to bins."""
        maps_head = self.head.deconv_head
        layers = nn.Sequential(self.backbone, maps_head.deconv_layers)
        return SplitNetwork(layers, maps_head.final_layer, self.head.classify_maps)

    def targets(self, keypoints: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encode (b, k, 3) keypoints as labels over x and over y, and (b, k) weights."""
        visible = keypoints[..., 2].clamp(max=1)
        return encode_simcc(keypoints[..., :2], visible, self.input_wh, self.sigma)

    def loss(
        self, outputs: AxisLogits, targets: tuple[Tensor, Tensor, Tensor]
    ) -> dict[str, Tensor]:
        """Compute the Kullback-Leibler divergence from the labels on both axes."""
        x_labels, y_labels, weights = targets
        return {
            "x_bins": kl_bin_loss(outputs[0], x_labels, weights),
            "y_bins": kl_bin_loss(outputs[1], y_labels, weights),
        }

    def flip_back(self, outputs: AxisLogits) -> AxisLogits:
        """Swap left and right and reverse x."""
        return flip_back_simcc(*outputs, self._flip_indices)

    def decode(self, outputs: AxisLogits) -> tuple[Tensor, Tensor]:
        """Decode the largest bin of each axis; the score is the smaller of the two logits."""
        return decode_simcc(*outputs)


def kl_bin_loss(
    logits: Tensor,
    labels: Tensor,
    weights: Tensor,
    beta: float = 1.0,
    label_beta: float | None = None,
) -> Tensor:
    """Compute the Kullback-Leibler divergence from labels to predicted bins (`KLDiscretLoss`).

    A mean over bins, but a sum over the batch and a mean over joints: the published learning rates
    were chosen for that.

    Args:
        logits, labels: (b, k, bins).
        weights: (b, k) of each keypoint.
        beta: factor of the logits.
        label_beta: the labels are replaced by the softmax of this factor times them; None for no
            softmax.
    """
    if label_beta is not None:
        labels = functional.softmax(labels * label_beta, dim=-1)
    log_bins = functional.log_softmax(logits * beta, dim=-1)
    divergence = (torch.xlogy(labels, labels) - labels * log_bins).mean(dim=-1)  # (b, k)
    return (divergence * weights).sum() / logits.shape[1]


def create_r50(skeleton: Skeleton) -> SimCC:
    """Create SimCC with ResNet-50 for 256 × 192, 36.8 M parameters."""
    method = SimCC(skeleton, create_resnet50(), (256, 256, 256), (192, 256), sigma=6.0)
    method.name = "simcc_r50"
    method.card = R50_CARD
    method.recipes = R50_RECIPES
    return method


def create_r18_tiny(skeleton: Skeleton) -> SimCC:
    """Create SimCC with ResNet-18 at a fifth of its width for 96 × 64, 0.6 M parameters."""
    method = SimCC(skeleton, create_resnet18_narrow(), (32, 32, 32), (64, 96), sigma=4.0)
    method.name = "simcc_r18_tiny"
    method.card = TINY_CARD
    method.recipes = {"quick": replace(TINY_QUICK, learning_rate=2e-3)} | {
        n: R50_RECIPES[n] for n in ("paper", "mmpose")
    }
    return method
