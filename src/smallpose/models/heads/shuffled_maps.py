"""Maps of joints at twice the resolution of the features, by a 1×1 convolution alone."""

from torch import Tensor, nn
from torch.nn import functional

from smallpose.models.layers import init_normal

FACTOR = 2  # of the resolution


class ShuffledMapsHead(nn.Module):
    """A 1×1 convolution to the 2 × 2 pixels of each cell (depth to space).

    A transposed convolution would spend its arithmetic on the finer grid, where channels are few.

    Args:
        in_channels: of the features.
        joints: k, number of maps.
    """

    def __init__(self, in_channels: int, joints: int) -> None:
        super().__init__()
        self.final_layer = nn.Conv2d(in_channels, joints * FACTOR**2, 1)
        init_normal(self, std=0.01)

    def forward(self, features: Tensor) -> Tensor:
        """Map (b, c, h, w) features to (b, k, 2h, 2w) maps."""
        return functional.pixel_shuffle(self.final_layer(features), FACTOR)
