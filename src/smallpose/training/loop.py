"""Steps: forward, backward, and a guard against losses that are no numbers.

A step is a function of the state before it and its number: chance inside the network is seeded
anew for each, so a run that was interrupted goes on as if it had not been.
"""

import math
import time
from collections.abc import Callable
from typing import Any

import torch

from smallpose.core.errors import RunError
from smallpose.core.progress import say
from smallpose.methods.base import PoseMethod, Recipe
from smallpose.methods.whole import WholeImageMethod
from smallpose.training.feed import AnyBatch, Feed
from smallpose.training.log import Log
from smallpose.training.schedule import learning_rate, make_optimizer

MOST_SKIPPED = 5  # steps without finite loss or gradient before the run stops


class Trainer:
    """A method that is being trained.

    Args:
        method: on its device.
        recipe: how.
        feed: what on.
        seed: of chance inside the network.
        log: where steps are written down.
    """

    def __init__(self, method: PoseMethod, recipe: Recipe, feed: Feed, seed: int, log: Log) -> None:
        self.method, self.recipe, self.feed, self.seed, self.log = method, recipe, feed, seed, log
        self.optimizer = make_optimizer(method, recipe)
        self.step = 0
        self.skipped = 0
        self.seconds = 0.0
        self._good: list[torch.Tensor] = []

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.feed.steps * self.recipe.epochs

    def state(self) -> dict[str, Any]:
        """All that `load` needs."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "method": self.method.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.method.load_state_dict(state["method"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = int(state["step"]), float(state["seconds"])

    def run_epoch(self, after_step: Callable[[float], None]) -> None:
        """The rest of the epoch that the run is in.

        Args:
            after_step: called with each step's loss, NaN for a step that was skipped; what it
                raises ends the epoch.
        """
        epoch, first_step = divmod(self.step, self.feed.steps)
        self.method.train()
        if isinstance(self.method, WholeImageMethod):
            self.method.begin_epoch(epoch, self.recipe)
        at = time.monotonic()
        for batch in self.feed.batches(epoch, first_step):
            loss = self._one_step(batch)
            self.step += 1
            now = time.monotonic()
            self.seconds, at = self.seconds + now - at, now
            after_step(loss)

    def _one_step(self, batch: AnyBatch) -> float:
        torch.manual_seed(hash((self.seed, self.step)) & 0x7FFFFFFFFFFFFFFF)
        rate = learning_rate(self.step, self.feed.steps, self.recipe)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["rate_share"]
        self._remember_buffers()
        loss = self._loss(batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(
            self.method.parameters(), self.recipe.clip_norm or math.inf
        )
        value = float(loss.detach())
        if not (math.isfinite(value) and math.isfinite(float(norm))):
            self._skip(batch, value)
            return math.nan
        self.optimizer.step()
        return value

    def _loss(self, batch: AnyBatch) -> torch.Tensor:
        method = self.method
        people: Any = batch.keypoints.to(method.device, non_blocking=True)
        with torch.autocast(method.device.type, torch.bfloat16, enabled=self.recipe.half):
            outputs = method(method.prepare(batch.crops))
        if self.recipe.half:
            outputs = single(outputs)
        terms = method.loss(outputs, method.targets(people))
        return torch.stack(list(terms.values())).sum()

    def _remember_buffers(self) -> None:
        """A forward pass moves the norms' running means before the loss shows what it was worth."""
        buffers = list(self.method.buffers())
        if not self._good:
            self._good = [b.clone() for b in buffers]
        else:
            torch._foreach_copy_(self._good, buffers)

    def _skip(self, batch: AnyBatch, loss: float) -> None:
        torch._foreach_copy_(list(self.method.buffers()), self._good)
        self.optimizer.zero_grad(set_to_none=True)
        self.skipped += 1
        people = self.feed.dataset.people
        ids = people.ids[batch.rows].tolist()
        self.log.write(step=self.step, skipped=ids, loss=str(loss))
        if self.skipped > MOST_SKIPPED:
            raise RunError(
                f"step {self.step}",
                f"loss or gradient was not finite in {self.skipped} steps, the last with "
                f"annotations {', '.join(map(str, ids[:5]))}, …",
                "the last good checkpoint is kept; look at 'skipped' in log.jsonl, or lower "
                "learning_rate",
            )
        say(f"step {self.step}: loss {loss} is not finite, step skipped ({len(ids)} people logged)")


def single(outputs: Any) -> Any:
    """Outputs in single precision, whatever holds them: losses are not to be trusted to half."""
    if isinstance(outputs, torch.Tensor):
        return outputs.float() if outputs.is_floating_point() else outputs
    if isinstance(outputs, tuple) and hasattr(outputs, "_fields"):
        return type(outputs)(*(single(part) for part in outputs))
    return type(outputs)(single(part) for part in outputs)
