"""Steps: forward, backward, and a guard against losses that are no numbers.

A step is a function of the state before it and its number: chance inside the network is seeded
anew for each, so a run that was interrupted goes on as if it had not been.
"""

import json
import math
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from smallpose.core.errors import RunError, SmallposeError
from smallpose.core.progress import say
from smallpose.methods.base import PoseMethod, Recipe
from smallpose.samples.crops import Batch, Crops
from smallpose.training.schedule import learning_rate, make_optimizer

MOST_SKIPPED = 5  # steps without finite loss or gradient before the run stops


class Interrupted(SmallposeError):
    """SIGINT or SIGTERM came; everything was saved."""

    def __init__(self, where: str, what: str, mend: str, exit_code: int = 130) -> None:
        super().__init__(where, what, mend)
        self.exit_code = exit_code


class Signals:
    """Within it, the first SIGINT or SIGTERM is only noted; the second one ends the process."""

    def __init__(self) -> None:
        self.received = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Signals":
        # Python lets only the main thread listen; elsewhere (a notebook's worker) nothing changes.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.received:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.received = number
        say("finishing the step, then saving; once more to stop at once")


class Log:
    """`log.jsonl`: one line per record, cut back to where a resumed run goes on from."""

    def __init__(self, path: Path, step: int) -> None:
        kept = []
        if path.exists():
            for line in path.read_text().splitlines():
                try:
                    record = json.loads(line)
                except ValueError:
                    continue  # the line that a kill cut short
                if record.get("step", 0) <= step:
                    kept.append(line)
        path.write_text("".join(line + "\n" for line in kept))
        self._file = path.open("a", buffering=1)

    def write(self, **record: Any) -> None:
        """One line."""
        self._file.write(json.dumps(record) + "\n")

    def close(self) -> None:
        """No more lines."""
        self._file.close()


class Trainer:
    """A method that is being trained.

    Args:
        method: on its device.
        recipe: how.
        crops: what on.
        seed: of chance inside the network.
        log: where steps are written down.
    """

    def __init__(
        self, method: PoseMethod, recipe: Recipe, crops: Crops, seed: int, log: Log
    ) -> None:
        self.method, self.recipe, self.crops, self.seed, self.log = method, recipe, crops, seed, log
        self.optimizer = make_optimizer(method, recipe)
        self.step = 0
        self.skipped = 0
        self.seconds = 0.0
        self._good: list[torch.Tensor] = []

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.crops.steps * self.recipe.epochs

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
        epoch, first_step = divmod(self.step, self.crops.steps)
        self.method.train()
        at = time.monotonic()
        for batch in self.crops.batches(epoch, first_step):
            loss = self._one_step(batch)
            self.step += 1
            now = time.monotonic()
            self.seconds, at = self.seconds + now - at, now
            after_step(loss)

    def _one_step(self, batch: Batch) -> float:
        torch.manual_seed(hash((self.seed, self.step)) & 0x7FFFFFFFFFFFFFFF)
        rate = learning_rate(self.step, self.crops.steps, self.recipe)
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

    def _loss(self, batch: Batch) -> torch.Tensor:
        method = self.method
        keypoints = batch.keypoints.to(method.device, non_blocking=True)
        with torch.autocast(method.device.type, torch.bfloat16, enabled=self.recipe.half):
            outputs = method(method.prepare(batch.crops))
        if self.recipe.half:
            outputs = (
                tuple(o.float() for o in outputs) if isinstance(outputs, tuple) else outputs.float()
            )
        terms = method.loss(outputs, method.targets(keypoints))
        return torch.stack(list(terms.values())).sum()

    def _remember_buffers(self) -> None:
        """A forward pass moves the norms' running means before the loss shows what it was worth."""
        buffers = list(self.method.buffers())
        if not self._good:
            self._good = [b.clone() for b in buffers]
        else:
            torch._foreach_copy_(self._good, buffers)

    def _skip(self, batch: Batch, loss: float) -> None:
        torch._foreach_copy_(list(self.method.buffers()), self._good)
        self.optimizer.zero_grad(set_to_none=True)
        self.skipped += 1
        people = self.crops.dataset.people
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
