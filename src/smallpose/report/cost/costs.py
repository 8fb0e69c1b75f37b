"""The measured costs of a method, a model of its time, and the frontier of several methods."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.system.json_decode import read_json

Floats = NDArray[np.float64]

# (people, longer side in px) of the images; the figure and the table show them, and the model of
# the time is fitted to them.
SHOWN_CELLS = ((4, 640), (1, 1280), (4, 1280), (16, 1280), (4, 1920))
# The model is checked on these, which it has not seen.
CHECKED_CELLS = ((1, 640), (8, 960), (16, 1920))
MEGAPIXEL = 1e6


@dataclass(frozen=True)
class CostCell:
    """What one image costs.

    Args:
        people: in the image; a top-down method gets their boxes.
        side: longer side of the image, px; the shorter is three quarters of it.
        ms: processor time on a CPU (one thread unless the user sets more), else time.
        mb: by which the process, or the memory used on the GPU, is larger at most than before the
            method was created: weights included, programs not.
    """

    people: int
    side: int
    ms: float
    mb: float

    @property
    def megapixels(self) -> float:
        """Return the size of the image."""
        return self.side * (self.side * 3 // 4) / MEGAPIXEL


@dataclass(frozen=True)
class TimeModel:
    """ms = fixed + per person × people + per megapixel × megapixels.

    Args:
        error: largest error on images that it was not fitted to, as a share of the measured time.
    """

    fixed_ms: float
    ms_per_person: float
    ms_per_megapixel: float
    error: float = float("nan")

    def predict_ms(self, people: float, megapixels: float) -> float:
        """Predict the time for an image."""
        return self.fixed_ms + self.ms_per_person * people + self.ms_per_megapixel * megapixels


@dataclass(frozen=True)
class MethodCost:
    """The costs of one method.

    Args:
        name: of the method; of a model without a run, that of its results.
        device: with its number of threads.
    """

    name: str
    device: str
    cells: tuple[CostCell, ...]
    model: TimeModel

    def find_cell(self, people: int, side: int) -> CostCell:
        """Return the cell of an image."""
        return next(c for c in self.cells if (c.people, c.side) == (people, side))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def create_method_cost(name: str, device: str, cells: Sequence[CostCell]) -> MethodCost:
    """Fit the model of the time to the shown cells and check it on the others."""
    shown = [cell for cell in cells if (cell.people, cell.side) in SHOWN_CELLS]
    checked = [cell for cell in cells if (cell.people, cell.side) in CHECKED_CELLS]
    model = fit_time_model(shown)
    errors = [abs(model.predict_ms(c.people, c.megapixels) / c.ms - 1) for c in checked]
    model = TimeModel(
        model.fixed_ms, model.ms_per_person, model.ms_per_megapixel, max(errors, default=np.nan)
    )
    return MethodCost(name=name, device=device, cells=tuple(cells), model=model)


def fit_time_model(cells: Sequence[CostCell]) -> TimeModel:
    """Fit the model by least squares of relative errors; no part of the time is negative."""
    rows = np.array([[1.0, cell.people, cell.megapixels] for cell in cells])
    ms = np.array([cell.ms for cell in cells])
    kept = [0, 1, 2]
    while True:
        # Relative errors: each row is divided by its time.
        solution = np.linalg.lstsq(rows[:, kept] / ms[:, None], np.ones(len(ms)), rcond=None)[0]
        if len(kept) == 1 or solution.min() >= 0:
            break
        del kept[int(np.argmin(solution))]
    parts = np.zeros(3)
    parts[kept] = np.maximum(solution, 0)
    return TimeModel(*parts.tolist())


def find_frontier(costs: Sequence[float], gains: Sequence[float]) -> list[int]:
    """Return the indices that no other equals or beats in both, by rising cost.

    >>> find_frontier([10, 20, 30, 15], [40, 50, 45, 30])
    [0, 1]
    """
    frontier: list[int] = []
    for index in sorted(range(len(costs)), key=lambda i: (costs[i], -gains[i])):
        if not frontier or gains[index] > gains[frontier[-1]]:
            frontier.append(index)
    return frontier


class _StoredCell(msgspec.Struct):
    people: int
    side: int
    ms: float
    mb: float


class _StoredCost(msgspec.Struct):
    name: str
    device: str
    cells: list[_StoredCell]


def read_costs(path: Path) -> dict[str, MethodCost]:
    """Read what an earlier report wrote as `cost.json`, by the name of the method.

    Raises: InputError when the file is none, or lacks cells.
    """
    stored: Sequence[Mapping[str, Any]] = read_json(path, list[dict[str, Any]])
    costs = {}
    for index, record in enumerate(stored):
        where = f"{path}: [{index}]"
        remedy = "name a cost.json that 'smallpose report --cost' wrote"
        try:
            one = msgspec.convert(record, _StoredCost)
        except msgspec.ValidationError as error:
            raise InputError(where, f"is no cost of a method ({error})", remedy) from None
        cells = [CostCell(c.people, c.side, c.ms, c.mb) for c in one.cells]
        measured = {(cell.people, cell.side) for cell in cells if cell.ms > 0}
        if not set(SHOWN_CELLS) <= measured:
            raise InputError(where, "lacks images that the figure shows", remedy)
        costs[one.name] = create_method_cost(one.name, one.device, cells)
    return costs
