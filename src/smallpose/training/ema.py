"""The moving average of the weights, which is what is tested and given away (RTMO's recipe)."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class MovingAverage:
    """A second set of weights and norms' statistics that follows the first.

    After `step` steps before, a step moves it by (1 - m) exp(-(1 + step) / t) + m of the way, as
    MMEngine's `ExpMomentumEMA`; whole numbers are copied.

    Args:
        momentum, steps: m and t above.
    """

    def __init__(self, method: nn.Module, momentum: float, steps: float) -> None:
        self.momentum, self.steps = momentum, steps
        self.held = {name: t.detach().clone() for name, t in method.state_dict().items()}

    @torch.no_grad()
    def follow(self, method: nn.Module, step: int) -> None:
        """Behind a step, counted from 0."""
        share = (1 - self.momentum) * math.exp(-(1 + step) / self.steps) + self.momentum
        now = method.state_dict()
        floats = [name for name, t in self.held.items() if t.is_floating_point()]
        torch._foreach_lerp_([self.held[n] for n in floats], [now[n] for n in floats], share)
        for name in self.held.keys() - set(floats):
            self.held[name].copy_(now[name])

    @contextmanager
    def in_place(self, method: nn.Module) -> Iterator[None]:
        """Within it the method has the averages for weights."""
        own = {name: t.detach().clone() for name, t in method.state_dict().items()}
        method.load_state_dict(self.held)
        try:
            yield
        finally:
            method.load_state_dict(own)

    def state(self) -> dict[str, Tensor]:
        """All that `load` needs."""
        return self.held

    def load(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        for name, tensor in self.held.items():
            tensor.copy_(state[name])
