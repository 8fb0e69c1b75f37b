"""Batch norms with statistics over all processes.

On GPUs that is PyTorch's `SyncBatchNorm`, which does not support CPUs; `CpuSyncBatchNorm` computes
the same there.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


class _AllReduceSum(torch.autograd.Function):
    """The sum over all processes, with gradients of the losses of all processes."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        """Sum (n,) values over all processes."""
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Sum the gradients: each process's sum depends on the values of every process."""
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


class CpuSyncBatchNorm(nn.BatchNorm2d):
    """A batch norm over the images of all processes, with the weights of the plain one."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (b, c, h, w)."""
        if not self.training or not dist.is_initialized():
            return super().forward(x)
        assert self.running_mean is not None and self.running_var is not None
        sums = torch.cat([x.sum(dim=(0, 2, 3)), (x * x).sum(dim=(0, 2, 3))])
        local_count = sums.new_tensor([x[:, 0].numel()])
        # Double precision: a variance as a difference of large sums would lose its digits.
        totals = _AllReduceSum.apply(torch.cat([sums, local_count]).double())
        c, count = self.num_features, totals[-1]
        mean = totals[:c] / count
        var = totals[c:-1] / count - (totals[:c] / count) ** 2
        with torch.no_grad():
            assert self.num_batches_tracked is not None
            self.num_batches_tracked.add_(1)
            share = self.momentum if self.momentum is not None else 1 / self.num_batches_tracked
            self.running_mean.lerp_(mean.to(self.running_mean), float(share))
            unbiased = var * count / (count - 1)
            self.running_var.lerp_(unbiased.to(self.running_var), float(share))
        scale = torch.rsqrt(var + self.eps) * self.weight
        shift = self.bias - mean * scale
        return x * scale.to(x)[:, None, None] + shift.to(x)[:, None, None]


def convert_to_sync_batchnorm(method: nn.Module, cuda: bool) -> None:
    """Make every batch norm of the method use statistics over all processes, in place."""
    if cuda:
        for name, child in list(method.named_children()):
            setattr(method, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))
        return
    for module in method.modules():
        if type(module) is nn.BatchNorm2d:
            converted: Any = module
            converted.__class__ = CpuSyncBatchNorm
