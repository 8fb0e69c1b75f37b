"""CSPNeXt (RTMDet, Lyu et al. 2022): the backbone of RTMPose, features at stride 32.

CSPDarknet with a stem of three convolutions, blocks whose second convolution is depthwise with a
5×5 kernel, and a channel attention at the end of each stage. Weight names are MMPose's.
"""

from torch import Tensor, nn
from torch.nn import functional

from smallpose.models.backbones.csp_darknet import SPP, CSPLayer
from smallpose.models.conv_norm import ConvNorm, init_uniform

_WIDTHS = (64, 128, 256, 512, 1024)
_DEPTHS = (3, 6, 6, 3)


class ChannelAttention(nn.Module):
    """Scale each channel by a number from 0 to 1 that depends on the means of all channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, channels, h, w) to the same shape."""
        return x * functional.hardsigmoid(self.fc(functional.adaptive_avg_pool2d(x, 1)))


class SeparableConv(nn.Module):
    """A convolution of each channel by itself, then a 1×1 convolution of all."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.depthwise_conv = ConvNorm(width, width, kernel, groups=width)
        self.pointwise_conv = ConvNorm(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, width, h, w) to the same shape."""
        return self.pointwise_conv(self.depthwise_conv(x))


class CSPNeXtBlock(nn.Module):
    """A 3×3 and a separable 5×5 convolution, with or without an identity shortcut."""

    def __init__(self, width: int, add_identity: bool) -> None:
        super().__init__()
        self.conv1 = ConvNorm(width, width, 3)
        self.conv2 = SeparableConv(width, 5)
        self.add_identity = add_identity

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, width, h, w) to the same shape."""
        y = self.conv2(self.conv1(x))
        return x + y if self.add_identity else y


class CSPNeXt(nn.Module):
    """A stem at stride 2 and four stages.

    Args:
        widen: factor of the channels 64, 128, 256, 512, 1024.
        deepen: factor of the stages' depths 3, 6, 6, 3.
    """

    def __init__(self, widen: float, deepen: float) -> None:
        super().__init__()
        widths = [int(width * widen) for width in _WIDTHS]
        half = int(_WIDTHS[0] * widen // 2)
        self.stem = nn.Sequential(
            ConvNorm(3, half, 3, 2), ConvNorm(half, half, 3), ConvNorm(half, widths[0], 3)
        )
        for stage, depth in enumerate(_DEPTHS, 1):
            channels = widths[stage]
            is_last = stage == len(_DEPTHS)
            pooling: list[nn.Module] = [SPP(channels, ConvNorm)] if is_last else []
            csp_layer = CSPLayer(
                channels,
                max(round(depth * deepen), 1),
                add_identity=not is_last,
                conv=ConvNorm,
                make_block=CSPNeXtBlock,
                attention=ChannelAttention(channels // 2 * 2),
            )
            layers = nn.Sequential(ConvNorm(widths[stage - 1], channels, 3, 2), *pooling, csp_layer)
            self.add_module(f"stage{stage}", layers)
        self.out_channels = widths[-1]
        init_uniform(self)

    def forward(self, images: Tensor) -> Tensor:
        """Map (b, 3, h, w) normalised images to (b, out_channels, h / 32, w / 32)."""
        x = self.stem(images)
        for stage in range(1, len(_DEPTHS) + 1):
            x = self.get_submodule(f"stage{stage}")(x)
        return x
