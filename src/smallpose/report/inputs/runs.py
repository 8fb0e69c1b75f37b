"""Finished runs, read from their folders: `result.json` and where `found.json` and the data lie."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import Struct

from smallpose.core.errors import InputError
from smallpose.system.json_decode import read_json

# The columns of the paper's Tables 2 and 3, as the evaluation names them.
METRICS = (
    "AP",
    "AP_S",
    "AP_M",
    "AP_L",
    "AP_S_sparse",
    "AP_S_moderate",
    "AP_S_dense",
    "AR",
)
PROTOCOLS = ("coco", "owned", "recall")


class _ResultFile(Struct):
    method: str
    evaluation: dict[str, Any]
    setting: str = ""
    recipe: Any = None
    seed: int | None = None
    parameters: int | None = None
    steps: int | None = None
    epochs: float | None = None
    seconds: float | None = None
    data: str | None = None
    subset: int | None = None
    weights: Any = None
    environment: dict[str, Any] = {}


@dataclass(frozen=True)
class Run:
    """One finished training and its numbers.

    Args:
        folder: where it lies; its name tells runs of one method apart.
        method: as `smallpose methods` names it.
        setting: "A" or "B".
        recipe: its name.
        recipe_fields: what it sets, as far as the run says.
        parameters: weights of the network.
        seconds: the training took.
        data: the built set's folder, where it can still be found.
        subset: number of the training subset of COCO's size (Table 5); None for everything.
        evaluation: contracts' evaluation JSON, as it stands.
    """

    folder: Path
    method: str
    setting: str
    recipe: str
    recipe_fields: Mapping[str, Any]
    seed: int | None
    parameters: int | None
    steps: int | None
    epochs: float | None
    seconds: float | None
    data: Path | None
    subset: int | None
    weights: Any
    environment: Mapping[str, Any]
    evaluation: Mapping[str, Any]

    @property
    def found(self) -> Path | None:
        """Its result file, if it is there."""
        path = self.folder / "found.json"
        return path if path.is_file() else None

    @property
    def is_untrained(self) -> bool:
        """Whether the network stayed as it was drawn: no epoch, no step."""
        return self.epochs == 0 or self.steps == 0

    @property
    def trained_on(self) -> str:
        """ "A" or "B", or "subset" of B."""
        return self.setting if self.subset is None else "subset"

    @property
    def protocols(self) -> tuple[str, ...]:
        """The protocols it was evaluated by, the paper's first."""
        there = self.evaluation.get("protocols") or {}
        return tuple(p for p in PROTOCOLS if p in there)

    def metric(self, name: str, protocol: str = "coco") -> float | None:
        """A metric in points, 0 to 100; None where the class has no people or was not computed."""
        value = ((self.evaluation.get("protocols") or {}).get(protocol) or {}).get(name)
        # pycocotools writes -1 for a class without people.
        return 100 * float(value) if value is not None and value >= 0 else None

    def ends(self, name: str, protocol: str = "coco") -> tuple[float, float] | None:
        """The 95 % interval of a metric in points, where the evaluation holds it."""
        ends = ((self.evaluation.get("intervals") or {}).get(protocol) or {}).get(name)
        return None if not ends else (100 * float(ends[0]), 100 * float(ends[1]))


def read_run(folder: Path) -> Run:
    """The run in that folder.

    Raises: InputError when there is no readable `result.json`.
    """
    folder = folder if folder.name else folder.resolve()  # "." has no name to show
    path = folder / "result.json"
    if not path.is_file():
        what = "no result.json in it" if folder.is_dir() else "no such folder"
        raise InputError(str(folder), what, "name a folder that 'smallpose train' finished")
    file = read_json(path, _ResultFile)
    if not isinstance(file.evaluation.get("protocols"), dict):
        raise InputError(str(path), "its evaluation has no protocols", "train or evaluate it again")
    return Run(
        folder,
        file.method,
        file.setting,
        *_split_recipe(file.recipe),
        file.seed,
        file.parameters,
        file.steps,
        file.epochs,
        file.seconds,
        _find_dataset(folder, file.data),
        file.subset,
        file.weights,
        file.environment,
        file.evaluation,
    )


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """All of them, in the order given; a folder named twice is read once."""
    return [read_run(folder) for folder in dict.fromkeys(folders)]


def group_seeds(runs: Sequence[Run]) -> list[list[int]]:
    """Places of runs that differ in nothing but their seed, together, by the first of each."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for n, run in enumerate(runs):
        recipe = tuple(sorted((k, str(v)) for k, v in run.recipe_fields.items()))
        key = (run.method, run.trained_on, run.recipe, recipe, run.epochs, run.steps, run.data)
        groups.setdefault(key, []).append(n)
    return list(groups.values())


def find_shared_dataset(runs: Sequence[Run]) -> Path | None:
    """The data set most runs share, the first of several; None when it cannot be found."""
    folders = [run.data for run in runs if run.data is not None]
    return max(dict.fromkeys(folders), key=folders.count) if folders else None


def _split_recipe(recipe: Any) -> tuple[str, Mapping[str, Any]]:
    """Its name and its fields; a name alone will do."""
    if not isinstance(recipe, dict):
        return str(recipe or ""), {}
    return str(recipe.get("name") or ""), {k: v for k, v in recipe.items() if k != "name"}


def _find_dataset(folder: Path, name: str | None) -> Path | None:
    """Runs and sets are moved together, so a relative or stale path is tried beside the run."""
    if not name:
        return None
    folder = folder.resolve()
    # Beside the run, as the demo has it, or beside the folder of runs, as the README does.
    near = [folder, folder.parent, folder.parent.parent]
    tries = [Path(name), *(n / name for n in near[:2]), *(n / Path(name).name for n in near[1:])]
    return next((p for p in tries if (p / "annotations" / "test.json").is_file()), None)
