"""Coordinates with a spread, and the flow that learns how their errors are distributed (RLE).

Residual log-likelihood estimation (Li et al. 2021): instead of supposing that errors are Gaussian,
a small normalising flow learns their density while the network learns coordinates and spreads, and
the loss is the likelihood of the truth. The flow is not needed at test time.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

NUM_COUPLINGS = 6
_HIDDEN = 64


class RealNVP(nn.Module):
    """RealNVP in two dimensions: points to the logarithm of their density.

    Each coupling keeps one axis and moves the other by what it reads from the first.
    """

    loc: Tensor
    cov: Tensor
    mask: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("loc", torch.zeros(2))
        self.register_buffer("cov", torch.eye(2))
        self.register_buffer("mask", torch.tensor([[0.0, 1.0], [1.0, 0.0]] * (NUM_COUPLINGS // 2)))
        self.s = nn.ModuleList(_net(nn.Tanh()) for _ in range(NUM_COUPLINGS))
        self.t = nn.ModuleList(_net() for _ in range(NUM_COUPLINGS))

    def log_prob(self, points: Tensor) -> Tensor:
        """(n, 2) points to (n,) log densities; `loc` and `cov` are those of a standard normal."""
        z, log_det = points, points.new_zeros(len(points))
        for number in reversed(range(NUM_COUPLINGS)):
            kept = self.mask[number]
            held = z * kept
            scale = self.s[number](held) * (1 - kept)
            shift = self.t[number](held) * (1 - kept)
            z = (1 - kept) * (z - shift) * torch.exp(-scale) + held
            log_det = log_det - scale.sum(dim=-1)
        normal = -z.square().sum(dim=-1) / 2 - math.log(2 * math.pi)
        return normal + log_det


def _net(*last: nn.Module) -> nn.Sequential:
    net = nn.Sequential(
        nn.Linear(2, _HIDDEN),
        nn.LeakyReLU(),
        nn.Linear(_HIDDEN, _HIDDEN),
        nn.LeakyReLU(),
        nn.Linear(_HIDDEN, 2),
        *last,
    )
    for layer in net:
        if isinstance(layer, nn.Linear):
            # So small that the flow begins near the standard normal.
            nn.init.xavier_uniform_(layer.weight, gain=0.01)
    return net


class RLELoss(nn.Module):
    """How unlikely the truth is under the predicted coordinates and spreads."""

    def __init__(self) -> None:
        super().__init__()
        self.flow_model = RealNVP()

    def forward(
        self, coordinates: Tensor, spread_logits: Tensor, target: Tensor, weight: Tensor
    ) -> Tensor:
        """The loss, summed over joints and axes and divided by the batch.

        Args:
            coordinates, spread_logits, target: (b, k, 2).
            weight: (b, k); where it is 0 nothing is read, so that hostile labels do no harm.
        """
        weight = weight[..., None]
        # Before anything is computed: 0 times an infinite loss would not be 0, nor its gradient.
        target = torch.where(weight > 0, target, coordinates.detach())
        # In full precision whatever the network runs in: errors are divided by spreads.
        with torch.autocast(coordinates.device.type, enabled=False):
            logits = spread_logits.float()
            spread = torch.sigmoid(logits)
            error = (coordinates.float() - target.float()) / (spread + 1e-9)
            log_spread = functional.logsigmoid(logits)
            log_flow = self.flow_model.log_prob(error.reshape(-1, 2)).view(*error.shape[:-1], 1)
            terms = (log_spread - log_flow) + (math.log(2) + log_spread + error.abs())
            return (terms * weight).sum() / len(coordinates)


class RLEHead(nn.Module):
    """Features pooled over the picture, and one linear layer: four numbers for each joint.

    Args:
        in_channels: of the features.
        joints: k.
    """

    def __init__(self, in_channels: int, joints: int) -> None:
        super().__init__()
        self.loss_module = RLELoss()
        self.fc = nn.Linear(in_channels, 4 * joints)
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)

    def forward(self, features: Tensor) -> Tensor:
        """(b, c, h, w) to (b, k, 4): x and y in units of the crop, and logits of their spreads."""
        pooled = features.mean(dim=(-2, -1))
        return self.fc(pooled).unflatten(1, (-1, 4))
