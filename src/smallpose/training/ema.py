"""Exponential moving average of the weights, which is tested and saved (RTMO's recipe).

`torch.optim.swa_utils.AveragedModel` would give other numbers than MMEngine: it copies the weights
at its first update instead of averaging, and has no rule of its own for integer buffers.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class MovingAverage:
    """A second set of weights and batch norm statistics that follows the first.

    The update after step s (from 0) moves it by (1 - m) exp(-(1 + s) / t) + m of the difference, as
    MMEngine's `ExpMomentumEMA`; integers are copied.

    Args:
        momentum, steps: m and t above.
    """

    def __init__(self, method: nn.Module, momentum: float, steps: float) -> None:
        self.momentum, self.steps = momentum, steps
        self.weights = {name: t.detach().clone() for name, t in method.state_dict().items()}

    @torch.no_grad()
    def update(self, method: nn.Module, step: int) -> None:
        """Follow the weights after a step, counted from 0."""
        share = (1 - self.momentum) * math.exp(-(1 + step) / self.steps) + self.momentum
        current = method.state_dict()
        floats = [name for name, t in self.weights.items() if t.is_floating_point()]
        torch._foreach_lerp_([self.weights[n] for n in floats], [current[n] for n in floats], share)
        for name in self.weights.keys() - set(floats):
            self.weights[name].copy_(current[name])

    @contextmanager
    def swap_in(self, method: nn.Module) -> Iterator[None]:
        """Give the method the averaged weights as long as the context lasts."""
        original = {name: t.detach().clone() for name, t in method.state_dict().items()}
        method.load_state_dict(self.weights)
        try:
            yield
        finally:
            method.load_state_dict(original)

    def state_dict(self) -> dict[str, Tensor]:
        """Return what `load_state_dict` needs."""
        return self.weights

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the averaged weights."""
        for name, tensor in self.weights.items():
            tensor.copy_(state[name])
