"""Steps: forward, backward, and what is decided behind them.

A step is a function of the state before it and its number: chance inside the network is seeded
anew for each, so a run that was interrupted goes on as if it had not been.
"""

import inspect
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch.nn.parallel import DistributedDataParallel

from smallpose.methods.base import PoseMethod, Recipe
from smallpose.methods.full_image import WholeImageMethod
from smallpose.training.data import AnyBatch, Feed
from smallpose.training.distributed import ALONE, Ranks
from smallpose.training.ema import MovingAverage
from smallpose.training.loss import LossOf, in_parts
from smallpose.training.nonfinite_guard import Guard
from smallpose.training.run_log import Log
from smallpose.training.schedule import learning_rate, make_optimizer
from smallpose.training.sync_batchnorm import share_norms


class Trainer:
    """A method that is being trained.

    Args:
        method: on its device.
        recipe: how.
        feed: what on.
        seed: of chance inside the network.
        log: where steps are written down.
        ranks: the processes that train together.
        at_once: samples that go through the network together; 0 for all of a step.
    """

    def __init__(
        self,
        method: PoseMethod,
        recipe: Recipe,
        feed: Feed,
        seed: int,
        log: Log,
        ranks: Ranks = ALONE,
        at_once: int = 0,
    ) -> None:
        self.method, self.recipe, self.feed, self.seed, self.log = method, recipe, feed, seed, log
        self.ranks, self.at_once = ranks, at_once
        if ranks.world > 1 and recipe.sync_norm:
            share_norms(method, method.device.type == "cuda")
        self.optimizer = make_optimizer(method, recipe)
        self.average = MovingAverage(method, *recipe.ema) if any(recipe.ema) else None
        self.guard = Guard(log.path.parent, ranks.rank)
        self.step = 0
        self.seconds = 0.0
        self._epoch = -1
        self._loss: Any = LossOf(method, recipe.half)
        if ranks.world > 1:
            # Parts of whole-image methods have nothing to learn from pictures without people.
            self._loss = _shared(self._loss, isinstance(method, WholeImageMethod))

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.recipe.steps or self.feed.steps * self.recipe.epochs

    @property
    def steps_of_epoch(self) -> float:
        """Of the recipe's epochs, which `recipe.steps` makes shorter or longer than the data's."""
        return self.steps / max(self.recipe.epochs, 1)

    def state(self) -> dict[str, Any]:
        """All that `load` needs; to be asked in all processes, whose norms it brings together."""
        self._share_norms()
        return {
            "step": self.step,
            "seconds": self.seconds,
            "method": self.method.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state() if self.average else {},
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.method.load_state_dict(state["method"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average:
            self.average.load(state["average"])
        self.step, self.seconds = int(state["step"]), float(state["seconds"])

    @contextmanager
    def tested(self) -> Iterator[PoseMethod]:
        """The method as it is tested and given away: with averaged weights, if any."""
        self._share_norms()
        with self.average.in_place(self.method) if self.average else nullcontext():
            yield self.method

    def _share_norms(self) -> None:
        """Bring the statistics of norms together, the averaged ones, too; to be called by all."""
        averaged = self.average.held if self.average else {}
        kept = [averaged[name] for name, _ in self.method.named_buffers() if name in averaged]
        self.ranks.average([*self.method.buffers(), *kept])

    def run_epoch(self, after_step: Callable[[float], None]) -> None:
        """The rest of the epoch that the run is in.

        Args:
            after_step: called with each step's loss, NaN for a step that was skipped; what it
                raises ends the epoch.
        """
        epoch, first_step = divmod(self.step, self.feed.steps)
        self.method.train()
        at = time.monotonic()
        for batch in self.feed.batches(epoch, first_step):
            self._begin_epoch()
            loss = self._one_step(batch)
            if self.average:
                self.average.follow(self.method, self.step)
            self.step += 1
            now = time.monotonic()
            self.seconds, at = self.seconds + now - at, now
            after_step(loss)
            if self.step >= self.steps:
                return

    def _begin_epoch(self) -> None:
        """Tell the method when one of the recipe's epochs begins, several of which may lie in one
        of the data's.
        """
        epoch = int(self.step / self.steps_of_epoch)
        if isinstance(self.method, WholeImageMethod) and epoch != self._epoch:
            self.method.begin_epoch(epoch, self.recipe)
        self._epoch = epoch

    def _one_step(self, batch: AnyBatch) -> float:
        torch.manual_seed(hash((self.seed, self.step, self.ranks.rank)) & 0x7FFFFFFFFFFFFFFF)
        rate = learning_rate(self.step, self.steps_of_epoch, self.recipe)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["rate_share"]
        self.guard.remember(self.method)
        self.optimizer.zero_grad(set_to_none=True)
        mine = self._backward(batch)
        norm = torch.nn.utils.clip_grad_norm_(
            self.method.parameters(), self.recipe.clip_norm or math.inf
        )
        bad = not math.isfinite(float(norm))
        loss, bad_somewhere = self.ranks.sum(mine / self.ranks.world, bad)
        if bad_somewhere or not math.isfinite(loss):
            self._skip(batch, loss)
            return math.nan
        self.optimizer.step()
        return loss

    def _backward(self, batch: AnyBatch) -> float:
        """Gradients of a step, averaged over processes; this one's loss, with its weight."""
        device, total = self.method.device, torch.zeros((), device=self.method.device)
        parts = list(in_parts(batch.crops, batch.keypoints, self.at_once))
        for number, (crops, people, share) in enumerate(parts):
            # Means count by their samples; losses that are sums add up, and DDP divides by ranks.
            summed = self.method.sums_people
            weight = self.ranks.world if summed else share * batch.weight
            apart = self.ranks.world > 1 and number < len(parts) - 1
            with self._loss.no_sync() if apart else nullcontext():
                loss = self._loss(crops, people.to(device, non_blocking=True)) * weight
                loss.backward()
            total += loss.detach()
        return float(total)

    def _skip(self, batch: AnyBatch, loss: float) -> None:
        self.guard.restore(self.method)
        mine = self.feed.table.ids[batch.rows].tolist()
        skipped = [i for part in self.ranks.gather(lambda: mine) for i in part]
        self.log.write(step=self.step + 1, skipped=skipped, loss=str(loss))
        self.guard.count(self.step + 1, loss, mine, batch)


def _shared(loss: LossOf, some_idle: bool) -> DistributedDataParallel:
    """With gradients averaged over processes; norms' statistics are left to each.

    Args:
        some_idle: whether weights may be without a gradient in some steps.
    """
    known = inspect.signature(DistributedDataParallel).parameters
    name = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    how: dict[str, Any] = {name: False, "find_unused_parameters": some_idle}
    return DistributedDataParallel(loss, gradient_as_bucket_view=True, **how)
