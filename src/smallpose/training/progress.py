"""The line that tells how a training goes: epoch, speed, time left, loss, the last AP of small."""

import sys
import time
from contextlib import suppress

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from smallpose.system.progress import say


class TrainingBar:
    """A bar on stderr while somebody watches, else some twenty lines over the run.

    Args:
        label: what is trained.
        step, steps: where it stands, of how many.
        steps_of_epoch: of them.
        unit: what the speed counts.
        silent: say nothing, as all processes but the first do.
    """

    def __init__(
        self,
        label: str,
        step: int,
        steps: int,
        steps_of_epoch: int,
        unit: str = "people",
        silent: bool = False,
    ) -> None:
        self.unit, self.silent = unit, silent
        self._began, self._from = time.monotonic(), step
        self.label, self.steps, self.steps_of_epoch = label, steps, max(steps_of_epoch, 1)
        self.ap_small = ""
        self._loss = float("nan")
        self._bar: Progress | None = None
        if sys.stderr.isatty() and not silent:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("epoch {task.fields[epoch]}  {task.fields[speed]:,.0f} " + unit + "/s"),
                TextColumn("loss {task.fields[loss]:.3g}{task.fields[ap]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task(
                label, total=steps, completed=step, epoch="", speed=0.0, loss=0.0, ap=""
            )
            self._bar.start()

    def update(self, step: int, loss: float, per_s: float) -> None:
        """After a step."""
        if loss == loss:
            self._loss = loss if self._loss != self._loss else 0.95 * self._loss + 0.05 * loss
        epochs = -(-self.steps // self.steps_of_epoch)
        epoch = f"{-(-step // self.steps_of_epoch)}/{epochs}"
        if self._bar is not None:
            self._bar.update(
                self._task,
                completed=step,
                epoch=epoch,
                speed=per_s,
                loss=self._loss,
                ap=self.ap_small,
            )
        elif self.silent:
            return
        elif step % (self.steps_of_epoch * max(epochs // 20, 1)) == 0 or step == self.steps:
            say(
                f"{self.label}: epoch {epoch}, loss {self._loss:.3g}, "
                f"{per_s:,.0f} {self.unit}/s{self._left(step)}{self.ap_small}"
            )

    def _left(self, step: int) -> str:
        """How long yet, at the speed so far."""
        if step >= self.steps or step <= self._from:
            return ""
        each = (time.monotonic() - self._began) / (step - self._from)
        minutes, seconds = divmod(round(each * (self.steps - step)), 60)
        hours, minutes = divmod(minutes, 60)
        return f", {hours}:{minutes:02}:{seconds:02} left"

    def close(self) -> None:
        """Leave the line as it is."""
        if self._bar is not None:
            with suppress(OSError):  # the terminal is gone
                self._bar.stop()
