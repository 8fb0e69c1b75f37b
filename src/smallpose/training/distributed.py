"""One process of several that train together, as torchrun or SLURM start them.

Every process shows its part of each step's samples to its own copy of the network; PyTorch's DDP
averages the gradients. What is decided from numbers that differ between processes (a loss that is
no number, a signal that reached one of them, the clock) is decided together.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from smallpose.core.errors import InputError, SmallposeError

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this is; alone without arguments.

    Args:
        rank, world: this process, of how many.
        local: its number on its machine, and so the GPU it takes.
        talk: the group that passes messages between CPUs.
    """

    rank: int = 0
    world: int = 1
    local: int = 0
    talk: Any = None

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    def sum(self, *values: float) -> list[float]:
        """Each value summed over all processes."""
        if self.world == 1:
            return list(values)
        numbers = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(numbers, group=self.talk)
        return list(numbers.tolist())

    def average(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace floating tensors by their means over all processes, such as norms' statistics."""
        floats = [t for t in tensors if t.is_floating_point()]
        if self.world == 1 or not floats:
            return
        flat = torch.cat([t.detach().double().flatten() for t in floats])
        dist.all_reduce(flat)
        flat /= self.world
        for tensor, mean in zip(floats, flat.split([t.numel() for t in floats]), strict=True):
            tensor.copy_(mean.reshape(tensor.shape))

    def gather(self, work: Callable[[], T]) -> list[T]:
        """What `work` returned in each process, in the first one's hands; others get nothing.

        Raises: in every process what it raised in any, so that nobody waits for one that is gone.
        """
        if self.world == 1:
            return [work()]
        wrong: SmallposeError | None = None
        done: T | None = None
        try:
            done = work()
        except SmallposeError as error:
            wrong = error
        all_wrong: list[SmallposeError | None] = [None] * self.world
        dist.all_gather_object(all_wrong, wrong, group=self.talk)
        for one in all_wrong:
            if one is not None:
                raise one
        parts: list[Any] | None = [None] * self.world if self.first else None
        dist.gather_object(done, parts, dst=0, group=self.talk)
        return parts or []

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            dist.barrier(group=self.talk)


ALONE = Ranks()


@contextmanager
def launched(device: str = "") -> Iterator[Ranks]:
    """This process's place among those that torchrun started; alone without it.

    Args:
        device: "cpu" talks over gloo whatever there is; else a GPU each over NCCL where there are.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1 or dist.is_initialized():
        yield ALONE
        return
    rank, local = int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", "0"))
    cuda = device != "cpu" and torch.cuda.is_available()
    if cuda:
        if local >= torch.cuda.device_count():
            raise InputError(
                f"rank {rank}",
                f"{local + 1} processes on a machine with {torch.cuda.device_count()} GPUs",
                "start one process per GPU, or train with --device cpu",
            )
        torch.cuda.set_device(local)
    dist.init_process_group("nccl" if cuda else "gloo")
    talk = dist.new_group(backend="gloo") if cuda else dist.group.WORLD
    ranks = Ranks(rank, world, local, talk)
    try:
        yield ranks
        ranks.wait()  # nobody leaves while another still talks to him
    finally:
        dist.destroy_process_group()
