"""Read the log of a run's training: the loss of its steps, and its validations."""

from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.system.files import read_bytes

Floats = NDArray[np.float64]

LOG_FILE = "log.jsonl"
_NUM_PARTS = 50  # of a training, over each of which the loss is averaged


class TrainingLog(NamedTuple):
    """What a training logged, by the share of its steps that were done.

    Args:
        num_steps: of the whole training.
        shares, losses: (m,) middles of equal parts of the training, and the mean loss of each.
        validated: (v,) shares at which it was validated.
        ap_small: (v,) AP_S there, or AP where no AP_S was logged, points.
    """

    num_steps: int
    shares: Floats
    losses: Floats
    validated: Floats
    ap_small: Floats


def read_training_log(folder: Path) -> TrainingLog | None:
    """Read the log of the run in a folder; None where it has none, or no two losses.

    A line that is damaged, as by a process that was ended, is left out.
    """
    path = folder / LOG_FILE
    if not path.is_file():
        return None
    try:
        lines = read_bytes(path).splitlines()
    except InputError:
        return None
    losses: dict[int, float] = {}
    validations: dict[int, float] = {}
    for line in lines:
        try:
            record = msgspec.json.decode(line, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        step, loss = record.get("step"), record.get("loss")
        ap = record.get("AP_S", record.get("AP"))
        if isinstance(step, int) and isinstance(loss, float) and np.isfinite(loss):
            losses[step] = loss
        if isinstance(step, int) and isinstance(ap, int | float) and np.isfinite(ap):
            validations[step] = 100.0 * ap
    if len(losses) < 2:
        return None
    num_steps = max(max(losses), *validations, 1)
    steps = np.array(sorted(losses), dtype=np.float64)
    values = np.array([losses[step] for step in sorted(losses)])
    parts = np.minimum((steps - 1) * _NUM_PARTS // num_steps, _NUM_PARTS - 1).astype(np.int64)
    counts = np.bincount(parts, minlength=_NUM_PARTS)
    used = counts > 0
    sums = [np.bincount(parts, weights=one, minlength=_NUM_PARTS)[used] for one in (steps, values)]
    middles, means = (one / counts[used] for one in sums)
    validated = sorted(validations)
    return TrainingLog(
        num_steps,
        middles / num_steps,
        means,
        np.array(validated, dtype=np.float64) / num_steps,
        np.array([validations[step] for step in validated]),
    )
