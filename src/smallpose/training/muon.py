"""Muon (Jordan et al. 2024): steps of the same length in every direction of a weight matrix.

The momentum of a matrix is replaced by the nearest matrix with orthonormal rows or columns, so that
directions with small gradients are learned as fast as those with large ones. A convolution is a
matrix from its inputs to its outputs. Norms, biases and the layers of joints are AdamW's.
"""

import inspect
import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from smallpose.methods.base import PoseMethod

RATE_SHARE = 5.0  # of the rate of a matrix, to AdamW's for the others
MOMENTUM = 0.9
NUM_ITERATIONS = 5
# Of an odd polynomial that brings singular values between 0 and 1 to between 0.7 and 1.2 in five
# iterations (Jordan et al. 2024).
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_step_adamw = inspect.unwrap(torch.optim.AdamW.step)


def find_matrices(method: PoseMethod) -> set[str]:
    """Return the names of the weights that Muon updates, as in `named_parameters`.

    They are those of dense convolutions and linear layers that no joint has rows in.
    """
    layers = {
        name: layer
        for name, layer in method.named_modules()
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)
        and getattr(layer, "groups", 1) == 1
        and not name.startswith(method.keypoint_layers)
    }
    return {f"{name}.weight" for name in layers}


class Muon(torch.optim.AdamW):
    """AdamW, and Muon for the groups with a true "orthogonal"."""

    def __init__(self, params: Iterable[dict[str, Any]], **defaults: Any) -> None:
        super().__init__([{"orthogonal": False} | group for group in params], **defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take a step of both kinds."""
        every = self.param_groups
        self.param_groups = [group for group in every if not group["orthogonal"]]
        try:
            loss: float | None = _step_adamw(self, closure)
        finally:
            self.param_groups = every
        for group in every:
            if group["orthogonal"]:
                self._step_matrices(group)
        return loss

    def _step_matrices(self, group: dict[str, Any]) -> None:
        weights_by_shape: dict[tuple[int, int], list[nn.Parameter]] = {}
        for weight in group["params"]:
            if weight.grad is not None:
                shape = len(weight), weight[0].numel()
                weights_by_shape.setdefault(shape, []).append(weight)
        for (rows, columns), weights in weights_by_shape.items():
            # Matrices of one shape together: a step has few products of small matrices.
            directions = orthogonalize(torch.stack([self._find_direction(w) for w in weights]))
            rate = group["lr"] * math.sqrt(max(1.0, rows / columns))
            for weight, direction in zip(weights, directions, strict=True):
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(direction.view(weight.shape), alpha=-rate)

    def _find_direction(self, weight: nn.Parameter) -> Tensor:
        """Return the gradient with Nesterov's momentum as a matrix, and update the momentum."""
        assert weight.grad is not None
        gradient = weight.grad.reshape(len(weight), -1)
        state = self.state[weight]
        if not state:
            state["step"] = torch.zeros(())  # AdamW expects it in every state that it loads
            state["momentum"] = torch.zeros_like(gradient)
        state["step"] += 1
        momentum: Tensor = state["momentum"]
        momentum.mul_(MOMENTUM).add_(gradient)
        return gradient.add(momentum, alpha=MOMENTUM)


def orthogonalize(matrices: Tensor) -> Tensor:
    """Return about the nearest (n, r, c) matrices whose rows, or columns if fewer, are orthonormal.

    All but the smallest singular values become 0.7 to 1.2 by Newton-Schulz iterations, without a
    decomposition.
    """
    is_tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if is_tall else matrices
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    # Every iterate is a polynomial of the first Gram matrix times x. These commute, so that the
    # polynomial is computed alone, in products of the smaller side: less than half of the time.
    gram = x @ x.mT
    identity = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    a, b, c = COEFFICIENTS
    polynomial = factor = a * identity + b * gram + c * gram @ gram
    for _ in range(NUM_ITERATIONS - 1):
        gram = factor @ gram @ factor
        factor = a * identity + b * gram + c * gram @ gram
        polynomial = factor @ polynomial
    x = polynomial @ x
    return x.mT if is_tall else x
