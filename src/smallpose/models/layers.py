"""Small layers, and how weights begin."""

from torch import nn


def make_conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size at stride 1 and, before a norm, needs no bias."""
    return nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False)


def init_normal(module: nn.Module, std: float) -> None:
    """Weights from a normal, biases 0, norms 1 and 0, in the module and all below it."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(layer.weight, std=std)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d | nn.GroupNorm | nn.LayerNorm):
            nn.init.ones_(layer.weight)
            nn.init.zeros_(layer.bias)
