"""RTMPose (Jiang et al. 2023): CSPNeXt and a light head that classifies bins along x and along y.

Labels, decoding and flip test are SimCC's, with labels that are sharper along x and have a peak
of 1, and with sharper predictions in the loss. No method of the paper: MMPose's models are the ones
that most people run. They predict COCO's 17 joints or the 26 of Halpe (skeleton `halpe26`).

MMPose's checkpoints have the same weight names; COCO val AP 68.2, 71.6, 74.6 and 75.8 for t, s, m
and l. The recipes are in `rtmpose_recipes.py`.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from smallpose.core.skeleton import Skeleton
from smallpose.methods.base import PoseMethod, Recipe
from smallpose.methods.rtmpose_recipes import (
    TINY_CARD,
    make_card,
    make_recipes,
    make_tiny_recipes,
)
from smallpose.methods.simcc import AxisLogits, kl_bin_loss
from smallpose.models.backbones.csp_next import CSPNeXt
from smallpose.models.codecs.simcc import decode_simcc, encode_simcc, flip_back_simcc
from smallpose.models.heads.rtmcc import RTMCCHead

STRIDE = 32
BETA = 10.0  # factor of the logits, and of the labels, before their softmax


@dataclass(frozen=True, kw_only=True)
class RTMPoseConfig:
    """Size of an RTMPose.

    Args:
        widen, deepen: width and depth factors of the backbone.
        hidden, key_width: of the head's tokens, and of their queries and keys.
        sigma: of the label smoothing along x and along y, bins.
        input_wh: size of the crops.
    """

    widen: float
    deepen: float
    hidden: int = 256
    key_width: int = 128
    sigma: tuple[float, float] = (4.9, 5.66)
    input_wh: tuple[int, int] = (192, 256)


RTMPOSE_T = RTMPoseConfig(widen=0.375, deepen=0.167)
RTMPOSE_S = RTMPoseConfig(widen=0.5, deepen=0.33)
RTMPOSE_M = RTMPoseConfig(widen=0.75, deepen=0.67)
RTMPOSE_L = RTMPoseConfig(widen=1.0, deepen=1.0)
RTMPOSE_TINY = RTMPoseConfig(
    widen=0.1875, deepen=0.167, hidden=64, key_width=32, sigma=(2.83, 3.46), input_wh=(64, 96)
)


class RTMPose(PoseMethod):
    """A backbone at stride 32, a token for each joint, and a classification over bins."""

    keypoint_layers = ("head.final_layer",)
    sums_loss = True
    takes_any_size = False  # the head has a weight for each cell of its maps

    def __init__(self, skeleton: Skeleton, config: RTMPoseConfig) -> None:
        super().__init__(skeleton, config.input_wh)
        self.config = config
        self.backbone = CSPNeXt(config.widen, config.deepen)
        self.head = RTMCCHead(
            self.backbone.out_channels,
            len(skeleton),
            config.input_wh,
            STRIDE,
            hidden=config.hidden,
            key_width=config.key_width,
        )

    def forward(self, images: Tensor) -> AxisLogits:
        """Map (b, 3, h, w) images to logits over x, (b, k, 2w), and over y, (b, k, 2h)."""
        return self.head(self.backbone(images))

    def param_group_factors(
        self, name: str, weight: nn.Parameter, recipe: Recipe
    ) -> tuple[float, float]:
        """Return (1, 1), and (1, 0) for biases and batch norms; the head's scales decay."""
        return 1.0, float(not name.endswith((".bias", ".bn.weight")))

    def targets(self, keypoints: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encode (b, k, 3) keypoints as labels over x and over y, and (b, k) weights."""
        visible = keypoints[..., 2].clamp(max=1)
        return encode_simcc(
            keypoints[..., :2], visible, self.input_wh, self.config.sigma, normalize=False
        )

    def loss(
        self, outputs: AxisLogits, targets: tuple[Tensor, Tensor, Tensor]
    ) -> dict[str, Tensor]:
        """Compute the Kullback-Leibler divergence from the labels on both axes."""
        x_labels, y_labels, weights = targets
        return {
            "x_bins": kl_bin_loss(outputs[0], x_labels, weights, BETA, BETA),
            "y_bins": kl_bin_loss(outputs[1], y_labels, weights, BETA, BETA),
        }

    def flip_back(self, outputs: AxisLogits) -> AxisLogits:
        """Swap left and right and reverse x."""
        return flip_back_simcc(*outputs, self._flip_indices)

    def decode(self, outputs: AxisLogits) -> tuple[Tensor, Tensor]:
        """Decode the largest bin of each axis; the score is the smaller of the two logits."""
        return decode_simcc(*outputs)


def create_t(skeleton: Skeleton) -> RTMPose:
    """Create RTMPose-t for 256 × 192, 3.3 M parameters."""
    method = RTMPose(skeleton, RTMPOSE_T)
    method.name = "rtmpose_t"
    method.card = make_card("t")
    method.recipes = make_recipes(weight_decay=0.0, average=False)
    return method


def create_s(skeleton: Skeleton) -> RTMPose:
    """Create RTMPose-s for 256 × 192, 5.5 M parameters."""
    method = RTMPose(skeleton, RTMPOSE_S)
    method.name = "rtmpose_s"
    method.card = make_card("s")
    method.recipes = make_recipes(weight_decay=0.0, average=True)
    return method


def create_m(skeleton: Skeleton) -> RTMPose:
    """Create RTMPose-m for 256 × 192, 13.6 M parameters."""
    method = RTMPose(skeleton, RTMPOSE_M)
    method.name = "rtmpose_m"
    method.card = make_card("m")
    method.recipes = make_recipes(weight_decay=0.05, average=True)
    return method


def create_l(skeleton: Skeleton) -> RTMPose:
    """Create RTMPose-l for 256 × 192, 27.7 M parameters."""
    method = RTMPose(skeleton, RTMPOSE_L)
    method.name = "rtmpose_l"
    method.card = make_card("l")
    method.recipes = make_recipes(weight_decay=0.05, average=True)
    return method


def create_tiny(skeleton: Skeleton) -> RTMPose:
    """Create RTMPose at half the width of t for 96 × 64, 0.8 M parameters, for CPUs and tests."""
    method = RTMPose(skeleton, RTMPOSE_TINY)
    method.name = "rtmpose_tiny"
    method.card = TINY_CARD
    method.recipes = make_tiny_recipes()
    return method
