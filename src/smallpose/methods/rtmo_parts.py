"""RTMO in three parts, and with its linear layers folded.

The middle part may be computed in bfloat16 (`SplitStages`); engines compute the folded network.
"""

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from smallpose.methods.split_network import SplitStages
from smallpose.models.backbones.csp_darknet import CSPDarknet, fold_focus
from smallpose.models.heads.folded_encoder import FoldedEncoder
from smallpose.models.heads.hybrid_encoder import HybridEncoder
from smallpose.models.heads.rtmo import RTMOHeadModule, RTMOOutputs


@dataclass(frozen=True)
class RTMONetwork:
    """What maps images to the outputs of grid cells."""

    backbone: CSPDarknet
    neck: HybridEncoder | FoldedEncoder
    head_module: RTMOHeadModule


class FineStages(nn.Module):
    """The backbone up to stride 8."""

    def __init__(self, backbone: CSPDarknet) -> None:
        super().__init__()
        self.backbone = backbone
        self.training = False  # of the container; the layers are the method's

    def forward(self, images: Tensor) -> Tensor:
        """Map (b, 3, h, w) BGR images to features at stride 8."""
        return self.backbone.compute_finest(images)


class CoarseStages(nn.Module):
    """The backbone from stride 8 on, and the neck."""

    def __init__(self, backbone: CSPDarknet, neck: HybridEncoder | FoldedEncoder) -> None:
        super().__init__()
        self.backbone, self.neck = backbone, neck
        self.training = False

    def forward(self, stride8: Tensor) -> tuple[Tensor, Tensor]:
        """Map features at stride 8 to those at strides 16 and 32 that the head gets."""
        fused: tuple[Tensor, Tensor] = self.neck((stride8, *self.backbone.compute_coarser(stride8)))
        return fused


class CellHead(nn.Module):
    """The dense head."""

    def __init__(self, head_module: RTMOHeadModule) -> None:
        super().__init__()
        self.head_module = head_module
        self.training = False

    def forward(self, *levels: Tensor) -> RTMOOutputs:
        """Map features at strides 16 and 32 to the outputs of their grid cells."""
        outputs: RTMOOutputs = self.head_module(levels)
        return outputs


def split_rtmo(network: RTMONetwork) -> SplitStages:
    """Return the parts of a network."""
    return SplitStages(
        first=FineStages(network.backbone),
        middle=CoarseStages(network.backbone, network.neck),
        last=CellHead(network.head_module),
        middle_name="backbone from stride 8 on and its neck",
        fold=lambda: split_rtmo(fold_rtmo(network)),
    )


def fold_rtmo(network: RTMONetwork) -> RTMONetwork:
    """Return a copy in eval mode with the linear layers folded into each other."""
    assert isinstance(network.neck, HybridEncoder)
    # Tensors that are made in inference mode cannot be traced.
    with torch.inference_mode(False), torch.no_grad():
        backbone = deepcopy(network.backbone)
        backbone.add_module("stem", fold_focus(backbone.stem))
        neck, head_module = FoldedEncoder(network.neck), deepcopy(network.head_module)
    for part in (backbone, neck, head_module):
        part.eval().requires_grad_(False)
    return RTMONetwork(backbone, neck, head_module)


class FoldedRTMO(nn.Module):
    """RTMO of eval mode with its linear layers folded into each other, and weights of its own."""

    def __init__(self, network: RTMONetwork) -> None:
        super().__init__()
        folded = fold_rtmo(network)
        self.backbone, self.neck = folded.backbone, folded.neck
        self.head_module = folded.head_module
        self.training = False

    def forward(self, images: Tensor) -> RTMOOutputs:
        """Map (b, 3, h, w) BGR images to the outputs of their grid cells."""
        outputs: RTMOOutputs = self.head_module(self.neck(self.backbone(images)))
        return outputs
