"""CSPDarknet (YOLOX, Ge et al. 2021): the backbone of RTMO, features at strides 8, 16 and 32.

A stage halves the size, splits its channels in two, sends one half through residual blocks and
concatenates both again ("cross stage partial"). Weight names are MMPose's. CSPNeXt (`csp_next.py`)
has the same layers around other blocks.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smallpose.models.conv_norm import ConvNorm, YOLOXConv, fold_norm, init_uniform

MakeBlock = Callable[[int, bool], nn.Module]  # from the width, and whether it adds its input

_WIDTHS = (64, 128, 256, 512, 1024)
_DEPTHS = (3, 9, 9, 3)


class Focus(nn.Module):
    """Space to depth: four images of every second pixel, stacked, and a 3×3 convolution."""

    def __init__(self, out_channels: int) -> None:
        super().__init__()
        self.conv = YOLOXConv(12, out_channels, 3)

    def forward(self, images: Tensor) -> Tensor:
        """Map (b, 3, h, w) to (b, out_channels, h / 2, w / 2)."""
        even, odd = images[:, :, ::2], images[:, :, 1::2]
        quarters = (even[..., ::2], odd[..., ::2], even[..., 1::2], odd[..., 1::2])
        return self.conv(torch.cat(quarters, dim=1))


def fold_focus(stem: Focus) -> nn.Sequential:
    """Return the 6×6 convolution at stride 2 that computes what a stem does in eval mode.

    Without the space to depth, engines need a twentieth less time for the whole backbone.
    """
    folded = fold_norm(stem.conv)
    of_quarters = folded.weight.detach()  # (out, 12, 3, 3), in the order of `Focus.forward`
    of_pixels = of_quarters.new_zeros(len(of_quarters), 3, 6, 6)
    for index, quarter in enumerate(of_quarters.split(3, dim=1)):
        column, row = divmod(index, 2)
        of_pixels[:, :, row::2, column::2] = quarter
    conv = nn.Conv2d(3, len(of_pixels), 6, stride=2, padding=2)
    assert conv.bias is not None and folded.bias is not None
    with torch.no_grad():
        conv.weight.copy_(of_pixels)
        conv.bias.copy_(folded.bias)
    return nn.Sequential(conv, stem.conv.act).eval()


class DarknetBottleneck(nn.Module):
    """1×1 and 3×3 convolutions at full width, with or without an identity shortcut."""

    def __init__(self, width: int, add_identity: bool) -> None:
        super().__init__()
        self.conv1 = YOLOXConv(width, width, 1)
        self.conv2 = YOLOXConv(width, width, 3)
        self.add_identity = add_identity

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, width, h, w) to the same shape."""
        y = self.conv2(self.conv1(x))
        return x + y if self.add_identity else y


class CSPLayer(nn.Module):
    """Half of the channels go through `depth` blocks, the other half past them.

    Args:
        conv: class of the convolutions.
        make_block: creates a block.
        attention: applied to both halves before the last convolution; None for nothing.
    """

    def __init__(
        self,
        channels: int,
        depth: int,
        add_identity: bool,
        conv: type[ConvNorm] = YOLOXConv,
        make_block: MakeBlock = DarknetBottleneck,
        attention: nn.Module | None = None,
    ) -> None:
        super().__init__()
        half = channels // 2
        self.main_conv = conv(channels, half)
        self.short_conv = conv(channels, half)
        self.blocks = nn.Sequential(*(make_block(half, add_identity) for _ in range(depth)))
        self.final_conv = conv(2 * half, channels)
        self.attention = attention

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, channels, h, w) to the same shape."""
        both = torch.cat([self.blocks(self.main_conv(x)), self.short_conv(x)], 1)
        return self.final_conv(both if self.attention is None else self.attention(both))


class SPP(nn.Module):
    """Spatial pyramid pooling: the features beside their maxima over 5, 9 and 13 pixels."""

    def __init__(self, channels: int, conv: type[ConvNorm] = YOLOXConv) -> None:
        super().__init__()
        half = channels // 2
        self.conv1 = conv(channels, half)
        self.conv2 = conv(4 * half, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, channels, h, w) to the same shape."""
        x = self.conv1(x)
        # A maximum over 9 pixels is one over 5 of one over 5: the same numbers for less work.
        over5 = F.max_pool2d(x, 5, 1, 2)
        over9 = F.max_pool2d(over5, 5, 1, 2)
        over13 = F.max_pool2d(over9, 5, 1, 2)
        return self.conv2(torch.cat([x, over5, over9, over13], dim=1))


class CSPDarknet(nn.Module):
    """A stem at stride 2 and four stages.

    Args:
        widen: factor of the channels 64, 128, 256, 512, 1024.
        deepen: factor of the stages' depths 3, 9, 9, 3.
    """

    def __init__(self, widen: float, deepen: float) -> None:
        super().__init__()
        widths = [int(width * widen) for width in _WIDTHS]
        self.stem = Focus(widths[0])
        for stage, depth in enumerate(_DEPTHS, 1):
            channels = widths[stage]
            is_last = stage == len(_DEPTHS)
            pooling: list[nn.Module] = [SPP(channels)] if is_last else []
            layers = nn.Sequential(
                YOLOXConv(widths[stage - 1], channels, 3, 2),
                *pooling,
                CSPLayer(channels, max(round(depth * deepen), 1), add_identity=not is_last),
            )
            self.add_module(f"stage{stage}", layers)
        self.out_channels = tuple(widths[2:])
        init_uniform(self)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map (b, 3, h, w) BGR images to features at strides 8, 16 and 32."""
        stride8 = self.compute_finest(images)
        return stride8, *self.compute_coarser(stride8)

    def compute_finest(self, images: Tensor) -> Tensor:
        """Map (b, 3, h, w) BGR images to features at stride 8."""
        stride8: Tensor = self.get_submodule("stage2")(
            self.get_submodule("stage1")(self.stem(images))
        )
        return stride8

    def compute_coarser(self, stride8: Tensor) -> tuple[Tensor, Tensor]:
        """Map the features at stride 8 to those at strides 16 and 32."""
        stride16 = self.get_submodule("stage3")(stride8)
        return stride16, self.get_submodule("stage4")(stride16)
