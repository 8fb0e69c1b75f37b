"""A method for small people in one file: no early strides, and heatmaps with exact peaks.

    smallpose train examples/stride4_unet.py --data set --out runs/stride4

Methods for photographs halve the image twice in their first layers. Of a small person, whose crop
is enlarged, that drops what little there is. Here each 4 × 4 px become the channels of one cell
first (space to depth), so that the first convolution sees all of them, and a U-Net brings them to
heatmaps at stride 4 by a short way. The peaks of the targets stay where the joints are, on a grid
that mirrored crops share, and are read by a Newton step (`--heatmap-targets half-pixel`).

It costs as many multiplications as `hrnet_w16_tiny` (26.5 and 27.6 million for a crop of 96 × 64).
Whether it is better for small people has not been measured.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from smallpose import Skeleton
from smallpose.dataloading.augmentation import Augmentation
from smallpose.methods import MethodCard, Recipe
from smallpose.methods.heatmap import HeatmapMethod
from smallpose.models.backbones.resnet import BasicBlock
from smallpose.models.codecs.heatmap_coding import HeatmapCoding
from smallpose.models.layers import init_convolutions, make_conv

STRIDE = 4
WIDTHS = (24, 48, 96)  # channels at strides 4, 8 and 16
NUM_BLOCKS = (1, 1, 2)  # on the way down; there is one at each stride on the way up
# The one of `hrnet_w16_tiny`.
QUICK = Recipe(
    optimizer="adamw",
    learning_rate=4e-3,
    weight_decay=0.01,
    batch_size=64,
    epochs=6,
    schedule="one_cycle",
    warm_up=20,
    augment=Augmentation(half_body=0, shift=0.1, scale=0.25, rotate_deg=30, rotate_chance=0.5),
)


class _UNet(nn.Module):
    """Space to depth, residual blocks at strides 4, 8, 16, …, and back to stride 4."""

    def __init__(self, widths: Sequence[int], num_blocks: Sequence[int]) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(STRIDE),
            make_conv(3 * STRIDE**2, widths[0], 3),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        )
        self.down = nn.ModuleList()
        channels = widths[0]
        for level, (width, number) in enumerate(zip(widths, num_blocks, strict=True)):
            blocks = [BasicBlock(channels, width, 2 if level else 1)]
            blocks += [BasicBlock(width, width, 1) for _ in range(number - 1)]
            self.down.append(nn.Sequential(*blocks))
            channels = width
        self.lateral = nn.ModuleList(
            nn.Sequential(make_conv(coarse, fine, 1), nn.BatchNorm2d(fine))
            for fine, coarse in pairwise(widths)
        )
        self.up = nn.ModuleList(BasicBlock(width, width, 1) for width in widths[:-1])
        init_convolutions(self)

    def forward(self, images: Tensor) -> Tensor:
        """Map (b, 3, h, w) images to (b, c, h / 4, w / 4) features."""
        x = self.stem(images)
        features: list[Tensor] = []
        for blocks in self.down:
            x = blocks(x)
            features.append(x)
        for level in reversed(range(len(self.lateral))):
            fine = features[level]
            coarse = functional.interpolate(self.lateral[level](x), fine.shape[-2:], mode="nearest")
            x = self.up[level](torch.relu(fine + coarse))
        return x


class Stride4UNet(HeatmapMethod):
    """The U-Net and a 1×1 convolution to heatmaps with exact peaks, 0.4 M parameters."""

    card = MethodCard(
        title="Stride-4 U-Net",
        paradigm="top-down",
        parts="space to depth, U-Net of strides 4 to 16, unbiased heatmaps, 96 × 64",
    )
    recipes = {"quick": QUICK}  # noqa: RUF012 (a mapping, as in every method)
    heatmap_coding = HeatmapCoding(targets="half-pixel")

    def __init__(self, skeleton: Skeleton) -> None:
        # On maps of 24 × 16 a sigma of 2 would merge a left and a right shoulder.
        super().__init__(skeleton, _UNet(WIDTHS, NUM_BLOCKS), WIDTHS[0], (), (64, 96), sigma=1.0)
