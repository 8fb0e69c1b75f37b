"""The progress of a training run: epoch, speed, time left, loss, and the last AP of small."""

import sys
import time
from contextlib import suppress

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from smallpose.system.progress import print_status

MAX_LINES = 10  # of a run that takes no longer than as many times `NEXT_LINE_S`
NEXT_LINE_S = 600.0


class TrainingProgressBar:
    """A bar on stderr if that is a terminal, otherwise some ten lines over the run.

    Long runs get more of them, one at the end of an epoch after every `NEXT_LINE_S`.

    Args:
        label: what is trained.
        step, steps: the present step, and the last one.
        steps_per_epoch: of the data.
        unit: what the speed counts.
        silent: print nothing, as all processes but the first do.

    Attributes:
        ap_small: text about the last validation and its epoch, appended to the line.
    """

    def __init__(
        self,
        label: str,
        step: int,
        steps: int,
        steps_per_epoch: int,
        unit: str = "people",
        silent: bool = False,
    ) -> None:
        self.unit, self.silent = unit, silent
        self._start_time, self._start_step = time.monotonic(), step
        self._last_line_time = self._start_time
        self.label, self.steps, self.steps_per_epoch = label, steps, max(steps_per_epoch, 1)
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
        """Show the state after a step; NaN losses are left out of the running mean."""
        if loss == loss:
            self._loss = loss if self._loss != self._loss else 0.95 * self._loss + 0.05 * loss
        epochs = -(-self.steps // self.steps_per_epoch)
        epoch = f"{-(-step // self.steps_per_epoch)}/{epochs}"
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
        elif self._is_due(step, epochs):
            self._last_line_time = time.monotonic()
            print_status(
                f"{self.label}: epoch {epoch}, loss {self._loss:.3g}, "
                f"{per_s:,.0f} {self.unit}/s{self._format_time_left(step)}{self.ap_small}"
            )

    def _is_due(self, step: int, epochs: int) -> bool:
        """Return whether a log gets a line after this step."""
        if step == self.steps:
            return True
        epoch, rest = divmod(step, self.steps_per_epoch)
        is_late = time.monotonic() - self._last_line_time >= NEXT_LINE_S
        return rest == 0 and (is_late or epoch % max(-(-epochs // MAX_LINES), 1) == 0)

    def _format_time_left(self, step: int) -> str:
        """Return the remaining time at the mean speed so far."""
        if step >= self.steps or step <= self._start_step:
            return ""
        per_step = (time.monotonic() - self._start_time) / (step - self._start_step)
        minutes, seconds = divmod(round(per_step * (self.steps - step)), 60)
        hours, minutes = divmod(minutes, 60)
        return f", {hours}:{minutes:02}:{seconds:02} left"

    def close(self) -> None:
        """Stop the bar and leave its last line."""
        if self._bar is not None:
            with suppress(OSError):  # the terminal is gone
                self._bar.stop()
