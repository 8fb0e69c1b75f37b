"""A convolution, its batch norm and its activation as one layer with the names `conv` and `bn`.

RTMO and DEKR are built of these, and their published checkpoints use these names.
"""

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class Swish(nn.Module):
    """SiLU computed in two operations, which round differently from the fused one.

    RTMO's coordinate classifier amplifies last bits to tenths of a pixel, and the published weights
    were trained and tested with the two operations.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Apply x · sigmoid(x) to a tensor of any shape."""
        return x * torch.sigmoid(x)


_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "silu": nn.SiLU,
    "swish": Swish,
    "relu": nn.ReLU,
    "": nn.Identity,
}


class ConvNorm(nn.Module):
    """Convolution without bias that keeps the size at stride 1, batch norm, activation.

    Args:
        kernel: odd side length.
        act: "silu", "swish", "relu" or "" for none.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        groups: int = 1,
        act: str = "silu",
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        self.bn = nn.BatchNorm2d(out_channels)
        self.act = _ACTIVATIONS[act]()

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, in_channels, h, w) to (b, out_channels, h / stride, w / stride)."""
        return self.act(self.bn(self.conv(x)))


class YOLOXConv(ConvNorm):
    """`ConvNorm` with YOLOX's batch norm: a slower running average and a larger epsilon."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        groups: int = 1,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel, stride, groups=groups, act="swish")
        self.bn.eps = 1e-3
        self.bn.momentum = 0.03


def fold_norm(layer: ConvNorm) -> nn.Conv2d:
    """Return a layer's convolution and norm of eval mode as one convolution, in float64."""
    copied = deepcopy(layer).eval().double()
    return fuse_conv_bn_eval(copied.conv, copied.bn)


def init_uniform(module: nn.Module) -> None:
    """Initialise convolutions uniformly with variance 1 / (3 fan-in), as YOLOX does."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_uniform_(layer.weight, a=5**0.5)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
