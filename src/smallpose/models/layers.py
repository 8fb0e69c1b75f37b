"""Small layers and weight initialisation."""

from torch import nn


def make_conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """Create a convolution that keeps the size at stride 1; a norm follows, so it has no bias."""
    return nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False)


def init_normal(module: nn.Module, std: float) -> None:
    """Initialise weights from a normal distribution, biases with 0, norms with 1 and 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(layer.weight, std=std)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d | nn.GroupNorm | nn.LayerNorm):
            nn.init.ones_(layer.weight)
            nn.init.zeros_(layer.bias)


def init_convolutions(module: nn.Module) -> None:
    """Initialise convolutions for training from scratch (He et al. 2015)."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
