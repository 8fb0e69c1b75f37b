"""RTMO's head module (Lu et al. 2024): for every grid cell of two levels, a person if there is one.

A cell predicts a score, the person's box, the visibility of their joints, a pose vector (for the
dynamic coordinate classifier), and the joints by regression, which supervises the features in
training and is not used at test time.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from smallpose.models.codecs.offsets import (
    GridPoints,
    corners_to_center_size,
    make_grid_points,
)
from smallpose.models.conv_norm import YOLOXConv, init_uniform
from smallpose.models.heads.rtmo_dcc import DynamicCoordinateClassifier

STRIDES = (16, 32)
GROUPS = 8
BOX_PADDING = 1.25  # the classifier's bins cover the box enlarged by this factor


class RTMOOutputs(NamedTuple):
    """Raw outputs of all p grid cells of each image, those of stride 16 first, row by row.

    Args:
        cls_scores: (b, p, 1) logits of there being a person.
        bbox_preds: (b, p, 4) centre and logarithm of the size, in strides, from the grid point.
        kpt_vis: (b, p, k) logits of each joint being labelled.
        pose_vecs: (b, p, c) pose vectors.
        kpt_offsets: (b, p, 2k) joints in strides from the grid point.
        xy, stride: (p, 2) and (p, 1) positions and strides of the grid points, px.
    """

    cls_scores: Tensor
    bbox_preds: Tensor
    kpt_vis: Tensor
    pose_vecs: Tensor
    kpt_offsets: Tensor
    xy: Tensor
    stride: Tensor

    @property
    def grid_points(self) -> GridPoints:
        """Return the points of the cells."""
        return GridPoints(self.xy, self.stride)


class RTMOTrainingOutputs(NamedTuple):
    """Outputs of a training with the dense head.

    Args:
        cells: outputs of the grid cells.
        joint_logits: (b, k, h / 8, w / 8) of the dense head.
    """

    cells: RTMOOutputs
    joint_logits: Tensor


class RTMOHeadModule(nn.Module):
    """Two towers of convolutions for each level, one for the score and one for the pose.

    Args:
        in_channels: of both levels; half of them go to each tower.
        widen: width factor of the method.
        pose_channels: length of the pose vectors.
        joints: k.
    """

    def __init__(self, in_channels: int, widen: float, pose_channels: int, joints: int) -> None:
        super().__init__()
        half = in_channels // 2
        cls_width = int(256 * widen)
        pose_width = GROUPS * int(36 * widen)

        def make_tower(width: int, depth: int, groups: int) -> nn.Sequential:
            layers = [YOLOXConv(half, width, 3)]
            layers += [YOLOXConv(width, width, 3, groups=groups) for _ in range(depth - 1)]
            return nn.Sequential(*layers)

        def make_outputs(width: int, channels: int) -> nn.ModuleList:
            return nn.ModuleList([nn.Conv2d(width, channels, 1) for _ in STRIDES])

        self.conv_cls = nn.ModuleList([make_tower(cls_width, 2, 1) for _ in STRIDES])
        self.out_cls = make_outputs(cls_width, 1)
        self.conv_pose = nn.ModuleList([make_tower(pose_width, 4, GROUPS) for _ in STRIDES])
        self.out_bbox = make_outputs(pose_width, 4)
        self.out_kpt_reg = make_outputs(pose_width, 2 * joints)
        self.out_kpt_vis = make_outputs(pose_width, joints)
        self.out_pose = make_outputs(pose_width, pose_channels)
        init_uniform(self)
        # A prior of one person in a hundred cells, or the many empty ones dominate at first.
        for layer in self.out_cls:
            assert isinstance(layer, nn.Conv2d) and layer.bias is not None
            nn.init.constant_(layer.bias, -4.6)

    def forward(self, levels: tuple[Tensor, Tensor]) -> RTMOOutputs:
        """Map (b, in_channels, h, w) features of both levels to the outputs of their cells."""
        outputs: list[list[Tensor]] = []
        for level, features in enumerate(levels):
            cls_features, pose_features = features.chunk(2, dim=1)
            cls_features = self.conv_cls[level](cls_features)
            pose_features = self.conv_pose[level](pose_features)
            maps = (
                self.out_cls[level](cls_features),
                self.out_bbox[level](pose_features),
                self.out_kpt_vis[level](pose_features),
                self.out_pose[level](pose_features),
                self.out_kpt_reg[level](pose_features),
            )
            outputs.append([m.flatten(2).transpose(1, 2) for m in maps])
        points = make_grid_points([x.shape[2:] for x in levels], STRIDES, levels[0])
        cls_scores, bbox_preds, kpt_vis, pose_vecs, kpt_offsets = (
            torch.cat(column, dim=1) for column in zip(*outputs, strict=True)
        )
        return RTMOOutputs(
            cls_scores=cls_scores,
            bbox_preds=bbox_preds,
            kpt_vis=kpt_vis,
            pose_vecs=pose_vecs,
            kpt_offsets=kpt_offsets,
            xy=points.xy,
            stride=points.stride,
        )


class RTMOHead(nn.Module):
    """The head module and the dynamic coordinate classifier, under their names in checkpoints.

    Args:
        sigmas: (k,) OKS tolerances of the joints.
    """

    def __init__(
        self, head_module: RTMOHeadModule, dcc: DynamicCoordinateClassifier, sigmas: Tensor
    ) -> None:
        super().__init__()
        self.head_module = head_module
        self.dcc = dcc
        self.loss_oks = nn.Module()
        self.loss_oks.register_buffer("sigmas", sigmas)

    @property
    def sigmas(self) -> Tensor:
        """Return the (k,) OKS tolerances."""
        return self.loss_oks.get_buffer("sigmas")

    def classify(
        self, pose_vecs: Tensor, boxes: Tensor, points_xy: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the joints of n people.

        Args:
            pose_vecs: (n, c).
            boxes: (n, 4) corners, px.
            points_xy: (n, 2) of the cells that detected the people, px.
        Returns: as `DynamicCoordinateClassifier.forward`.
        """
        center, size = corners_to_center_size(boxes)
        return self.dcc(pose_vecs, center, size * BOX_PADDING, points_xy)

    def allocate_bins(self, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Return the positions of the bins of (n, 4) boxes, (n, x_bins) and (n, y_bins), px."""
        center, size = corners_to_center_size(boxes)
        return self.dcc.allocate_bins(center, size * BOX_PADDING)
