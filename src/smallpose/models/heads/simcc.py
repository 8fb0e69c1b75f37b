"""Maps to bins along x and along y (SimCC, Li et al. 2022)."""

from torch import Tensor, nn

from smallpose.models.codecs.simcc import SPLIT_RATIO
from smallpose.models.heads.deconv import HeatmapHead


class SimCCHead(nn.Module):
    """A map per joint, laid flat, and two linear layers that all joints share.

    Args:
        in_channels: of the features.
        widths: of each transposed convolution.
        joints: k.
        input_wh: of the crops, which decide how many bins there are.
        stride: of the features.
    """

    def __init__(
        self,
        in_channels: int,
        widths: tuple[int, ...],
        joints: int,
        input_wh: tuple[int, int],
        stride: int,
    ) -> None:
        super().__init__()
        self.deconv_head = HeatmapHead(in_channels, widths, joints)
        w, h = input_wh
        pixels = (w // stride) * (h // stride) * 4 ** len(widths)
        self.mlp_head_x = nn.Linear(pixels, SPLIT_RATIO * w)
        self.mlp_head_y = nn.Linear(pixels, SPLIT_RATIO * h)
        for layer in (self.mlp_head_x, self.mlp_head_y):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(b, c, h / stride, w / stride) to logits over x, (b, k, 2w), and over y, (b, k, 2h)."""
        maps = self.deconv_head(features)  # (b, k, h / 4, w / 4)
        flat = maps.flatten(2)  # row by row
        return self.mlp_head_x(flat), self.mlp_head_y(flat)
