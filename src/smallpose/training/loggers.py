"""TensorBoard and Weights & Biases, where they are installed and asked for."""

import importlib
from pathlib import Path
from typing import Any

from smallpose.core.errors import InputError
from smallpose.training.run_log import RecordLogger


def create_tensorboard_logger(folder: Path) -> RecordLogger:
    """Records as curves below `folder`, for `tensorboard --logdir`.

    Raises: InputError where it is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise InputError(
            "--tensorboard",
            "tensorboard is not installed",
            "pip install '.[tensorboard]' in your clone",
        ) from None
    writer = SummaryWriter(str(folder))

    def show(record: dict[str, Any]) -> None:
        for name, value in select_numbers(record).items():
            writer.add_scalar(name, value, record["step"])
        writer.flush()

    return show


def create_wandb_logger(
    project: str, name: str, config: dict[str, Any], folder: Path
) -> RecordLogger:
    """Records as curves of a W&B project.

    Args:
        name: of the run.
        config: what W&B shall show as its settings.
        folder: where W&B leaves its own files.
    Raises: InputError where it is not installed.
    """
    try:
        board: Any = importlib.import_module("wandb")
    except ImportError:
        raise InputError("--wandb", "wandb is not installed", "pip install wandb") from None
    run = board.init(project=project, name=name, config=config, dir=str(folder), resume="allow")

    def show(record: dict[str, Any]) -> None:
        run.log(select_numbers(record), step=record["step"])

    return show


def select_numbers(record: dict[str, Any]) -> dict[str, float]:
    """The curves in a record of the log."""
    rest = {k: v for k, v in record.items() if k != "step"}
    return {k: float(v) for k, v in rest.items() if isinstance(v, int | float)}
