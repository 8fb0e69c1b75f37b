"""The course of a training: epochs, with checkpoints, validations and signals along the way."""

import re
import time
from collections.abc import Callable
from typing import Any

import torch

from smallpose.core.errors import InputError, RunError
from smallpose.system.progress import say
from smallpose.training.checkpoint import save_state
from smallpose.training.config import Experiment
from smallpose.training.nonfinite_guard import Exploded
from smallpose.training.progress import TrainingBar
from smallpose.training.signals import Interrupted, Signals
from smallpose.training.trainer import Trainer

# What gloo and the sockets below it say when nobody is there any more.
_LOST = re.compile(
    r"gloo|nccl|by peer|connection (closed|reset|refused)|broken pipe|timed out|socket",
    re.IGNORECASE,
)
CHECKPOINT_EVERY_S = 120.0
CHECKPOINT_APART_S = 10.0  # epochs of a tiny set last less than writing the state does


class Course:
    """One training from the step it is at to its last.

    Args:
        experiment: whose.
        trainer: with the state to begin from.
        identity: stored with each checkpoint.
        validate: the test set's numbers along the way; None in processes that have none.
    """

    def __init__(
        self,
        experiment: Experiment,
        trainer: Trainer,
        identity: dict[str, Any],
        validate: Callable[[], dict[str, Any] | None],
    ) -> None:
        self.experiment, self.trainer = experiment, trainer
        self.identity, self.validate = identity, validate
        self.ranks, self.feed = trainer.ranks, trainer.feed
        self._log_every = max(self.feed.steps // 100, 1)
        self._began, self._from = time.monotonic(), trainer.step
        self._saved_at = self._began

    def run(self) -> None:
        """To the end, or to a signal.

        Raises: Interrupted after SIGINT, SIGTERM or SIGHUP, with everything saved; Exploded when
            steps have no finite loss any more; RunError and InputError as the feed does.
        """
        trainer = self.trainer
        label = f"{trainer.method.name} {self.experiment.setting}"
        unit = "pictures" if trainer.method.card.paradigm != "top-down" else "people"
        self._bar = TrainingBar(
            label,
            trainer.step,
            trainer.steps,
            self.feed.steps,
            unit,
            silent=not self.ranks.first,
        )
        try:
            with Signals() as self._signals:
                self._epochs()
        except Exploded:
            self.save()  # what went wrong spared the weights, in all processes
            raise
        except (RunError, InputError):
            if self.ranks.world == 1:
                self.save()
            raise
        except RuntimeError as error:
            raise self._left_alone(error) from None
        finally:
            self._bar.close()
            self.feed.close()

    def save(self) -> None:
        """Write the state, whole or not at all."""
        state = self.trainer.state() | {"identity": self.identity}
        if self.ranks.first:
            save_state(self.experiment.out, state)
        self._saved_at = time.monotonic()

    def _epochs(self) -> None:
        trainer = self.trainer
        # An interruption may have come between an epoch's last step and its validation.
        if trainer.step and self._anybody(self.ranks.first and trainer.log.looked < trainer.step):
            self._look_if_due()
        while trainer.step < trainer.steps:
            trainer.run_epoch(self._after_step)
            if self._anybody(time.monotonic() - self._saved_at > CHECKPOINT_APART_S):
                self.save()
            self._look_if_due()
        if trainer.recipe.epochs:
            self.save()

    def _after_step(self, loss: float) -> None:
        trainer, step = self.trainer, self.trainer.step
        if loss == loss and (step % self._log_every == 0 or step == trainer.steps):
            epoch = (step - 1) // self.feed.steps + 1
            trainer.log.write(step=step, epoch=epoch, loss=loss)
        taken = max(time.monotonic() - self._began, 1e-9)
        speed = (step - self._from) * self.feed.people / self.feed.steps / taken
        self._bar.update(step, loss, speed)
        late = self.ranks.first and time.monotonic() - self._saved_at > CHECKPOINT_EVERY_S
        signal, save = self._together(self._signals.received, late)
        if signal:
            self.save()
            raise Interrupted(
                str(self.experiment.out),
                f"interrupted at step {step} of {trainer.steps} and saved",
                "go on with --resume",
                128 + signal,
            )
        if save:
            self.save()

    def _together(self, signal: int, late: bool) -> tuple[int, bool]:
        """A signal or a late checkpoint of any process is everybody's."""
        if self.ranks.world == 1:
            return signal, late
        # One sum each, so that they tell SIGINT (2) from the others.
        other, interrupt, save = self.ranks.sum(signal not in (0, 2), signal == 2, late)
        return (15 if other else 2 if interrupt else 0), bool(save)

    def _anybody(self, wish: bool) -> bool:
        return bool(self.ranks.sum(wish)[0])

    def _look_if_due(self) -> None:
        trainer = self.trainer
        epoch, inside = divmod(trainer.step, self.feed.steps)
        if (
            not inside
            and epoch % trainer.recipe.validate_every == 0
            and trainer.step < trainer.steps
        ):
            self._look()

    def _look(self) -> None:
        numbers = self.validate()
        if numbers is None:
            return
        trainer = self.trainer
        trainer.log.write(
            step=trainer.step,
            AP=numbers["AP"],
            AP_S=numbers["AP_S"],
            skipped_steps=trainer.guard.skipped,
        )
        small = numbers["AP_S"]
        self._bar.ap_small = "" if small is None else f"  AP_S {100 * small:.1f}"

    def _left_alone(self, error: RuntimeError) -> Exception:
        """What PyTorch raises when another process is gone; other defects stay what they are."""
        if self.ranks.world == 1:
            return error
        if not (isinstance(error, torch.distributed.DistError) or _LOST.search(str(error))):
            return error
        reason = (str(error).splitlines() or [""])[0][:160]
        say(f"rank {self.ranks.rank}: {reason}")
        return RunError(
            f"rank {self.ranks.rank} of {self.ranks.world}",
            f"another process is gone ({reason})",
            "the last complete checkpoint is kept; go on with --resume",
        )
