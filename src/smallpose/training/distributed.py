"""Training with several processes, as torchrun or SLURM start them.

Every process feeds its part of each step's samples to its own copy of the network, and PyTorch's
DDP averages the gradients. Decisions that depend on numbers that differ between processes (a
non-finite loss, a signal that reached one of them, the clock) are made together.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError, SmallposeError

T = TypeVar("T")


@dataclass(frozen=True)
class DistributedContext:
    """The place of this process among those that train together; by default it is alone.

    Args:
        rank, world_size: the index of this process, and the number of processes.
        local_rank: its index on its machine, and the index of its GPU.
        cpu_group: process group that passes messages between CPUs.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    cpu_group: Any = None

    @property
    def is_first(self) -> bool:
        """Return whether this is the process that writes files and prints."""
        return self.rank == 0

    def sum_values(self, *values: float) -> list[float]:
        """Return each value summed over all processes."""
        if self.world_size == 1:
            return list(values)
        numbers = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(numbers, group=self.cpu_group)
        return list(numbers.tolist())

    def average_tensors(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace floating point tensors, such as batch norm statistics, by their means."""
        floats = [t for t in tensors if t.is_floating_point()]
        if self.world_size == 1 or not floats:
            return
        flat = torch.cat([t.detach().double().flatten() for t in floats])
        dist.all_reduce(flat)
        flat /= self.world_size
        for tensor, mean in zip(floats, flat.split([t.numel() for t in floats]), strict=True):
            tensor.copy_(mean.reshape(tensor.shape))

    def gather(self, work: Callable[[], T]) -> list[T]:
        """Call `work` in each process and collect what it returns in the first one.

        Returns: in the first process, the results by rank; in the others, an empty list.
        Raises: in every process what `work` raised in any, so that none waits for one that ended.
        """
        if self.world_size == 1:
            return [work()]
        error: SmallposeError | None = None
        result: T | None = None
        try:
            result = work()
        except SmallposeError as raised:
            error = raised
        errors: list[SmallposeError | None] = [None] * self.world_size
        dist.all_gather_object(errors, error, group=self.cpu_group)
        for any_error in errors:
            if any_error is not None:
                raise any_error
        results: list[Any] | None = [None] * self.world_size if self.is_first else None
        dist.gather_object(result, results, dst=0, group=self.cpu_group)
        return results or []

    def wait_for_all(self) -> None:
        """Wait until all processes have called this."""
        if self.world_size > 1:
            dist.barrier(group=self.cpu_group)


SINGLE_PROCESS = DistributedContext()


@contextmanager
def join_process_group(device: str = "") -> Iterator[DistributedContext]:
    """Join the processes that torchrun started; without it, yield `SINGLE_PROCESS`.

    Args:
        device: "cpu" uses gloo; otherwise each process uses a GPU and NCCL if there are GPUs.
    """
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size == 1 or dist.is_initialized():
        yield SINGLE_PROCESS
        return
    rank = int(os.environ["RANK"])
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    uses_cuda = device != "cpu" and torch.cuda.is_available()
    if uses_cuda:
        if local_rank >= torch.cuda.device_count():
            raise InputError(
                f"rank {rank}",
                f"{format_count(local_rank + 1, 'process', 'processes')} on a machine with "
                f"{torch.cuda.device_count()} GPUs",
                "start one process per GPU, or train with --device cpu",
            )
        torch.cuda.set_device(local_rank)
    dist.init_process_group("nccl" if uses_cuda else "gloo")
    cpu_group = dist.new_group(backend="gloo") if uses_cuda else dist.group.WORLD
    context = DistributedContext(rank, world_size, local_rank, cpu_group)
    try:
        yield context
        context.wait_for_all()  # a process that leaves early breaks the connections of the others
    finally:
        dist.destroy_process_group()
