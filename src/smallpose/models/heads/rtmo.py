"""RTMO's dense head: at every cell of two levels a person, if there is one.

A cell says how sure it is of a person, his box, which of his joints can be seen, a vector that
describes his pose (for `coordinate_classifier`), and a first guess of the joints themselves, which
teaches the features in training and is not used later.
"""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from smallpose.models.codecs.offsets import GridPoints, make_grid_points
from smallpose.models.conv_norm import ConvNorm, init_uniform

STRIDES = (16, 32)
GROUPS = 8

_Conv = partial(ConvNorm, eps=1e-3, momentum=0.03, act="swish")


class RTMOOutputs(NamedTuple):
    """What all cells of a picture say; p cells, those at stride 16 first, row by row.

    Args:
        logits: (b, p, 1) of there being a person.
        boxes: (b, p, 4) centre and logarithm of the size, in strides, from the cell's point.
        visible: (b, p, k) logits of each joint being labelled.
        poses: (b, p, c) vectors.
        offsets: (b, p, 2k) joints in strides from the cell's point.
        xy, stride: (p, 2) and (p, 1) where the cells are, px.
    """

    logits: Tensor
    boxes: Tensor
    visible: Tensor
    poses: Tensor
    offsets: Tensor
    xy: Tensor
    stride: Tensor

    @property
    def points(self) -> GridPoints:
        """Where the cells are."""
        return GridPoints(self.xy, self.stride)


class RTMOHeadModule(nn.Module):
    """Two towers of convolutions for each level, one for the person and one for the pose.

    Args:
        in_channels: of both levels; half of them go to each tower.
        widen: size of the method.
        pose_channels: length of the pose vectors.
        joints: k.
    """

    def __init__(self, in_channels: int, widen: float, pose_channels: int, joints: int) -> None:
        super().__init__()
        half = in_channels // 2
        person, pose = int(256 * widen), GROUPS * int(36 * widen)

        def tower(width: int, depth: int, groups: int) -> nn.Sequential:
            layers = [_Conv(half, width, 3)]
            layers += [_Conv(width, width, 3, groups=groups) for _ in range(depth - 1)]
            return nn.Sequential(*layers)

        def out(width: int, channels: int) -> nn.ModuleList:
            return nn.ModuleList([nn.Conv2d(width, channels, 1) for _ in STRIDES])

        self.conv_cls = nn.ModuleList([tower(person, 2, 1) for _ in STRIDES])
        self.out_cls = out(person, 1)
        self.conv_pose = nn.ModuleList([tower(pose, 4, GROUPS) for _ in STRIDES])
        self.out_bbox = out(pose, 4)
        self.out_kpt_reg = out(pose, 2 * joints)
        self.out_kpt_vis = out(pose, joints)
        self.out_pose = out(pose, pose_channels)
        init_uniform(self)
        # At first every hundredth cell is a person, or the many empty ones drown the few others.
        for layer in self.out_cls:
            assert isinstance(layer, nn.Conv2d) and layer.bias is not None
            nn.init.constant_(layer.bias, -4.6)

    def forward(self, levels: tuple[Tensor, Tensor]) -> RTMOOutputs:
        """(b, in_channels, h, w) features of both levels to what their cells say."""
        said: list[list[Tensor]] = []
        for number, features in enumerate(levels):
            for_person, for_pose = features.chunk(2, dim=1)
            person = self.conv_cls[number](for_person)
            pose = self.conv_pose[number](for_pose)
            maps = (
                self.out_cls[number](person),
                self.out_bbox[number](pose),
                self.out_kpt_vis[number](pose),
                self.out_pose[number](pose),
                self.out_kpt_reg[number](pose),
            )
            said.append([m.flatten(2).transpose(1, 2) for m in maps])
        places = make_grid_points([x.shape[2:] for x in levels], STRIDES, levels[0])
        logits, boxes, visible, poses, offsets = (
            torch.cat(level, dim=1) for level in zip(*said, strict=True)
        )
        return RTMOOutputs(logits, boxes, visible, poses, offsets, places.xy, places.stride)
