"""A network that works at stride 8, for crops of small people.

A person of 40 px that is enlarged to a crop of 96 × 64 has no detail that finer maps could hold.
Two convolutions that see every pixel bring the crop to stride 8, and nearly all arithmetic is spent
there and at stride 16, in channels that are wide enough for a CPU's vectors.
"""

from torch import Tensor, nn
from torch.nn import functional

from smallpose.models.backbones.resnet import BasicBlock
from smallpose.models.layers import init_convolutions, make_conv


class Stride8Net(nn.Module):
    """Space to depth, two convolutions of stride 2, residual blocks, and context at stride 16.

    Args:
        stem_width: channels at stride 4.
        width: channels at stride 8.
        context_width: channels at stride 16.
        num_blocks, num_context_blocks: residual blocks at strides 8 and 16.
    """

    def __init__(
        self,
        stem_width: int,
        width: int,
        context_width: int,
        num_blocks: int = 1,
        num_context_blocks: int = 1,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(2),
            *_make_layer(3 * 2**2, stem_width),
            *_make_layer(stem_width, width),
        )
        self.blocks = nn.Sequential(*(BasicBlock(width, width, 1) for _ in range(num_blocks)))
        self.context = nn.Sequential(
            *_make_layer(width, context_width),
            *(BasicBlock(context_width, context_width, 1) for _ in range(num_context_blocks)),
        )
        self.lateral = nn.Sequential(make_conv(context_width, width, 1), nn.BatchNorm2d(width))
        self.out_channels = width
        init_convolutions(self)

    def forward(self, images: Tensor) -> Tensor:
        """Map (b, 3, h, w) images to (b, out_channels, h / 8, w / 8) features."""
        x: Tensor = self.blocks(self.stem(images))
        context = self.lateral(self.context(x))
        return functional.relu(x + functional.interpolate(context, x.shape[-2:], mode="nearest"))


def _make_layer(in_channels: int, out_channels: int) -> list[nn.Module]:
    """Create a 3×3 convolution of stride 2 with its norm and activation."""
    norm = nn.BatchNorm2d(out_channels)
    return [make_conv(in_channels, out_channels, 3, 2), norm, nn.ReLU(inplace=True)]
