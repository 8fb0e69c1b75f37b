"""RTMO's dynamic coordinate classifier (DCC): the position of each joint within a person's box.

Bins cover the person's own box, so their width scales with it (dynamic bin allocation), and each is
encoded by sines of its distance from the grid cell that detected the person (dynamic bin encoding).
A joint is a token made from the cell's pose vector; its product with a bin's encoding gives the
probability that the joint lies there. The prediction is the expected position.
"""

import torch
from torch import Tensor, nn

from smallpose.models.heads.gated_attention import GatedAttentionUnit, Scale
from smallpose.models.heads.hybrid_encoder import SinePositionalEncoding

FEATURES = 128
BINS_XY = (192, 256)


class DynamicCoordinateClassifier(nn.Module):
    """Pose vectors and boxes to joints.

    Args:
        pose_channels: length of the vectors.
        joints: k.
        bins_xy: number of bins along each axis.
        features: channels of a joint's token and of a bin's encoding.
        encoding_std: standard deviation of the joints' initial encodings. The attention squares
            their products, so with 1, as in published methods, the bins are sharp and wrong at
            first, which takes long to unlearn.
    """

    def __init__(
        self,
        pose_channels: int,
        joints: int,
        bins_xy: tuple[int, int] = BINS_XY,
        features: int = FEATURES,
        encoding_std: float = 1.0,
    ) -> None:
        super().__init__()
        self.joints = joints
        self.pos_enc = nn.Parameter(encoding_std * torch.randn(joints, features))
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
            nn.Linear(pose_channels, joints), nn.Sigmoid(), Scale(torch.tensor(0.1))
        )

    def allocate_bins(self, center: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
        """Return the positions of the bins of (n, 2) boxes, (n, x_bins) and (n, y_bins)."""
        x = self.get_buffer("x_bins") * size[:, :1] + center[:, :1]
        y = self.get_buffer("y_bins") * size[:, 1:] + center[:, 1:]
        return x, y

    def forward(
        self, pose_vecs: Tensor, center: Tensor, size: Tensor, points: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the joints of n people.

        Args:
            pose_vecs: (n, c).
            center, size: (n, 2) of the boxes that the bins cover, px.
            points: (n, 2) of the grid cells that detected the people, px.
        Returns: (n, k, 2) joints in px, and the probabilities of the bins, (n, k, x_bins) and
            (n, k, y_bins).
        """
        tokens = self._make_tokens(pose_vecs).view(-1, *self.pos_enc.shape)
        tokens = self.gau(tokens, self.pos_enc)
        relative_x, relative_y = self.allocate_bins(center - points, size)
        p_x = _softmax_bins(tokens @ self.x_fc(self.spe(relative_x)).transpose(-1, -2))
        p_y = _softmax_bins(tokens @ self.y_fc(self.spe(relative_y)).transpose(-1, -2))
        x, y = self.allocate_bins(center, size)
        joints = torch.stack([(p_x * x[:, None]).sum(-1), (p_y * y[:, None]).sum(-1)], dim=-1)
        return joints, p_x, p_y

    def _make_tokens(self, pose_vecs: Tensor) -> Tensor:
        """Map (n, c) to (n, k * features)."""
        linear, norm = self.pose_to_kpts
        assert isinstance(norm, nn.BatchNorm1d)
        if self.training and len(pose_vecs) < 2:
            # One person has no variance to normalise by, and no person has not even a mean.
            return nn.functional.batch_norm(
                linear(pose_vecs),
                norm.running_mean,
                norm.running_var,
                norm.weight,
                norm.bias,
                eps=norm.eps,
            )
        return norm(linear(pose_vecs))


def _softmax_bins(logits: Tensor) -> Tensor:
    """Apply softmax over the last axis; published weights were trained with 1e-8 in its sum."""
    exponentials = (logits - logits.amax(dim=-1, keepdim=True).detach()).exp()
    return exponentials / (exponentials.sum(dim=-1, keepdim=True) + 1e-8)
