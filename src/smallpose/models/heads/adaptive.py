"""DEKR's head: heatmaps, and for every joint a branch of its own that looks where it needs to.

A convolution's nine points are moved by an affine map that each pixel computes for itself, so that
the features of one joint gather around that joint (adaptive convolution). Moving the points is
what deformable convolutions do; here they are nine bilinear samplings and plain 1×1 convolutions,
which need no compiled operator.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smallpose.models.backbones.resnet import BasicBlock
from smallpose.models.conv_norm import ConvNorm

PER_JOINT = 15  # channels of each joint's branch
HEATMAP_CHANNELS = 32


def deform_conv(x: Tensor, offsets: Tensor, weight: Tensor) -> Tensor:
    """A 3×3 convolution whose nine points are moved at every pixel, group by group.

    Args:
        x: (b, g * c, h, w).
        offsets: (b, g, 9, 2, h, w) dy and dx in px, added to the regular grid's points.
        weight: (g * c_out, c, 3, 3).
    Returns: (b, g * c_out, h, w); outside the picture is 0, a bilinear sample fades towards it.
    """
    _, g, _, _, h, w = offsets.shape
    c = x.shape[1] // g
    maps = x.reshape(-1, c, h, w)  # (b * g, …)
    # Half precision has too few digits for the places of a large map's pixels.
    maps = maps.float()
    row = torch.arange(h, device=x.device, dtype=torch.float32)[:, None]
    column = torch.arange(w, device=x.device, dtype=torch.float32)
    total: Tensor | None = None
    kernels = weight.flatten(2).unbind(dim=2)
    # Unbound once: nine slices would each get a gradient of full size.
    for point, (moved, kernel) in enumerate(zip(offsets.unbind(dim=2), kernels, strict=True)):
        move = moved.float().reshape(-1, 2, h, w)
        y = row + (point // 3 - 1) + move[:, 0]
        at_x = column + (point % 3 - 1) + move[:, 1]
        # The picture's outer edges, half a pixel beyond the outer centres, are at -1 and 1.
        grid = torch.stack([(2 * at_x + 1) / w - 1, (2 * y + 1) / h - 1], dim=-1)
        seen = F.grid_sample(maps, grid, align_corners=False).to(x.dtype)
        part = F.conv2d(seen.reshape(-1, g * c, h, w), kernel[..., None, None], groups=g)
        total = part if total is None else total + part
    assert total is not None
    return total


class _DeformConv(nn.Module):
    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, channels // groups, 3, 3))
        nn.init.kaiming_uniform_(self.weight, nonlinearity="relu")


class AdaptiveBlock(nn.Module):
    """An adaptive convolution and a norm, added to the input.

    Args:
        joints: groups, each with its own points.
        per_joint: channels of each.
    """

    def __init__(self, joints: int, per_joint: int) -> None:
        super().__init__()
        channels = joints * per_joint
        self.joints = joints
        lines = (-1.0, 0.0, 1.0)
        points = [(y, x, 1.0) for y in lines for x in lines]
        self.register_buffer("regular_matrix", torch.tensor(points).T.contiguous())
        self.transform_matrix_conv = nn.Conv2d(channels, 6 * joints, 3, padding=1, groups=joints)
        self.adapt_conv = _DeformConv(channels, joints)
        self.norm = nn.BatchNorm2d(channels)
        nn.init.normal_(self.transform_matrix_conv.weight, std=0.001)
        assert self.transform_matrix_conv.bias is not None
        nn.init.zeros_(self.transform_matrix_conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(b, joints * per_joint, h, w) to the same."""
        affine = self.transform_matrix_conv(x).view(-1, self.joints, 2, 3, *x.shape[2:])
        # What the points become is added to where they are, as the checkpoints were trained.
        points = torch.einsum("bgrchw,cp->bgprhw", affine, self.get_buffer("regular_matrix"))
        moved = deform_conv(x, points, self.adapt_conv.weight)
        return F.relu(self.norm(moved) + x)


class RescoreNet(nn.Module):
    """How good a pose is, from its own shape; made for one skeleton's limbs.

    Args:
        joints: k.
        limbs: pairs of joints.
        torso: the two limbs whose mean length is the pose's unit.
    """

    def __init__(
        self, joints: int, limbs: tuple[tuple[int, int], ...], torso: tuple[int, int], hidden: int
    ) -> None:
        super().__init__()
        self.first = [a for a, _ in limbs]
        self.second = [b for _, b in limbs]
        self.torso = list(torso)
        self.l1 = nn.Linear(3 * len(limbs) + joints, hidden)
        self.l2 = nn.Linear(hidden, hidden)
        self.l3 = nn.Linear(hidden, 1)

    def forward(self, keypoints: Tensor, keypoint_scores: Tensor) -> Tensor:
        """(d, k, 2) px of the network's picture and (d, k) to (d,) factors of the scores."""
        limbs = keypoints[:, self.first] - keypoints[:, self.second]  # (d, limbs, 2)
        length = torch.linalg.vector_norm(limbs, dim=-1)
        unit = length[:, self.torso].mean(dim=1, keepdim=True).clamp(min=1)
        shape = [(limbs / unit[..., None]).flatten(1), length / unit, keypoint_scores]
        x = F.relu(self.l1(torch.cat(shape, dim=1)))
        return self.l3(F.relu(self.l2(x)))[:, 0]


class DekrHead(nn.Module):
    """A heatmap branch for all joints and the root, and an offset branch for each joint.

    Args:
        in_channels: of the stacked features.
        joints: k.
        per_joint: channels of each offset branch.
        rescore: the net that rescores poses; None for a skeleton it was not made for.
    """

    def __init__(
        self, in_channels: int, joints: int, per_joint: int, rescore: RescoreNet | None
    ) -> None:
        super().__init__()
        self.heatmap_conv_layers = nn.Sequential(
            ConvNorm(in_channels, HEATMAP_CHANNELS, act="relu"),
            BasicBlock(HEATMAP_CHANNELS, HEATMAP_CHANNELS, 1),
            nn.Conv2d(HEATMAP_CHANNELS, joints + 1, 1),
        )
        self.displacement_conv_layers = nn.Sequential(
            ConvNorm(in_channels, joints * per_joint, act="relu"),
            AdaptiveBlock(joints, per_joint),
            AdaptiveBlock(joints, per_joint),
            nn.Conv2d(joints * per_joint, 2 * joints, 1, groups=joints),
        )
        self.rescore_net = rescore
        for layer in (self.heatmap_conv_layers[2], self.displacement_conv_layers[3]):
            assert isinstance(layer, nn.Conv2d) and layer.bias is not None
            nn.init.normal_(layer.weight, std=0.001)
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(b, c, h, w) to (b, k + 1, h, w) heatmaps, the root last, and (b, 2k, h, w) offsets."""
        return self.heatmap_conv_layers(features), self.displacement_conv_layers(features)
