"""DEKR's head (Geng et al. 2021): heatmaps, and an adaptive offset branch for each joint.

The nine sampling points of a convolution are moved by an affine transform that each pixel predicts,
so that the features of a joint concentrate around it (adaptive convolution). Moving the points is
what deformable convolutions do; here they are a bilinear sampling and a matrix product, which need
no compiled operator.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smallpose.models.backbones.resnet import BasicBlock
from smallpose.models.conv_norm import ConvNorm

CHANNELS_PER_JOINT = 15  # of each joint's offset branch
HEATMAP_CHANNELS = 32
NUM_BLOCKS = 2  # adaptive convolutions of each joint's offset branch


def regular_grid_points(h: int, w: int, device: torch.device | None = None) -> Tensor:
    """Return x, y of a 3×3 convolution's points, (2, 9, h, w); the image's edges are -1 and 1."""
    step = torch.arange(-1.0, 2.0, device=device)
    y = (2 * (step[:, None] + torch.arange(h, device=device)) + 1) / h - 1  # (3, h)
    x = (2 * (step[:, None] + torch.arange(w, device=device)) + 1) / w - 1
    both = x[None, :, None], y[:, None, :, None]
    return torch.stack([axis.expand(3, 3, h, w).flatten(0, 1) for axis in both])


def deform_conv2d(x: Tensor, points: Tensor, weight: Tensor) -> Tensor:
    """Apply a 3×3 convolution whose nine points lie anywhere, group by group.

    Args:
        x: (b, g * c, h, w).
        points: (b, g, 2, 9, h, w) x and y, where the image's outer edges, half a pixel beyond the
            outer centres, are at -1 and 1.
        weight: (g * c_out, c, 3, 3).
    Returns: (b, g * c_out, h, w); outside the image is 0, a bilinear sample fades towards it.
    """
    b, g, _, _, h, w = points.shape
    c = x.shape[1] // g
    # One sampling of all nine points and one product: nine of each are half as slow again on small
    # maps.
    grid = points.reshape(b * g, 2, 9 * h, w).permute(0, 2, 3, 1)
    # Half precision has too few digits for positions in a large map.
    maps = x.reshape(b * g, c, h, w).to(points.dtype)
    samples = F.grid_sample(maps, grid, align_corners=False).to(x.dtype)
    kernels = weight.reshape(g, -1, c * 9)
    return (kernels @ samples.reshape(b, g, c * 9, h * w)).reshape(b, -1, h, w)


def add_moved_points(moves: Tensor, affine: Tensor, map_hw: tuple[int, int]) -> Tensor:
    """Return `regular_grid_points` plus moves @ affine, (n, 18, h * w).

    Args:
        moves: (18, 6).
        affine: (n, 6, h * w).
    """
    regular = regular_grid_points(*map_hw, affine.device).flatten(2).view(18, -1)
    if torch.onnx.is_in_onnx_export():
        return regular + moves @ affine  # baddbmm would be exported with its factors of 1
    # The product adds the points by itself, without another pass over all of them.
    return torch.baddbmm(regular[None], moves.expand(len(affine), 18, 6), affine)


def take_neighbours(x: Tensor, pixels: Tensor) -> Tensor:
    """Return the 3 × 3 neighbours of some pixels, 0 beyond the edges.

    Args:
        x: (b, c, h, w).
        pixels: (b, p) indices of the flat map.
    Returns: (b, c, 9, p), row by row.
    """
    b, channels, _, w = x.shape
    step = torch.arange(3, device=pixels.device)
    # Indices of the map with a border of a pixel.
    rows = (pixels // w)[:, None] + step.repeat_interleave(3)[:, None]
    columns = (pixels % w)[:, None] + step.repeat(3)[:, None]  # (b, 9, p)
    taken = (rows * (w + 2) + columns).flatten(1)[:, None].expand(-1, channels, -1)
    return F.pad(x, (1, 1, 1, 1)).flatten(2).gather(2, taken).view(b, channels, 9, -1)


class DeformConv(nn.Module):
    """The weights of a deformable 3×3 convolution."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, channels // groups, 3, 3))
        nn.init.kaiming_uniform_(self.weight, nonlinearity="relu")


class AdaptiveActivationBlock(nn.Module):
    """An adaptive convolution (Sec. 3.2) and a norm, added to the input.

    Args:
        joints: groups, each with its own sampling points.
        channels_per_joint: channels of each.
    """

    def __init__(self, joints: int, channels_per_joint: int) -> None:
        super().__init__()
        channels = joints * channels_per_joint
        self.joints = joints
        steps = (-1.0, 0.0, 1.0)
        points = [(y, x, 1.0) for y in steps for x in steps]
        self.register_buffer("regular_matrix", torch.tensor(points).T.contiguous())
        self.transform_matrix_conv = nn.Conv2d(channels, 6 * joints, 3, padding=1, groups=joints)
        self.adapt_conv = DeformConv(channels, joints)
        self.norm = nn.BatchNorm2d(channels)
        nn.init.normal_(self.transform_matrix_conv.weight, std=0.001)
        assert self.transform_matrix_conv.bias is not None
        nn.init.zeros_(self.transform_matrix_conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, joints * channels_per_joint, h, w) to the same shape."""
        b, _, h, w = x.shape
        affine = self.transform_matrix_conv(x).float().reshape(b * self.joints, 6, h * w)
        with torch.autocast(x.device.type, enabled=False):
            points = add_moved_points(self._get_moves((h, w)), affine, (h, w))
        adapted = deform_conv2d(x, points.view(b, -1, 2, 9, h, w), self.adapt_conv.weight)
        return F.relu(self.norm(adapted) + x)

    def _get_moves(self, map_hw: tuple[int, int]) -> Tensor:
        """Return (18, 6), from the map's dy and dx to the moves of x and y at the nine points."""
        h, w = map_hw
        # The transformed points, in px, are added to the regular ones: checkpoints were trained so.
        matrix = self.get_buffer("regular_matrix").float()
        moves = matrix.new_zeros(2, 9, 2, 3)
        moves[0, :, 1] = matrix.T * (2 / w)
        moves[1, :, 0] = matrix.T * (2 / h)
        return moves.view(18, 6)

    def compute_at(self, x: Tensor, pixels: Tensor) -> Tensor:
        """Compute some pixels of the output alone; in training, the norm's statistics are theirs.

        Args:
            x: as in `forward`.
            pixels: (b, p) indices of the flat map.
        Returns: (b, joints * channels_per_joint, p, 1).
        """
        b, channels, h, w = x.shape
        g, c, p = self.joints, channels // self.joints, pixels.shape[1]
        neighbours = take_neighbours(x, pixels)
        convolution = self.transform_matrix_conv
        assert convolution.bias is not None
        kernels = convolution.weight.reshape(g, 6, c * 9)
        affine = (kernels @ neighbours.reshape(b, g, c * 9, p)).float()
        affine = affine + convolution.bias.view(g, 6, 1).float()
        with torch.autocast(x.device.type, enabled=False):
            regular = regular_grid_points(h, w, x.device).flatten(2).view(18, -1)
            regular = regular.T[pixels].mT  # (b, 18, p)
            points = regular[:, None] + self._get_moves((h, w)) @ affine
        grid = points.view(b * g, 2, 9, p).permute(0, 2, 3, 1)
        maps = x.reshape(b * g, c, h, w).to(points.dtype)
        samples = F.grid_sample(maps, grid, align_corners=False).to(x.dtype)
        kernels = self.adapt_conv.weight.reshape(g, -1, c * 9)
        adapted = (kernels @ samples.reshape(b, g, c * 9, p)).reshape(b, channels, p, 1)
        return F.relu(self.norm(adapted) + neighbours[:, :, 4, :, None])


class RescoreNet(nn.Module):
    """Predicts the quality of a pose from its shape; made for one skeleton's limbs.

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
        """Map (d, k, 2) px of the network's image and (d, k) scores to (d,) factors of scores."""
        limbs = keypoints[:, self.first] - keypoints[:, self.second]  # (d, limbs, 2)
        length = torch.linalg.vector_norm(limbs, dim=-1)
        unit = length[:, self.torso].mean(dim=1, keepdim=True).clamp(min=1)
        shape = [(limbs / unit[..., None]).flatten(1), length / unit, keypoint_scores]
        x = F.relu(self.l1(torch.cat(shape, dim=1)))
        return self.l3(F.relu(self.l2(x)))[:, 0]


class DEKRHead(nn.Module):
    """A heatmap branch for all joints and the root, and an offset branch for each joint.

    Args:
        in_channels: of the stacked features.
        joints: k.
        channels_per_joint: channels of each offset branch.
        num_blocks: adaptive convolutions of each offset branch.
        rescore_net: scores poses by their shape; None for a skeleton it was not made for.
    """

    def __init__(
        self,
        in_channels: int,
        joints: int,
        channels_per_joint: int,
        num_blocks: int,
        rescore_net: RescoreNet | None,
    ) -> None:
        super().__init__()
        channels = joints * channels_per_joint
        self.heatmap_conv_layers = nn.Sequential(
            ConvNorm(in_channels, HEATMAP_CHANNELS, act="relu"),
            BasicBlock(HEATMAP_CHANNELS, HEATMAP_CHANNELS, 1),
            nn.Conv2d(HEATMAP_CHANNELS, joints + 1, 1),
        )
        self.displacement_conv_layers = nn.Sequential(
            ConvNorm(in_channels, channels, act="relu"),
            *(AdaptiveActivationBlock(joints, channels_per_joint) for _ in range(num_blocks)),
            nn.Conv2d(channels, 2 * joints, 1, groups=joints),
        )
        self.rescore_net = rescore_net
        for layer in (self.heatmap_conv_layers[2], self.displacement_conv_layers[-1]):
            assert isinstance(layer, nn.Conv2d) and layer.bias is not None
            nn.init.normal_(layer.weight, std=0.001)
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Map (b, c, h, w) to (b, k + 1, h, w) heatmaps, root last, and (b, 2k, h, w) offsets."""
        return self.heatmap_conv_layers(features), self.displacement_conv_layers(features)

    def compute_offsets_at(self, features: Tensor, pixels: Tensor) -> Tensor:
        """Compute the offsets of some pixels alone.

        Args:
            features: (b, c, h, w).
            pixels: (b, p) indices of the flat map, different ones.
        Returns: (b, 2k, h, w), 0 elsewhere.
        """
        *layers, last_block, convolution = self.displacement_conv_layers
        x = features
        for layer in layers:
            x = layer(x)
        assert isinstance(last_block, AdaptiveActivationBlock)
        offsets: Tensor = convolution(last_block.compute_at(x, pixels))[..., 0]
        b, channels, _ = offsets.shape
        h, w = features.shape[2:]
        where = pixels[:, None].expand(-1, channels, -1)
        return offsets.new_zeros(b, channels, h * w).scatter(2, where, offsets).view(b, -1, h, w)
