"""ResNet (He et al. 2016) without its classifier, four stages.

Weight names are torchvision's, which MMPose keeps; the stride of a stage is in the 3×3 convolution
of its first block.
"""

from torch import Tensor, nn

from smallpose.models.layers import init_convolutions, make_conv


class BasicBlock(nn.Module):
    """Two 3×3 convolutions with a shortcut."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = make_conv(in_channels, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = make_conv(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _make_shortcut(in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, c, h, w) to (b, width, h / stride, w / stride)."""
        identity = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)) + identity)


class Bottleneck(nn.Module):
    """1×1 down, 3×3, 1×1 up to four times the width, with a shortcut."""

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = make_conv(in_channels, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = make_conv(width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = make_conv(width, 4 * width, 1)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _make_shortcut(in_channels, 4 * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, c, h, w) to (b, 4 width, h / stride, w / stride)."""
        identity = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.relu(self.bn3(self.conv3(x)) + identity)


def _make_shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(
        make_conv(in_channels, out_channels, 1, stride), nn.BatchNorm2d(out_channels)
    )


class ResNet(nn.Module):
    """A stem to stride 4, then four stages.

    Args:
        block: `BasicBlock` or `Bottleneck`.
        depths: blocks of each stage.
        widths: of each stage, before the block's expansion; the stem has the first one.
        last_stride: of the last stage; 1 leaves the features at stride 16.
    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        depths: tuple[int, int, int, int],
        widths: tuple[int, int, int, int] = (64, 128, 256, 512),
        last_stride: int = 2,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = widths[0]
        stages = zip(depths, widths, (1, 2, 2, last_stride), strict=True)
        for stage, (depth, width, stride) in enumerate(stages, 1):
            blocks = []
            for index in range(depth):
                blocks.append(block(channels, width, stride if index == 0 else 1))
                channels = width * block.expansion
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
        self.out_channels = channels
        init_convolutions(self)

    def forward(self, images: Tensor) -> Tensor:
        """Map (b, 3, h, w) normalised images to (b, out_channels, h / 32, w / 32) features."""
        x = self.relu(self.bn1(self.conv1(images)))
        x = self.maxpool(x)
        for stage in (1, 2, 3, 4):
            x = self.get_submodule(f"layer{stage}")(x)
        return x


def create_resnet50() -> ResNet:
    """Create ResNet-50: 2048 channels at stride 32."""
    return ResNet(Bottleneck, (3, 4, 6, 3))


def create_resnet18_narrow() -> ResNet:
    """Create ResNet-18 at about a fifth of its width, 96 channels at stride 32, for CPUs."""
    return ResNet(BasicBlock, (2, 2, 2, 2), (16, 24, 48, 96))


def create_resnet18_stride16() -> ResNet:
    """Create the narrow ResNet-18 with 80 channels at stride 16, for crops of 96 × 64.

    At stride 32 everything about a person would have to pass through 3 × 2 pixels.
    """
    return ResNet(BasicBlock, (2, 2, 2, 2), (16, 24, 48, 80), last_stride=1)
