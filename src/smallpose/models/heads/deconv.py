"""The heatmap head of SimpleBaseline (Xiao et al. 2018): transposed convolutions, then heatmaps."""

from torch import Tensor, nn

from smallpose.models.layers import init_normal


class HeatmapHead(nn.Module):
    """Transposed 4×4 convolutions that each double the size, then one heatmap per joint.

    Args:
        in_channels: of the features.
        widths: channels of each transposed convolution; none leaves the size as it is.
        joints: k, number of heatmaps.
    """

    def __init__(self, in_channels: int, widths: tuple[int, ...], joints: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in widths:
            layers += [
                nn.ConvTranspose2d(in_channels, width, 4, 2, 1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            in_channels = width
        self.deconv_layers = nn.Sequential(*layers)
        self.final_layer = nn.Conv2d(in_channels, joints, 1)
        init_normal(self, std=0.001)

    def forward(self, features: Tensor) -> Tensor:
        """Map (b, c, h, w) features to (b, k, 2ⁿ h, 2ⁿ w) heatmaps, n the number of `widths`."""
        return self.final_layer(self.deconv_layers(features))
