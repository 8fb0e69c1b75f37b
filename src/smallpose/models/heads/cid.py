"""CID's head (Wang and Zhang 2022): a map of roots, and heatmaps of each person.

IIA (instance information abstraction) reads the feature at each person's root. GFD (global feature
decoupling) recalibrates the image's features with it: its channels, and with the distance to the
root also its pixels. The result is decoded as if the person were alone in the image.
"""

import math

import torch
from torch import Tensor, nn

from smallpose.models.layers import init_normal

CHANNELS = 32
ROOT_UNIT = 32.0  # map px, in which distances to roots are measured
SIGMOID_MARGIN = 1e-4  # probabilities keep this distance from 0 and 1: the loss takes logarithms


def truncated_sigmoid(logits: Tensor) -> Tensor:
    """Apply a sigmoid that reaches neither 0 nor 1."""
    # In half precision the number below 1 nearest to it would be 1.
    return logits.float().sigmoid().clamp(min=SIGMOID_MARGIN, max=1 - SIGMOID_MARGIN)


def sample_at_roots(features: Tensor, image_index: Tensor, roots: Tensor) -> Tensor:
    """Read (b, c, h, w) features at (n, 2) whole x, y of the given (n,) images, (n, c)."""
    return features[image_index, :, roots[:, 1], roots[:, 0]]


class IIAModule(nn.Module):
    """Instance information abstraction: the heatmaps of all people and of their roots."""

    def __init__(self, in_channels: int, joints: int) -> None:
        super().__init__()
        self.keypoint_root_conv = nn.Conv2d(in_channels, joints + 1, 1)


class ChannelAttention(nn.Module):
    """Weights that recalibrate the channels for a person."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.atn = nn.Linear(in_channels, channels)


class SpatialAttention(ChannelAttention):
    """Weights that recalibrate the pixels for a person.

    Args:
        num_maps: the similarity to the person and the maps of distances to their root.
    """

    def __init__(self, in_channels: int, channels: int, num_maps: int = 3) -> None:
        super().__init__(in_channels, channels)
        self.conv = nn.Conv2d(num_maps, 1, 5, padding=2)


class GFDModule(nn.Module):
    """Global feature decoupling: instance features and roots to each person's heatmaps.

    Args:
        in_channels: of the stacked features.
        joints: k.
        channels: to which the features are reduced.
        root_unit: map px in which distances to roots are measured.
        has_radius: whether spatial attention gets the square of the distance as well, which a
            convolution of x and y cannot compute. Without it, that a person is around their root
            has to be learned from the similarity of features.
    """

    def __init__(
        self,
        in_channels: int,
        joints: int,
        channels: int = CHANNELS,
        root_unit: float = ROOT_UNIT,
        has_radius: bool = False,
    ) -> None:
        super().__init__()
        self.root_unit, self.has_radius = root_unit, has_radius
        self.conv_down = nn.Conv2d(in_channels, channels, 1)
        self.channel_attention = ChannelAttention(in_channels, channels)
        self.spatial_attention = SpatialAttention(in_channels, channels, 4 if has_radius else 3)
        self.fuse_attention = nn.Conv2d(2 * channels, channels, 1)
        self.heatmap_conv = nn.Conv2d(channels, joints, 1)

    def forward(
        self, features: Tensor, image_index: Tensor, instance_features: Tensor, roots: Tensor
    ) -> Tensor:
        """Compute the heatmaps of n people.

        Args:
            features: (b, c, h, w) of the images.
            image_index: (n,) image of each person.
            instance_features: (n, c) features at the roots.
            roots: (n, 2) whole x, y, map px.
        Returns: (n, k, h, w) in (0, 1).
        """
        # One convolution fuses the outputs of channel and spatial attention, both computed from the
        # same features. It is linear in both: the channel weights can go into the first half of its
        # kernel, and its second half is computed once for all people of an image.
        down = self.conv_down(features)  # (b, channels, h, w)
        h, w = down.shape[2:]
        pixels = down.flatten(2)
        channel_kernel, spatial_kernel = self.fuse_attention.weight.flatten(1).chunk(2, dim=1)
        spatial_base = spatial_kernel @ pixels
        if len(features) == 1:  # people of one image need no copy of it each
            pixels, spatial_base = pixels[0], spatial_base[0]
        else:
            pixels, spatial_base = pixels[image_index], spatial_base[image_index]
        channel_weights = self.channel_attention.atn(instance_features)[:, None]
        by_channel = (channel_kernel * channel_weights) @ pixels
        similarity = self.spatial_attention.atn(instance_features)[:, None] @ pixels  # (n, 1, h*w)
        # `unflatten` would write the number of people into ONNX.
        similarity = similarity.reshape(-1, 1, h, w)
        distance = self._distance_to_roots(roots, similarity)
        spatial_input = torch.cat([similarity, distance], dim=1)  # (n, 3 or 4, h, w)
        pixel_weights = self.spatial_attention.conv(spatial_input).sigmoid().flatten(2)
        bias = self.fuse_attention.bias
        assert bias is not None
        fused = torch.addcmul(by_channel, spatial_base, pixel_weights) + bias[:, None]
        decoupled = torch.relu(fused).reshape(-1, len(channel_kernel), h, w)
        return truncated_sigmoid(self.heatmap_conv(decoupled))

    def _distance_to_roots(self, roots: Tensor, like: Tensor) -> Tensor:
        """Return the offsets x, y from every pixel to each root, (n, 2, h, w), in `root_unit`.

        With `has_radius` a third map is their squared length. Pixels are taken at their bottom
        right corners, as the published weights were trained.
        """
        n, _, h, w = like.shape
        x = roots[:, 0, None] - (torch.arange(w, device=like.device) + 0.5)  # (n, w)
        y = roots[:, 1, None] - (torch.arange(h, device=like.device) + 0.5)
        both = torch.stack([x[:, None].expand(n, h, w), y[..., None].expand(n, h, w)], dim=1)
        both = both.to(like.dtype) / self.root_unit
        if not self.has_radius:
            return both
        return torch.cat([both, both.square().sum(dim=1, keepdim=True)], dim=1)


class CIDHead(nn.Module):
    """IIA and GFD: heatmaps of all people with their roots, and of each person.

    Args:
        in_channels: of the stacked features.
        joints: k.
        std: of the initial weights. Four small layers in a row learn slowly at first, which suits
            long trainings.
        root_unit, has_radius: of the `GFDModule`.
    """

    def __init__(
        self,
        in_channels: int,
        joints: int,
        channels: int = CHANNELS,
        std: float = 0.001,
        root_unit: float = ROOT_UNIT,
        has_radius: bool = False,
    ) -> None:
        super().__init__()
        self.iia_module = IIAModule(in_channels, joints)
        self.gfd_module = GFDModule(in_channels, joints, channels, root_unit, has_radius)
        init_normal(self, std)
        # About one pixel in a hundred is a peak; predict this prior everywhere at first.
        for layer in (self.iia_module.keypoint_root_conv, self.gfd_module.heatmap_conv):
            assert layer.bias is not None
            nn.init.constant_(layer.bias, -math.log(99))

    def forward(self, features: Tensor) -> Tensor:
        """Map (b, c, h, w) to (b, k + 1, h, w) in (0, 1): all people's keypoints, roots last."""
        return truncated_sigmoid(self.iia_module.keypoint_root_conv(features))
