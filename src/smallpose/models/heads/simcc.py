"""SimCC's head (Li et al. 2022): heatmap features to bins along x and along y."""

from torch import Tensor, nn

from smallpose.models.codecs.simcc import SPLIT_RATIO
from smallpose.models.heads.deconv import HeatmapHead


class SimCCHead(nn.Module):
    """A map per joint, flattened, and two linear layers that all joints share.

    Args:
        in_channels: of the features.
        widths: channels of each transposed convolution.
        joints: k.
        input_wh: size of the crops, which determines the number of bins.
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
        num_pixels = (w // stride) * (h // stride) * 4 ** len(widths)
        self.mlp_head_x = nn.Linear(num_pixels, SPLIT_RATIO * w)
        self.mlp_head_y = nn.Linear(num_pixels, SPLIT_RATIO * h)
        for layer in (self.mlp_head_x, self.mlp_head_y):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Map (b, c, h / stride, w / stride) to logits over x, (b, k, 2w), and y, (b, k, 2h)."""
        return self.classify_maps(self.deconv_head(features))

    def classify_maps(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Map a map per joint, (b, k, h / 4, w / 4), to the logits."""
        flat = maps.flatten(2)  # row by row
        return self.mlp_head_x(flat), self.mlp_head_y(flat)
