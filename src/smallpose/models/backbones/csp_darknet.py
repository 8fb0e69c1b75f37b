"""CSPDarknet (YOLOX, Ge et al. 2021): the backbone of RTMO, features at strides 8, 16 and 32.

A stage halves the size, splits its channels in two, sends one half through residual blocks and
joins them again ("cross stage partial"). Names of the weights are those of MMPose's checkpoints.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smallpose.models.conv_norm import ConvNorm, init_uniform

# YOLOX's norms, and so RTMO's: averages over a longer past, and a larger floor.
_Conv = partial(ConvNorm, eps=1e-3, momentum=0.03, act="swish")

_WIDTHS = (64, 128, 256, 512, 1024)
_DEPTHS = (3, 9, 9, 3)


class Focus(nn.Module):
    """Every second pixel of every second row makes a picture of its own; four of them, stacked."""

    def __init__(self, out_channels: int) -> None:
        super().__init__()
        self.conv = _Conv(12, out_channels, 3)

    def forward(self, pictures: Tensor) -> Tensor:
        """(b, 3, h, w) to (b, out_channels, h / 2, w / 2)."""
        even, odd = pictures[:, :, ::2], pictures[:, :, 1::2]
        quarters = (even[..., ::2], odd[..., ::2], even[..., 1::2], odd[..., 1::2])
        return self.conv(torch.cat(quarters, dim=1))


class DarknetBottleneck(nn.Module):
    """1×1 and 3×3 convolutions at full width, with an identity around them or without."""

    def __init__(self, width: int, add: bool) -> None:
        super().__init__()
        self.conv1 = _Conv(width, width, 1)
        self.conv2 = _Conv(width, width, 3)
        self.add = add

    def forward(self, x: Tensor) -> Tensor:
        """(b, width, h, w) to the same."""
        y = self.conv2(self.conv1(x))
        return x + y if self.add else y


class CSPLayer(nn.Module):
    """Half of the channels through `depth` blocks, the other half around them."""

    def __init__(self, channels: int, depth: int, add: bool) -> None:
        super().__init__()
        half = channels // 2
        self.main_conv = _Conv(channels, half)
        self.short_conv = _Conv(channels, half)
        self.blocks = nn.Sequential(*(DarknetBottleneck(half, add) for _ in range(depth)))
        self.final_conv = _Conv(2 * half, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(b, channels, h, w) to the same."""
        return self.final_conv(torch.cat([self.blocks(self.main_conv(x)), self.short_conv(x)], 1))


class SPP(nn.Module):
    """The features beside their maxima over 5, 9 and 13 pixels (spatial pyramid pooling)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.conv1 = _Conv(channels, half)
        self.conv2 = _Conv(4 * half, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(b, channels, h, w) to the same."""
        x = self.conv1(x)
        # A maximum over 9 is one over 5 of one over 5; the same numbers for less work.
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
        for number, depth in enumerate(_DEPTHS, 1):
            channels, last = widths[number], number == len(_DEPTHS)
            pooling: list[nn.Module] = [SPP(channels)] if last else []
            stage = nn.Sequential(
                _Conv(widths[number - 1], channels, 3, 2),
                *pooling,
                CSPLayer(channels, max(round(depth * deepen), 1), add=not last),
            )
            self.add_module(f"stage{number}", stage)
        self.out_channels = tuple(widths[2:])
        init_uniform(self)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(b, 3, h, w) BGR pictures to features at strides 8, 16 and 32."""
        x = self.get_submodule("stage1")(self.stem(pictures))
        eighth = self.get_submodule("stage2")(x)
        sixteenth = self.get_submodule("stage3")(eighth)
        return eighth, sixteenth, self.get_submodule("stage4")(sixteenth)
