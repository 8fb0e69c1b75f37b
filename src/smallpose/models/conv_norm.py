"""A convolution, its norm and its activation as one layer, with the names `conv` and `bn`.

The whole-image methods are built of these; their checkpoints name the weights so.
"""

import torch
from torch import Tensor, nn


class Swish(nn.Module):
    """SiLU as two operations, which round otherwise than one.

    RTMO's coordinate classifier turns last bits into tenths of a pixel, and the published weights
    were trained and tested with these.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same."""
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
        kernel: odd side.
        act: "silu", "swish", "relu" or "" for none.
        eps, momentum: of the norm.
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
        eps: float = 1e-5,
        momentum: float = 0.1,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        self.bn = nn.BatchNorm2d(out_channels, eps, momentum)
        self.act = _ACTIVATIONS[act]()

    def forward(self, x: Tensor) -> Tensor:
        """(b, in_channels, h, w) to (b, out_channels, h / stride, w / stride)."""
        return self.act(self.bn(self.conv(x)))


def init_uniform(module: nn.Module) -> None:
    """Convolutions from a uniform distribution of variance 1 / (3 fan-in), as YOLOX begins."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_uniform_(layer.weight, a=5**0.5)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
