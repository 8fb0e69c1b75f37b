"""Losses and gradients that are no numbers: their steps are skipped, and too many stop the run."""

import math
from collections import deque
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from smallpose.core.errors import RunError
from smallpose.methods.base import PoseMethod
from smallpose.system.files import write_whole
from smallpose.system.progress import say

MOST_SKIPPED = 5  # steps that may be skipped among WITHIN before the run stops
WITHIN = 100
DUMP = "stopped.safetensors"


class Exploded(RunError):
    """Too many steps had no finite loss or gradient; every process knows it."""


class Guard:
    """Keeps a step that went wrong from leaving anything behind.

    Args:
        folder: where the samples of the step that stops a run are left.
        rank: of this process, each of which leaves its own.
    """

    def __init__(self, folder: Path, rank: int = 0) -> None:
        self.file = folder / (f"stopped-rank{rank}.safetensors" if rank else DUMP)
        self.skipped = 0
        self._lately: deque[int] = deque()
        self._good: list[Tensor] = []

    def remember(self, method: PoseMethod) -> None:
        """A forward pass moves the norms' running means before the loss shows what it was worth."""
        buffers = list(method.buffers())
        if not self._good:
            self._good = [b.clone() for b in buffers]
        else:
            torch._foreach_copy_(self._good, buffers)

    def restore(self, method: PoseMethod) -> None:
        """As `remember` found it, gradients gone."""
        torch._foreach_copy_(list(method.buffers()), self._good)
        method.zero_grad(set_to_none=True)

    def count(self, step: int, loss: float, ids: list[int], batch: Any) -> None:
        """Say that a step was skipped.

        Args:
            step: counted from 1.
            ids: of the annotations in `batch`.
            batch: of this process.
        Raises: Exploded when it is one too many.
        """
        self.skipped += 1
        self._lately.append(step)
        while self._lately[0] <= step - WITHIN:
            self._lately.popleft()
        if len(self._lately) <= MOST_SKIPPED:
            what = "loss" if not math.isfinite(loss) else "gradient"
            say(f"step {step}: {what} is not finite, step skipped (its people are in log.jsonl)")
            return
        self._dump(batch, ids)
        raise Exploded(
            f"step {step}",
            f"loss or gradient was not finite in {len(self._lately)} of the last {WITHIN} steps, "
            f"this one with annotations {', '.join(map(str, ids[:5]))}, …",
            f"the last good checkpoint is kept; look at {self.file.name} and at 'skipped' in "
            "log.jsonl, or lower learning_rate",
        )

    def _dump(self, batch: Any, ids: list[int]) -> None:
        parts = {"ids": torch.tensor(ids), "crops": batch.crops}
        people = batch.keypoints
        parts |= people._asdict() if hasattr(people, "_asdict") else {"keypoints": people}
        whole = {name: tensor.detach().cpu().contiguous() for name, tensor in parts.items()}
        write_whole(self.file, save(whole))
