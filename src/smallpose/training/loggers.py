"""Loggers that send the records of a run to TensorBoard and to Weights & Biases."""

import importlib
from pathlib import Path
from typing import Any

from smallpose.core.errors import InputError
from smallpose.system.packages import require_packages
from smallpose.training.run_log import RecordLogger


def create_tensorboard_logger(folder: Path) -> RecordLogger:
    """Create a logger that writes curves below `folder`, for `tensorboard --logdir`.

    Raises: InputError if TensorBoard is not installed.
    """
    require_packages("--tensorboard", "tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder))

    def log_record(record: dict[str, Any]) -> None:
        for name, value in select_numbers(record).items():
            writer.add_scalar(name, value, record["step"])
        writer.flush()

    return log_record


def create_wandb_logger(
    project: str, name: str, config: dict[str, Any], folder: Path
) -> RecordLogger:
    """Create a logger that draws curves in a W&B project.

    Args:
        name: of the run.
        config: what W&B shows as the run's configuration.
        folder: for the files of W&B.
    Raises: InputError if wandb is not installed.
    """
    try:
        wandb: Any = importlib.import_module("wandb")
    except ImportError:
        raise InputError("--wandb", "wandb is not installed", "pip install wandb") from None
    run = wandb.init(project=project, name=name, config=config, dir=str(folder), resume="allow")

    def log_record(record: dict[str, Any]) -> None:
        run.log(select_numbers(record), step=record["step"])

    return log_record


def select_numbers(record: dict[str, Any]) -> dict[str, float]:
    """Return the numbers in a record that are drawn as curves."""
    others = {k: v for k, v in record.items() if k != "step"}
    return {k: float(v) for k, v in others.items() if isinstance(v, int | float)}
