"""CID's head: where people are, and for each of them the picture's features as they concern him.

The feature at a person's root says which channels speak of him and, with the distance to his root,
which pixels do. What is left of the picture's features is read as if he were alone in it (global
feature decoupling).
"""

import math

import torch
from torch import Tensor, nn

from smallpose.models.layers import init_normal

CHANNELS = 32
SIGMOID_MARGIN = 1e-4  # probabilities keep this far from 0 and 1, whose logarithms the loss takes


def truncated_sigmoid(logits: Tensor) -> Tensor:
    """A sigmoid that reaches neither 0 nor 1."""
    # In half precision the number below 1 nearest to it would be 1.
    return logits.float().sigmoid().clamp(min=SIGMOID_MARGIN, max=1 - SIGMOID_MARGIN)


def sample_at_roots(features: Tensor, picture: Tensor, roots: Tensor) -> Tensor:
    """(b, c, h, w) features read at (n, 2) whole x, y of the given (n,) pictures, to (n, c)."""
    return features[picture, :, roots[:, 1], roots[:, 0]]


class IIAModule(nn.Module):
    def __init__(self, in_channels: int, joints: int) -> None:
        super().__init__()
        self.keypoint_root_conv = nn.Conv2d(in_channels, joints + 1, 1)


class ChannelAttention(nn.Module):
    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.atn = nn.Linear(in_channels, channels)


class SpatialAttention(ChannelAttention):
    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__(in_channels, channels)
        self.conv = nn.Conv2d(3, 1, 5, padding=2)


class GFDModule(nn.Module):
    """People's features and roots to their own heatmaps.

    Args:
        in_channels: of the stacked features.
        joints: k.
        channels: to which the features are brought down.
    """

    def __init__(self, in_channels: int, joints: int, channels: int = CHANNELS) -> None:
        super().__init__()
        self.conv_down = nn.Conv2d(in_channels, channels, 1)
        self.channel_attention = ChannelAttention(in_channels, channels)
        self.spatial_attention = SpatialAttention(in_channels, channels)
        self.fuse_attention = nn.Conv2d(2 * channels, channels, 1)
        self.heatmap_conv = nn.Conv2d(channels, joints, 1)

    def forward(self, features: Tensor, picture: Tensor, person: Tensor, roots: Tensor) -> Tensor:
        """Heatmaps of n people.

        Args:
            features: (b, c, h, w) of the pictures.
            picture: (n,) whose people they are.
            person: (n, c) their features.
            roots: (n, 2) whole x, y, map px.
        Returns: (n, k, h, w) in (0, 1).
        """
        # One convolution fuses what the channels' and what the places' attention made of the same
        # features. It is linear in both, so that its first half takes the channels' factors into
        # its weights, and its second half is worked out once for all people of a picture.
        down = self.conv_down(features)  # (b, channels, h, w)
        h, w = down.shape[2:]
        pixels = down.flatten(2)
        first, second = self.fuse_attention.weight.flatten(1).chunk(2, dim=1)
        base = second @ pixels
        # People of one picture need no copy of it each.
        pixels, base = (m[0] if len(features) == 1 else m[picture] for m in (pixels, base))
        by_channel = (first * self.channel_attention.atn(person)[:, None]) @ pixels
        alike = self.spatial_attention.atn(person)[:, None] @ pixels  # (n, 1, h * w)
        alike = alike.reshape(-1, 1, h, w)  # unflatten would write the number of people into ONNX
        place = torch.cat([alike, self._distance(roots, alike)], dim=1)  # (n, 3, h, w)
        at = self.spatial_attention.conv(place).sigmoid().flatten(2)  # (n, 1, h * w)
        bias = self.fuse_attention.bias
        assert bias is not None
        mixed = torch.relu(torch.addcmul(by_channel, base, at) + bias[:, None])
        return truncated_sigmoid(self.heatmap_conv(mixed.reshape(-1, len(first), h, w)))

    @staticmethod
    def _distance(roots: Tensor, like: Tensor) -> Tensor:
        """(n, 2, h, w) from every pixel's far corner to each root, in 32 map px."""
        n, _, h, w = like.shape
        x = roots[:, 0, None] - (torch.arange(w, device=like.device) + 0.5)  # (n, w)
        y = roots[:, 1, None] - (torch.arange(h, device=like.device) + 0.5)
        both = torch.stack([x[:, None].expand(n, h, w), y[..., None].expand(n, h, w)], dim=1)
        return both.to(like.dtype) / 32


class CIDHead(nn.Module):
    """Heatmaps of all people together with their roots, and the decoupler.

    Args:
        in_channels: of the stacked features.
        joints: k.
        std: of the beginning weights. Four small layers in a row learn slowly at first, which is
            for long trainings.
    """

    def __init__(
        self, in_channels: int, joints: int, channels: int = CHANNELS, std: float = 0.001
    ) -> None:
        super().__init__()
        self.iia_module = IIAModule(in_channels, joints)
        self.gfd_module = GFDModule(in_channels, joints, channels)
        init_normal(self, std)
        # A hundredth of the pixels are a peak, about: begin by saying so everywhere.
        for layer in (self.iia_module.keypoint_root_conv, self.gfd_module.heatmap_conv):
            assert layer.bias is not None
            nn.init.constant_(layer.bias, -math.log(99))

    def forward(self, features: Tensor) -> Tensor:
        """(b, c, h, w) to (b, k + 1, h, w) in (0, 1): keypoints of all people, roots last."""
        return truncated_sigmoid(self.iia_module.keypoint_root_conv(features))
