"""RTMPose's head (Jiang et al. 2023, `RTMCCHead` in MMPose): features to bins along x and along y.

A 7×7 convolution makes a small map for each joint. The map, flattened, becomes the joint's token;
the tokens of a person exchange what they know in a gated attention unit, and two linear layers that
all joints share turn them into logits over the bins.
"""

from torch import Tensor, nn

from smallpose.models.codecs.simcc import SPLIT_RATIO
from smallpose.models.heads.gated_attention import GatedAttentionUnit, ScaleNorm
from smallpose.models.layers import init_normal


class RTMCCHead(nn.Module):
    """A map per joint at the features' stride, a token per joint, bins.

    Args:
        in_channels: of the features.
        joints: k.
        input_wh: size of the crops, which determines the number of bins.
        stride: of the features.
        hidden: channels of a token.
        key_width: channels of the attention's queries and keys.
        kernel: odd side of the convolution.
    """

    def __init__(
        self,
        in_channels: int,
        joints: int,
        input_wh: tuple[int, int],
        stride: int,
        hidden: int,
        key_width: int,
        kernel: int = 7,
    ) -> None:
        super().__init__()
        w, h = input_wh
        num_cells = (w // stride) * (h // stride)
        self.final_layer = nn.Conv2d(in_channels, joints, kernel, padding=kernel // 2)
        self.mlp = nn.Sequential(ScaleNorm(num_cells), nn.Linear(num_cells, hidden, bias=False))
        self.gau = GatedAttentionUnit(hidden, 2 * hidden, key_width)
        self.cls_x = nn.Linear(hidden, SPLIT_RATIO * w, bias=False)
        self.cls_y = nn.Linear(hidden, SPLIT_RATIO * h, bias=False)
        init_normal(self, 0.01)
        nn.init.normal_(self.final_layer.weight, std=0.001)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Map (b, c, h / stride, w / stride) to logits over x, (b, k, 2w), and y, (b, k, 2h)."""
        maps = self.final_layer(features)
        tokens = self.gau(self.mlp(maps.flatten(2)))  # (b, k, hidden)
        return self.cls_x(tokens), self.cls_y(tokens)
