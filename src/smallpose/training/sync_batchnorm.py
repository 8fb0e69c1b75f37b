"""Batch norms whose statistics are those of the whole step, over all processes.

On GPUs that is PyTorch's `SyncBatchNorm`, which knows no CPU; `SharedNorm` does the same there.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


class _Sum(torch.autograd.Function):
    """The sum over all processes; what a share of it does to the losses of all comes back."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        """(n,) of this process to (n,) of all."""
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Everybody's sum hangs on everybody's values."""
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


class SharedNorm(nn.BatchNorm2d):
    """A batch norm over the pictures of all processes; its weights and names stay the norm's."""

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) to the same."""
        if not self.training or not dist.is_initialized():
            return super().forward(x)
        assert self.running_mean is not None and self.running_var is not None
        mine = torch.cat([x.sum(dim=(0, 2, 3)), (x * x).sum(dim=(0, 2, 3))])
        # Doubles: a variance as a difference of large sums would lose its digits.
        count_here = mine.new_tensor([x[:, 0].numel()])
        sums = _Sum.apply(torch.cat([mine, count_here]).double())
        c, count = self.num_features, sums[-1]
        mean, var = sums[:c] / count, sums[c:-1] / count - (sums[:c] / count) ** 2
        with torch.no_grad():
            assert self.num_batches_tracked is not None
            self.num_batches_tracked.add_(1)
            share = self.momentum if self.momentum is not None else 1 / self.num_batches_tracked
            self.running_mean.lerp_(mean.to(self.running_mean), float(share))
            whole = var * count / (count - 1)
            self.running_var.lerp_(whole.to(self.running_var), float(share))
        scale = torch.rsqrt(var + self.eps) * self.weight
        shift = self.bias - mean * scale
        return x * scale.to(x)[:, None, None] + shift.to(x)[:, None, None]


def share_norms(method: nn.Module, cuda: bool) -> None:
    """Every batch norm of the method from now on looks at all processes' pictures."""
    if cuda:
        for name, child in list(method.named_children()):
            setattr(method, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))
        return
    for module in method.modules():
        if type(module) is nn.BatchNorm2d:
            turned: Any = module
            turned.__class__ = SharedNorm
