"""The training loop: epochs, with checkpoints, validations and the handling of signals."""

import re
import time
from collections.abc import Callable
from typing import Any

import torch

from smallpose.core.errors import InputError, RunError
from smallpose.system.progress import print_status
from smallpose.training.checkpoint import MODEL, save_state
from smallpose.training.config import TrainingConfig
from smallpose.training.nonfinite_guard import TrainingDiverged
from smallpose.training.progress import TrainingProgressBar
from smallpose.training.signals import Interrupted, StopSignals
from smallpose.training.trainer import Trainer

# Messages of gloo and of the sockets below it when another process has ended.
_LOST_PROCESS = re.compile(
    r"gloo|nccl|by peer|connection (closed|reset|refused)|broken pipe|timed out|socket",
    re.IGNORECASE,
)
CHECKPOINT_EVERY_S = 120.0
MIN_CHECKPOINT_GAP_S = 10.0  # epochs of a tiny set take less time than writing the state


class TrainingLoop:
    """Runs a trainer from its present step to its last.

    Args:
        config: of the run.
        trainer: in its initial or a restored state.
        kept: stored with each checkpoint.
        validate: computes the scores on the test set; None in processes that have none.
        save_weights: writes the final weights; called in all processes.
    """

    def __init__(
        self,
        config: TrainingConfig,
        trainer: Trainer,
        kept: dict[str, Any],
        validate: Callable[[], dict[str, Any] | None],
        save_weights: Callable[[], None],
    ) -> None:
        self.config, self.trainer = config, trainer
        self.kept, self.validate, self.save_weights = kept, validate, save_weights
        self.distributed, self.loader = trainer.distributed, trainer.loader
        self._log_every = max(self.loader.steps_per_epoch // 100, 1)
        self._start_time = time.monotonic()
        self._start_step = trainer.step
        self._saved_at = self._start_time

    def run(self) -> None:
        """Train to the end, or until a signal arrives.

        Raises: Interrupted after SIGINT, SIGTERM or SIGHUP, with everything saved;
            TrainingDiverged when losses stay non-finite; RunError and InputError of the loader.
        """
        trainer = self.trainer
        is_top_down = trainer.method.card.paradigm == "top-down"
        self._bar = TrainingProgressBar(
            f"{trainer.method.name} {self.config.setting}",
            trainer.step,
            trainer.steps,
            self.loader.steps_per_epoch,
            unit="people" if is_top_down else "images",
            silent=not self.distributed.is_first,
        )
        try:
            with StopSignals() as self._signals:
                self._run_epochs()
        except TrainingDiverged:
            self.save()  # the skipped steps left the weights unchanged, in all processes
            raise
        except (RunError, InputError):
            if self.distributed.world_size == 1 and trainer.step < trainer.steps:
                self.save()
            raise
        except RuntimeError as error:
            raise self._explain_lost_process(error) from None
        finally:
            self._bar.close()
            trainer.batches.close()

    def save(self) -> None:
        """Write the state atomically; must be called in all processes."""
        state = self.trainer.get_state() | self.kept
        if self.distributed.is_first:
            save_state(self.config.out, state)
        self._saved_at = time.monotonic()

    def _run_epochs(self) -> None:
        trainer = self.trainer
        # The interruption may have come between the last step of an epoch and its validation.
        lacks_validation = self.distributed.is_first and trainer.log.validated_step < trainer.step
        if trainer.step and self._any_process(lacks_validation):
            self._validate_if_due()
        while trainer.step < trainer.steps:
            trainer.run_epoch(self._after_step)
            if trainer.step >= trainer.steps:
                break
            if self._any_process(time.monotonic() - self._saved_at > MIN_CHECKPOINT_GAP_S):
                self.save()
            self._validate_if_due()
        # The weights come first: they are smaller, and what the run was for.
        self.save_weights()
        if trainer.recipe.epochs:
            self._save_final_state()

    def _save_final_state(self) -> None:
        """Write the last state.

        Raises: RunError on a full disk, where the weights are safe already.
        """
        try:
            self.save()
        except RunError as error:
            raise RunError(
                error.where,
                f"{error.what}; the final weights are safe in {self.config.out / MODEL}",
                "free some space; --resume repeats the steps since the last checkpoint",
            ) from None

    def _after_step(self, loss: float) -> None:
        """Log a step, then stop or save if any process has to."""
        trainer = self.trainer
        step = trainer.step
        is_finite = loss == loss
        if is_finite and (step % self._log_every == 0 or step == trainer.steps):
            epoch = (step - 1) // self.loader.steps_per_epoch + 1
            trainer.log.write(step=step, epoch=epoch, loss=loss)
        elapsed = max(time.monotonic() - self._start_time, 1e-9)
        samples_per_step = self.loader.num_samples / self.loader.steps_per_epoch
        self._bar.update(step, loss, (step - self._start_step) * samples_per_step / elapsed)
        is_due = time.monotonic() - self._saved_at > CHECKPOINT_EVERY_S
        signal, save = self._agree(self._signals.received, self.distributed.is_first and is_due)
        if signal:
            self.save()
            raise Interrupted(
                str(self.config.out),
                f"interrupted at step {step} of {trainer.steps} and saved",
                "continue with --resume",
                128 + signal,
            )
        if save:
            self.save()

    def _agree(self, signal: int, save: bool) -> tuple[int, bool]:
        """Share a signal or a due checkpoint of any process with all processes."""
        if self.distributed.world_size == 1:
            return signal, save
        # SIGINT (2) is summed separately, because its exit code differs from the others'.
        num_other, num_interrupt, num_save = self.distributed.sum_values(
            signal not in (0, 2), signal == 2, save
        )
        if num_other:
            return 15, bool(num_save)
        return 2 if num_interrupt else 0, bool(num_save)

    def _any_process(self, condition: bool) -> bool:
        return bool(self.distributed.sum_values(condition)[0])

    def _validate_if_due(self) -> None:
        trainer = self.trainer
        epoch, step_of_epoch = divmod(trainer.step, self.loader.steps_per_epoch)
        is_due = not step_of_epoch and epoch % trainer.recipe.validate_every == 0
        if is_due and trainer.step < trainer.steps:
            self._log_validation()

    def _log_validation(self) -> None:
        scores = self.validate()
        if scores is None:
            return
        trainer = self.trainer
        trainer.log.write(
            step=trainer.step,
            AP=scores["AP"],
            AP_S=scores["AP_S"],
            **{key: scores[key] for key in ("box_recall", "pose_recall") if key in scores},
            skipped_steps=trainer.guard.num_skipped,
        )
        ap_small = scores["AP_S"]
        epoch = trainer.step // self.loader.steps_per_epoch
        text = "" if ap_small is None else f", AP_S {100 * ap_small:.1f} after epoch {epoch}"
        self._bar.ap_small = text

    def _explain_lost_process(self, error: RuntimeError) -> Exception:
        """Turn PyTorch's error about a process that ended into ours; return others unchanged."""
        distributed = self.distributed
        if distributed.world_size == 1:
            return error
        is_lost = isinstance(error, torch.distributed.DistError)
        if not (is_lost or _LOST_PROCESS.search(str(error))):
            return error
        reason = (str(error).splitlines() or [""])[0][:160]
        print_status(f"rank {distributed.rank}: {reason}")
        return RunError(
            f"rank {distributed.rank} of {distributed.world_size}",
            f"another process has ended ({reason})",
            "the last complete checkpoint is kept; continue with --resume",
        )
