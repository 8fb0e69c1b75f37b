"""A hybrid encoder whose linear layers are folded into each other: the same map, less work.

A level's 1×1 projection and the 1×1 convolutions that read it have nothing between them, so one
convolution does for both. Nearest-neighbour upsampling copies values, so their part for the coarser
level comes before it, at a quarter of the cells. A block's parallel 3×3 and 1×1 convolutions are
one. Sums round in another order, so this is for engines, and for inference only.
"""

from copy import deepcopy
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smallpose.models.conv_norm import ConvNorm, fold_norm
from smallpose.models.heads.hybrid_encoder import CSPRepLayer, HybridEncoder, RepVGGBlock


class FoldedEncoder(nn.Module):
    """Computes what `HybridEncoder.forward` does in eval mode.

    Args:
        encoder: is copied.
    """

    def __init__(self, encoder: HybridEncoder) -> None:
        super().__init__()
        encoder = deepcopy(encoder)
        *finer, self.coarsest = cast(list[ConvNorm], list(encoder.input_proj))
        top_down = cast(list[CSPRepLayer], list(encoder.fpn_blocks))
        bottom_up = cast(list[CSPRepLayer], list(encoder.pan_blocks))
        pairs = zip(top_down, reversed(finer), strict=True)
        self.top_down = nn.ModuleList([_FoldedTopDown(*pair) for pair in pairs])
        self.bottom_up = nn.ModuleList([_merge_branches(block) for block in bottom_up])
        encoder.input_proj = encoder.fpn_blocks = encoder.pan_blocks = nn.ModuleList()
        self.encoder = encoder
        self.eval()

    def forward(self, levels: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Map features at strides 8, 16, 32 to (b, out_channels, …) at strides 16 and 32."""
        encoder = self.encoder
        finer = encoder.attend(self.coarsest(levels[-1]))
        laterals = []  # the coarser maps after their lateral convolutions
        for lateral, block, level in zip(
            encoder.lateral_convs, self.top_down, levels[-2::-1], strict=True
        ):
            laterals.append(lateral(finer))
            finer = block(laterals[-1], level)
        _, stride16, stride32 = encoder.fuse_bottom_up(finer, laterals, self.bottom_up)
        return stride16, stride32


class _FoldedTopDown(nn.Module):
    """A block of the pass down, with the upsampling before it and its level's projection."""

    def __init__(self, block: CSPRepLayer, projection: ConvNorm) -> None:
        super().__init__()
        project = fold_norm(projection)
        readers = [fold_norm(layer) for layer in (block.conv1, block.conv2)]
        weight = torch.cat([layer.weight for layer in readers]).flatten(1)
        bias = torch.cat([_get_bias(layer) for layer in readers])
        of_coarse, of_projected = weight.split(
            [weight.shape[1] - project.out_channels, project.out_channels], dim=1
        )
        self.coarse = _create_1x1(of_coarse, torch.zeros_like(bias))
        self.level = _create_1x1(
            of_projected @ project.weight.flatten(1), bias + of_projected @ _get_bias(project)
        )
        merged = _merge_branches(block)
        self.bottlenecks, self.conv3 = merged.bottlenecks, merged.conv3

    def forward(self, coarse: Tensor, level: Tensor) -> Tensor:
        """Map (b, hidden, h / 2, w / 2) and (b, c, h, w) features to (b, hidden, h, w)."""
        upsampled = F.interpolate(self.coarse(coarse), scale_factor=2.0, mode="nearest")
        deep, shallow = F.silu(upsampled + self.level(level)).chunk(2, dim=1)
        fused: Tensor = self.conv3(self.bottlenecks(deep) + shallow)
        return fused


def _merge_branches(layer: CSPRepLayer) -> CSPRepLayer:
    """Replace the pair of convolutions of each block by a single one."""
    blocks = cast(list[RepVGGBlock], list(layer.bottlenecks))
    layer.bottlenecks = nn.Sequential(*(_merge_block(block) for block in blocks))
    return layer


def _merge_block(block: RepVGGBlock) -> nn.Sequential:
    large, small = fold_norm(block.branch_3x3), fold_norm(block.branch_1x1)
    with torch.no_grad():
        large.weight[:, :, 1:2, 1:2] += small.weight
        _get_bias(large).add_(_get_bias(small))
    return nn.Sequential(large.float(), nn.SiLU())


def _create_1x1(weight: Tensor, bias: Tensor) -> nn.Conv2d:
    """Return a 1×1 convolution in float32 with (out, in) weights."""
    out_channels, in_channels = weight.shape
    layer = nn.Conv2d(in_channels, out_channels, 1)
    with torch.no_grad():
        layer.weight.copy_(weight[..., None, None])
        _get_bias(layer).copy_(bias)
    return layer


def _get_bias(layer: nn.Conv2d) -> Tensor:
    assert layer.bias is not None
    return layer.bias
