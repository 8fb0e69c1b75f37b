"""Training steps: forward and backward passes, and what follows from their results.

A step is a function of the state before it and its number: random numbers inside the network are
seeded for each step, so a run that was interrupted continues as if it had not been.
"""

import inspect
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch.nn.parallel import DistributedDataParallel

from smallpose.dataloading.prefetch import BatchPrefetcher
from smallpose.methods.base import PoseMethod, Recipe
from smallpose.methods.full_image import FullImageMethod
from smallpose.training.data import AnyBatch, BatchLoader
from smallpose.training.distributed import SINGLE_PROCESS, DistributedContext
from smallpose.training.ema import MovingAverage
from smallpose.training.loss import LossModule, split_batch
from smallpose.training.nonfinite_guard import NonfiniteGuard
from smallpose.training.run_log import RunLog
from smallpose.training.schedule import compute_learning_rate, create_optimizer
from smallpose.training.sync_batchnorm import convert_to_sync_batchnorm
from smallpose.training.weight_gradients import compute_weight_gradients_in_thread


class Trainer:
    """A method that is being trained, with its optimizer and its moving average.

    Args:
        method: on its device.
        recipe: of the training.
        loader: of the training data.
        seed: of random numbers inside the network.
        log: receives skipped steps.
        distributed: the processes that train together.
        micro_batch: samples that pass through the network together; 0 for all of a step.
        uses_weight_thread: whether a second thread computes gradients of weights.

    Attributes:
        batches: the batches of the loader, step by step; to be closed by the caller.
        step: number of steps taken.
        seconds: spent in steps.
    """

    def __init__(
        self,
        method: PoseMethod,
        recipe: Recipe,
        loader: BatchLoader,
        seed: int,
        log: RunLog,
        distributed: DistributedContext = SINGLE_PROCESS,
        micro_batch: int = 0,
        uses_weight_thread: bool = False,
    ) -> None:
        self.method, self.recipe, self.loader = method, recipe, loader
        self.seed, self.log = seed, log
        self.batches = BatchPrefetcher(loader)
        self.uses_weight_thread = uses_weight_thread
        self.distributed, self.micro_batch = distributed, micro_batch
        if distributed.world_size > 1 and recipe.sync_norm:
            convert_to_sync_batchnorm(method, method.device.type == "cuda")
        self.optimizer = create_optimizer(method, recipe)
        self.average = MovingAverage(method, *recipe.ema) if any(recipe.ema) else None
        self.guard = NonfiniteGuard(log.path.parent, distributed.rank)
        self.step = 0
        self.seconds = 0.0
        self._epoch = -1
        self._loss: Any = LossModule(method, recipe.half)
        if distributed.world_size > 1:
            # Parts of full-image methods have no gradient for images without people.
            self._loss = _wrap_in_ddp(self._loss, isinstance(method, FullImageMethod))

    @property
    def steps(self) -> int:
        """Return the number of steps of the whole run."""
        return self.recipe.steps or self.loader.steps_per_epoch * self.recipe.epochs

    @property
    def steps_per_epoch(self) -> float:
        """Return the steps of the recipe's epochs, which `recipe.steps` may change."""
        return self.steps / max(self.recipe.epochs, 1)

    def get_state(self) -> dict[str, Any]:
        """Return what `load_state` needs; to be called in all processes."""
        self._synchronise_buffers()
        return {
            "step": self.step,
            "seconds": self.seconds,
            "method": self.method.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict() if self.average else {},
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore the state from which the run resumes."""
        self.method.load_state_dict(state["method"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average:
            self.average.load_state_dict(state["average"])
        self.step, self.seconds = int(state["step"]), float(state["seconds"])

    @contextmanager
    def averaged_weights(self) -> Iterator[PoseMethod]:
        """Give the method the weights that are tested and saved: the averaged ones, if any."""
        self._synchronise_buffers()
        with self.average.swap_in(self.method) if self.average else nullcontext():
            yield self.method

    def _synchronise_buffers(self) -> None:
        """Average batch norm statistics over processes, those of the moving average too."""
        averaged = self.average.weights if self.average else {}
        buffers = [averaged[name] for name, _ in self.method.named_buffers() if name in averaged]
        self.distributed.average_tensors([*self.method.buffers(), *buffers])

    def run_epoch(self, after_step: Callable[[float], None]) -> None:
        """Run the remaining steps of the present epoch of the data.

        Args:
            after_step: called with each step's loss, NaN for a skipped step; an exception that it
                raises ends the epoch.
        """
        threads = (
            compute_weight_gradients_in_thread(self.method)
            if self.uses_weight_thread
            else nullcontext()
        )
        with threads:
            self._run_steps_of_epoch(after_step)

    def _run_steps_of_epoch(self, after_step: Callable[[float], None]) -> None:
        steps_left = -self.step % self.loader.steps_per_epoch or self.loader.steps_per_epoch
        self.method.train()
        started_at = time.monotonic()
        for _ in range(min(steps_left, self.steps - self.step)):
            batch = self.batches.take(self.step)
            self._begin_epoch()
            loss = self._run_step(batch)
            if self.average:
                self.average.update(self.method, self.step)
            self.step += 1
            now = time.monotonic()
            self.seconds += now - started_at
            started_at = now
            after_step(loss)

    def _begin_epoch(self) -> None:
        """Notify the method when one of the recipe's epochs begins.

        One epoch of the data may contain several of them.
        """
        epoch = int(self.step / self.steps_per_epoch)
        if isinstance(self.method, FullImageMethod) and epoch != self._epoch:
            self.method.begin_epoch(epoch, self.recipe)
        self._epoch = epoch

    def _run_step(self, batch: AnyBatch) -> float:
        """Train on one batch; return the mean loss over processes, NaN if the step is skipped."""
        seed = hash((self.seed, self.step, self.distributed.rank)) & 0x7FFFFFFFFFFFFFFF
        torch.manual_seed(seed)
        rate = compute_learning_rate(self.step, self.steps_per_epoch, self.recipe)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["rate_share"]
        self.guard.save_buffers(self.method)
        self.optimizer.zero_grad(set_to_none=True)
        local_loss = self._backward(batch)
        norm = torch.nn.utils.clip_grad_norm_(
            self.method.parameters(), self.recipe.clip_norm or math.inf
        )
        is_bad = not math.isfinite(float(norm))
        loss, num_bad = self.distributed.sum_values(
            local_loss / self.distributed.world_size, is_bad
        )
        if num_bad or not math.isfinite(loss):
            self._skip_step(batch, loss)
            return math.nan
        self.optimizer.step()
        return loss

    def _backward(self, batch: AnyBatch) -> float:
        """Compute gradients, averaged over processes; return this one's loss, with its weight."""
        device = self.method.device
        world_size = self.distributed.world_size
        total = torch.zeros((), device=device)
        parts = list(split_batch(batch.crops, batch.keypoints, self.micro_batch))
        for index, (crops, people, share) in enumerate(parts):
            # Means are weighted by their samples; sums are added, and DDP divides by processes.
            weight = world_size if self.method.sums_loss else share * batch.weight
            accumulates = world_size > 1 and index < len(parts) - 1
            with self._loss.no_sync() if accumulates else nullcontext():
                loss = self._loss(crops, people.to(device, non_blocking=True)) * weight
                self.batches.prepare(self.step + 1, self.steps)
                loss.backward()
            total += loss.detach()
        return float(total)

    def _skip_step(self, batch: AnyBatch, loss: float) -> None:
        self.guard.restore_buffers(self.method)
        ids = self.loader.people.ids[batch.rows].tolist()
        skipped = [i for part in self.distributed.gather(lambda: ids) for i in part]
        self.log.write(step=self.step + 1, skipped=skipped, loss=str(loss))
        self.guard.count_skipped(self.step + 1, loss, ids, batch)


def _wrap_in_ddp(loss: LossModule, has_unused_weights: bool) -> DistributedDataParallel:
    """Average gradients over processes; batch norm statistics stay those of each process.

    Args:
        has_unused_weights: whether weights may have no gradient in some steps.
    """
    # The parameter has another name in newer versions of PyTorch.
    known = inspect.signature(DistributedDataParallel).parameters
    name = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    options: dict[str, Any] = {name: False, "find_unused_parameters": has_unused_weights}
    return DistributedDataParallel(loss, gradient_as_bucket_view=True, **options)
