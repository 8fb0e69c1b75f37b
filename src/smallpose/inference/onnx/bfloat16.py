"""Compute a network in bfloat16 with OpenVINO, and its last layer in float32.

OpenVINO keeps in float32 what follows the last convolution or matrix product of a graph. To it a
transposed convolution is neither, so heads of transposed convolutions would be computed in
float32; and the last 1×1 convolution of heatmaps, behind them in the same graph, in bfloat16, whose
steps of 1/256 move peaks. Both are turned around here.
"""

from typing import Any

import torch
from torch import nn

from smallpose.methods.base import SplitNetwork

# OpenVINO's name of an attribute of nodes. A release without it is slower and no less exact.
TAIL_KEY = "enforceBF16evenForGraphTail"

_TRANSPOSED = "ConvolutionBackpropData"
_BETWEEN = ("BatchNormInference", "Multiply", "Add")  # it and its activation


def join_last_layer(split: SplitNetwork) -> nn.Sequential:
    """Return the layers with the last one, as a transposed convolution of the same weights.

    At a size of 1×1 both are the same sums.
    """
    network = nn.Sequential(split.layers, transpose_convolution(split.last).eval())
    network.training = False  # of the container; the layers are the method's
    return network


def transpose_convolution(layer: nn.Conv2d) -> nn.ConvTranspose2d:
    """Return the transposed convolution that computes what a 1×1 convolution does."""
    transposed = nn.ConvTranspose2d(
        layer.in_channels, layer.out_channels, 1, bias=layer.bias is not None
    )
    with torch.no_grad():
        transposed.weight.copy_(layer.weight.transpose(0, 1))
        if transposed.bias is not None and layer.bias is not None:
            transposed.bias.copy_(layer.bias)
    return transposed


def take_bfloat16_to_the_end(model: Any) -> None:
    """Let OpenVINO compute transposed convolutions and their activations in bfloat16.

    The last layer of `join_last_layer` has no activation and stays in float32.

    Args:
        model: OpenVINO's `Model`.
    """
    for node in model.get_ops():
        activation = _find_activation(node) if node.get_type_name() == _TRANSPOSED else None
        if activation is None:
            continue
        for part in (node, activation):
            part.get_rt_info()[TAIL_KEY] = "YES"


def _find_activation(node: Any) -> Any | None:
    """Return the activation that follows a transposed convolution and its norm; None without."""
    while len(readers := list(node.output(0).get_target_inputs())) == 1:
        node = readers[0].get_node()
        if node.get_type_name() == "Relu":
            return node
        if node.get_type_name() not in _BETWEEN:
            return None
    return None
