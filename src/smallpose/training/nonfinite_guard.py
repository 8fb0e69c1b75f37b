"""Skip steps whose loss or gradient is not finite, and stop a run that has too many."""

import math
from collections import deque
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from smallpose.core.errors import RunError
from smallpose.methods.base import PoseMethod
from smallpose.system.files import write_atomically
from smallpose.system.progress import print_status

MAX_SKIPPED = 5  # steps that may be skipped among the last WITHIN before the run stops
WITHIN = 100
DUMP = "stopped.safetensors"


class TrainingDiverged(RunError):
    """Too many steps had no finite loss or gradient; raised in every process."""


class NonfiniteGuard:
    """Undoes the effects of a step that went wrong, and counts such steps.

    Args:
        folder: where the samples of the step that stops a run are saved.
        rank: of this process; each process saves its own samples.
    """

    def __init__(self, folder: Path, rank: int = 0) -> None:
        self.file = folder / (f"stopped-rank{rank}.safetensors" if rank else DUMP)
        self.num_skipped = 0
        self._recent_steps: deque[int] = deque()
        self._saved_buffers: list[Tensor] = []

    def save_buffers(self, method: PoseMethod) -> None:
        """Copy the running statistics, which a forward pass changes before the loss is known."""
        buffers = list(method.buffers())
        if not self._saved_buffers:
            self._saved_buffers = [b.clone() for b in buffers]
        else:
            torch._foreach_copy_(self._saved_buffers, buffers)

    def restore_buffers(self, method: PoseMethod) -> None:
        """Restore the copied statistics and delete the gradients."""
        torch._foreach_copy_(list(method.buffers()), self._saved_buffers)
        method.zero_grad(set_to_none=True)

    def count_skipped(self, step: int, loss: float, ids: list[int], batch: Any) -> None:
        """Report a skipped step.

        Args:
            step: counted from 1.
            ids: of the annotations in `batch`.
            batch: of this process.
        Raises: TrainingDiverged when there are too many.
        """
        self.num_skipped += 1
        self._recent_steps.append(step)
        while self._recent_steps[0] <= step - WITHIN:
            self._recent_steps.popleft()
        if len(self._recent_steps) <= MAX_SKIPPED:
            what = "loss" if not math.isfinite(loss) else "gradient"
            print_status(
                f"step {step}: {what} is not finite, step skipped (its people are in log.jsonl)"
            )
            return
        self._dump_batch(batch, ids)
        raise TrainingDiverged(
            f"step {step}",
            f"loss or gradient was not finite in {len(self._recent_steps)} of the last {WITHIN} "
            f"steps, this one with annotations {', '.join(map(str, ids[:5]))}, …",
            f"the last good checkpoint is kept; look at {self.file.name} and at 'skipped' in "
            "log.jsonl, or lower learning_rate",
        )

    def _dump_batch(self, batch: Any, ids: list[int]) -> None:
        tensors = {"ids": torch.tensor(ids), "crops": batch.crops}
        people = batch.keypoints
        tensors |= people._asdict() if hasattr(people, "_asdict") else {"keypoints": people}
        on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        write_atomically(self.file, save(on_cpu))
