"""RTMO's dynamic coordinate classifier: where in a person's box is each joint?

Bins are laid over the person's own box, so their width goes with his size, and each is described
by waves of its distance from the cell that found him. A joint is a token made from the cell's pose
vector; its product with a bin's description says how likely the joint lies there. The answer is
the expected position.
"""

import torch
from torch import Tensor, nn

from smallpose.models.heads.hybrid_encoder import SinePositionalEncoding

FEATURES = 128
BINS_XY = (192, 256)


class _ScaleNorm(nn.Module):
    """Tokens divided by their root mean square, times one learned number."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.ones(1))
        self.scale = channels**-0.5

    def forward(self, x: Tensor) -> Tensor:
        size = torch.linalg.vector_norm(x, dim=-1, keepdim=True) * self.scale
        return x / size.clamp(min=1e-5) * self.g


class _Scale(nn.Module):
    """Learned factors, one or one for each channel."""

    def __init__(self, begin: Tensor) -> None:
        super().__init__()
        self.scale = nn.Parameter(begin)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class GatedAttentionUnit(nn.Module):
    """Attention among the joints of a person, without a softmax, gated by themselves."""

    def __init__(self, channels: int, width: int, keys: int) -> None:
        super().__init__()
        self.split = (width, width, keys)
        self.ln = _ScaleNorm(channels)
        self.uv = nn.Linear(channels, 2 * width + keys, bias=False)
        self.o = nn.Linear(width, channels, bias=False)
        self.gamma = nn.Parameter(torch.rand(2, keys))
        self.beta = nn.Parameter(torch.rand(2, keys))
        self.res_scale = _Scale(torch.ones(channels))
        nn.init.xavier_uniform_(self.uv.weight)

    def forward(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """(n, k, c) tokens and (k, keys) encodings of which joint each is, to (n, k, c)."""
        u, v, base = nn.functional.silu(self.uv(self.ln(tokens))).split(self.split, dim=-1)
        asked, offered = (base[..., None, :] * self.gamma + self.beta).unbind(dim=-2)
        asked, offered = asked + positions, offered + positions
        match = asked @ offered.transpose(-1, -2) / self.split[2] ** 0.5
        seen = torch.relu(match).square() @ v
        return self.res_scale(tokens) + self.o(u * seen)


class DynamicCoordinateClassifier(nn.Module):
    """Pose vectors and boxes to joints.

    Args:
        pose_channels: length of the vectors.
        joints: k.
        bins_xy: number of bins along each axis.
        features: channels of a joint's token and of a bin's description.
        spread: standard deviation with which the joints' encodings begin. The attention squares
            their products, so with 1, as published methods begin, the bins are sharp and wrong at
            first, which takes long to unlearn.
    """

    def __init__(
        self,
        pose_channels: int,
        joints: int,
        bins_xy: tuple[int, int] = BINS_XY,
        features: int = FEATURES,
        spread: float = 1.0,
    ) -> None:
        super().__init__()
        self.joints = joints
        self.pos_enc = nn.Parameter(spread * torch.randn(joints, features))
        self.register_buffer("x_bins", torch.linspace(-0.5, 0.5, bins_xy[0]))
        self.register_buffer("y_bins", torch.linspace(-0.5, 0.5, bins_xy[1]))
        self.spe = SinePositionalEncoding(features, 300)
        self.gau = GatedAttentionUnit(features, 2 * features, features)
        self.pose_to_kpts = nn.Sequential(
            nn.Linear(pose_channels, joints * features), nn.BatchNorm1d(joints * features)
        )
        self.x_fc = nn.Linear(features, features)
        self.y_fc = nn.Linear(features, features)
        self.sigma_fc = nn.Sequential(
            nn.Linear(pose_channels, joints), nn.Sigmoid(), _Scale(torch.tensor(0.1))
        )

    def bins(self, center: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 2) centres and sizes of boxes to the bins' positions, (n, x_bins), (n, y_bins)."""
        x = self.get_buffer("x_bins") * size[:, :1] + center[:, :1]
        y = self.get_buffer("y_bins") * size[:, 1:] + center[:, 1:]
        return x, y

    def forward(
        self, poses: Tensor, center: Tensor, size: Tensor, points: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Where the joints of n people lie.

        Args:
            poses: (n, c) vectors.
            center, size: (n, 2) of the boxes that the bins cover, px.
            points: (n, 2) of the cells that found them, px.
        Returns: (n, k, 2) joints in px, and the probabilities of the bins, (n, k, x_bins) and
            (n, k, y_bins).
        """
        tokens = self._tokens(poses).view(-1, *self.pos_enc.shape)
        tokens = self.gau(tokens, self.pos_enc)
        near_x, near_y = self.bins(center - points, size)  # seen from the cell
        p_x = _softmax(tokens @ self.x_fc(self.spe(near_x)).transpose(-1, -2))
        p_y = _softmax(tokens @ self.y_fc(self.spe(near_y)).transpose(-1, -2))
        x, y = self.bins(center, size)
        joints = torch.stack([(p_x * x[:, None]).sum(-1), (p_y * y[:, None]).sum(-1)], dim=-1)
        return joints, p_x, p_y

    def _tokens(self, poses: Tensor) -> Tensor:
        """(n, c) to (n, k * features)."""
        linear, norm = self.pose_to_kpts
        assert isinstance(norm, nn.BatchNorm1d)
        if self.training and len(poses) < 2:
            # Of one person there is no variance to norm by, and of nobody there is not even a mean.
            x, held = linear(poses), (norm.running_mean, norm.running_var)
            return nn.functional.batch_norm(x, *held, norm.weight, norm.bias, eps=norm.eps)
        return norm(linear(poses))


def _softmax(scores: Tensor) -> Tensor:
    """Softmax over the last axis; published weights were trained with 1e-8 in its sum."""
    large = (scores - scores.amax(dim=-1, keepdim=True).detach()).exp()
    return large / (large.sum(dim=-1, keepdim=True) + 1e-8)
