"""A head of joint heatmaps that exists in training alone, for networks that predict no heatmaps.

It gives the features of stride 8 a gradient at every pixel. Methods that predict people at few grid
cells learn little from short trainings without it: most gradients reach the features through the
few cells of each person.
"""

import math

import torch
from torch import Tensor, nn

from smallpose.models.codecs.center_heatmap import merge_heatmaps
from smallpose.models.codecs.decoupled_heatmap import compute_person_sigma
from smallpose.models.codecs.gaussian import draw_gaussians
from smallpose.models.conv_norm import ConvNorm
from smallpose.models.heads.cid import truncated_sigmoid
from smallpose.models.losses import focal_heatmap_loss

STRIDE = 8
MIN_SIGMA = 1e-3  # map px


class DenseJointHead(nn.Module):
    """A 3×3 and a 1×1 convolution that map features to the logits of each joint's heatmap.

    Args:
        in_channels: of the features.
        joints: k.
    """

    def __init__(self, in_channels: int, joints: int) -> None:
        super().__init__()
        self.conv = ConvNorm(in_channels, in_channels, 3)
        self.out = nn.Conv2d(in_channels, joints, 1)
        nn.init.normal_(self.out.weight, std=0.01)
        assert self.out.bias is not None
        nn.init.constant_(self.out.bias, -math.log(99))  # about one pixel in a hundred is a joint

    def forward(self, features: Tensor) -> Tensor:
        """Map (b, in_channels, h, w) to (b, k, h, w)."""
        return self.out(self.conv(features))


def encode_joint_heatmaps(
    keypoints: Tensor, corners: Tensor, image_index: Tensor, map_bhw: tuple[int, int, int]
) -> Tensor:
    """Encode the n people of a batch as (b, k, h, w) heatmaps of their joints at `STRIDE`.

    Args:
        keypoints: (n, k, 3) x, y in px of the images and v.
        corners: (n, 4, 2) of their boxes, px of the images.
        image_index: (n,) of their images.
        map_bhw: number of images and size of the maps.
    """
    b, h, w = map_bhw
    sigma = compute_person_sigma(corners / STRIDE).clamp(min=MIN_SIGMA)[:, None]
    # A pixel of the map stands for a block of pixels of the image, about its middle.
    center = ((keypoints[..., :2] - (STRIDE - 1) / 2) / STRIDE).round()
    reach = 3 * sigma[..., None]
    size = center.new_tensor([w, h])
    is_drawn = (keypoints[..., 2] > 0) & ((center >= 0) & (center < size)).all(dim=-1)
    maps = draw_gaussians(center, sigma, (center - reach, center + reach), is_drawn, (w, h))
    return torch.stack([merge_heatmaps(maps[image_index == image]) for image in range(b)])


def compute_dense_loss(logits: Tensor, heatmaps: Tensor, unlabelled_mask: Tensor) -> Tensor:
    """Compute the focal loss of the heatmaps; pixels of unlabelled people do not count.

    Args:
        logits, heatmaps: (b, k, h, w).
        unlabelled_mask: (b, …, …) 1 where people are not labelled, of any size.
    """
    counted = nn.functional.interpolate(1 - unlabelled_mask[:, None], heatmaps.shape[-2:])
    return focal_heatmap_loss(truncated_sigmoid(logits), heatmaps, counted)
