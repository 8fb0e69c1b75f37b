"""Residual log-likelihood estimation (RLE, Li et al. 2021): its head, its loss and its flow.

Instead of assuming Gaussian errors, a small normalising flow learns their density while the network
learns coordinates and sigmas, and the loss is the negative log-likelihood of the labels. The flow
is not needed at test time.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

NUM_COUPLINGS = 6
_HIDDEN = 64


class RealNVP(nn.Module):
    """RealNVP in two dimensions: points to the logarithm of their density.

    Each coupling layer keeps one axis and transforms the other by what it reads from the first.
    `loc` and `cov` are those of the standard normal base distribution.
    """

    loc: Tensor
    cov: Tensor
    mask: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("loc", torch.zeros(2))
        self.register_buffer("cov", torch.eye(2))
        masks = [[0.0, 1.0], [1.0, 0.0]] * (NUM_COUPLINGS // 2)
        self.register_buffer("mask", torch.tensor(masks))
        self.s = nn.ModuleList(_make_coupling_net(nn.Tanh()) for _ in range(NUM_COUPLINGS))
        self.t = nn.ModuleList(_make_coupling_net() for _ in range(NUM_COUPLINGS))

    def log_prob(self, points: Tensor) -> Tensor:
        """Compute the (n,) log densities of (n, 2) points."""
        z, log_det = points, points.new_zeros(len(points))
        for layer in reversed(range(NUM_COUPLINGS)):
            mask = self.mask[layer]
            kept = z * mask
            scale = self.s[layer](kept) * (1 - mask)
            shift = self.t[layer](kept) * (1 - mask)
            z = (1 - mask) * (z - shift) * torch.exp(-scale) + kept
            log_det = log_det - scale.sum(dim=-1)
        normal = -z.square().sum(dim=-1) / 2 - math.log(2 * math.pi)
        return normal + log_det


def _make_coupling_net(*activation: nn.Module) -> nn.Sequential:
    net = nn.Sequential(
        nn.Linear(2, _HIDDEN),
        nn.LeakyReLU(),
        nn.Linear(_HIDDEN, _HIDDEN),
        nn.LeakyReLU(),
        nn.Linear(_HIDDEN, 2),
        *activation,
    )
    for layer in net:
        if isinstance(layer, nn.Linear):
            # So small that the flow begins near the standard normal.
            nn.init.xavier_uniform_(layer.weight, gain=0.01)
    return net


class RLELoss(nn.Module):
    """Negative log-likelihood of the labels under predicted coordinates and sigmas (Eq. 7)."""

    def __init__(self) -> None:
        super().__init__()
        self.flow_model = RealNVP()

    def forward(
        self, coordinates: Tensor, sigma_logits: Tensor, target: Tensor, weight: Tensor
    ) -> Tensor:
        """Compute the loss, summed over joints and axes and divided by the batch size.

        Args:
            coordinates, sigma_logits, target: (b, k, 2).
            weight: (b, k); targets of weight 0 are not read, so that NaN labels do no harm.
        """
        weight = weight[..., None]
        # Before anything is computed: 0 times an infinite loss would not be 0, nor its gradient.
        target = torch.where(weight > 0, target, coordinates.detach())
        # In full precision whatever the network runs in: errors are divided by sigmas.
        with torch.autocast(coordinates.device.type, enabled=False):
            logits = sigma_logits.float()
            sigma = torch.sigmoid(logits)
            error = (coordinates.float() - target.float()) / (sigma + 1e-9)
            log_sigma = functional.logsigmoid(logits)
            log_flow = self.flow_model.log_prob(error.reshape(-1, 2)).view(*error.shape[:-1], 1)
            # The flow's term, then that of a Laplace distribution (the residual likelihood).
            terms = (log_sigma - log_flow) + (math.log(2) + log_sigma + error.abs())
            return (terms * weight).sum() / len(coordinates)


class RLEHead(nn.Module):
    """Global average pooling and one linear layer: four numbers for each joint.

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
        """Map (b, c, h, w) to (b, k, 4): x and y in units of the crop, and logits of sigmas."""
        pooled = features.mean(dim=(-2, -1))
        return self.fc(pooled).unflatten(1, (-1, 4))
