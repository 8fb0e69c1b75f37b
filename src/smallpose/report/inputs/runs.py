"""Read finished runs from their folders: `result.json`, and the paths of `found.json` and data.

A result file of any origin is a run without a training: see `result_files`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct, ValidationError, convert
from msgspec import field as json_field

from smallpose.catalog.method_code import MethodCode
from smallpose.catalog.method_files import KEY, describe_changed_files, hash_method_files
from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.interval import Interval
from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.report.inputs import paper_values
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
# The joints that runs of the paper's settings are scored on.
_JOINTS_OF_SETTING = {"A": COCO17.name, "B": SMALLPOSE.name}
NO_NETWORK = "no network"  # the paradigm of the median pose
# Settings of an evaluation that older runs wrote under another name.
_RENAMED_SETTINGS = {"max_found": "max_detections", "found_area": "detection_area"}


# pycocotools writes -1 for a class without people.
_Score = Annotated[float, Meta(ge=-1, le=1)]
_Count = Annotated[int, Meta(ge=0)]
_Amount = Annotated[float, Meta(ge=0)]
_Path = Annotated[str, Meta(pattern=r"^[^\x00]*$")]


class _Evaluation(Struct):
    """What is read of the evaluation JSON."""

    protocols: dict[str, dict[str, _Score | None]]
    intervals: dict[str, dict[str, tuple[float, float] | None]] | None = None
    settings: dict[str, Any] | None = None
    notes: list[str] | None = None


class _ResultFile(Struct):
    method: str
    evaluation: dict[str, Any]
    setting: str = ""
    recipe: dict[str, Any] | str | None = None
    seed: int | None = None
    parameters: _Count | None = None
    steps: _Count | None = None
    epochs: _Amount | None = None
    seconds: _Amount | None = None
    data: _Path | None = None
    subset: int | None = None
    weights: Any = None
    environment: dict[str, Any] = {}
    evaluation_on_17: dict[str, Any] | None = json_field(name="B17", default=None)
    card: dict[str, Any] = {}


@dataclass(frozen=True)
class Run:
    """One finished training and its scores, or one result file and its scores.

    Args:
        folder: of the run; its name tells runs of one method apart. Of a result file, its path.
        method: as `smallpose methods` names it; "" for a result file.
        setting: "A" or "B"; "B17" for B scored on COCO's 17 joints, as A is.
        recipe: its name.
        recipe_fields: the recipe's values, as far as the run records them.
        parameters: weights of the network.
        seconds: duration of the training.
        data: the built set's folder, if it still exists.
        subset: number of the training subset of COCO's size (Table 5); None for the full set.
        evaluation: the evaluation JSON as recorded (see the contracts).
        evaluation_on_17: the same on COCO's 17 joints; None where it was not recorded.
        name: what the user calls it; "" for a run that is shown by method and setting.
        file_facts: what is known of a result file, such as its hash; empty for a run.
        card: title, paradigm and parts of a method that is none of smallpose's; else empty.
        own_set: what it was trained on where that is no built set with the joints of its setting,
            such as "19 joints of own"; "" for a run that the paper's tables have a place for.
        recorded_data: the built set's folder as the run recorded it, whether it exists or not.
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
    evaluation_on_17: Mapping[str, Any] | None = None
    name: str = ""
    file_facts: Mapping[str, Any] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)
    own_set: str = ""
    recorded_data: Path | None = None

    @property
    def test_set(self) -> Path | None:
        """Return the set, or the file, that has the people of its scores; None if unknown."""
        return self.data or self.recorded_data

    @property
    def is_result_file(self) -> bool:
        """Return whether this is a result file, of which no training is known."""
        return bool(self.file_facts)

    @property
    def title(self) -> str:
        """Return its name, or that of its folder."""
        return self.name or self.folder.name

    @property
    def method_label(self) -> str:
        """Return the method to be read; of a result file, its name."""
        return self.title if self.is_result_file else paper_values.format_method_label(self.method)

    @property
    def predictions_path(self) -> Path | None:
        """Return the path of its result file, if that exists."""
        path = self.folder if self.is_result_file else self.folder / "found.json"
        return path if path.is_file() or self.is_result_file else None

    @property
    def is_untrained(self) -> bool:
        """Return whether the network is as initialized: no epoch, no step."""
        return self.epochs == 0 or self.steps == 0

    @property
    def has_network(self) -> bool:
        """Return whether a network predicted; the median pose, a floor for methods, has none."""
        return self.card.get("paradigm") != NO_NETWORK

    @property
    def trained_on(self) -> str:
        """Return "A" or "B", or "subset" for a subset of B; with "17" if scored on 17 joints.

        Of a run on a set of its own, "own", or "own A" and "own B17".
        """
        if self.own_set:
            return "own" if self.setting == "B" else f"own {self.setting}"
        return self.setting if self.subset is None else self.setting.replace("B", "subset")

    def on_coco17(self) -> "Run":
        """Return the run as scored on COCO's 17 joints, without metrics if that is unknown."""
        return replace(
            self, setting="B17", evaluation=self.evaluation_on_17 or {}, evaluation_on_17=None
        )

    @property
    def protocols(self) -> tuple[str, ...]:
        """Return the protocols it was evaluated by, the paper's first."""
        evaluated = self.evaluation.get("protocols") or {}
        return tuple(p for p in PROTOCOLS if p in evaluated)

    def metric(self, name: str, protocol: str = "coco") -> float | None:
        """Return a metric in points, 0 to 100; None for an empty class or an unknown metric."""
        value = ((self.evaluation.get("protocols") or {}).get(protocol) or {}).get(name)
        # pycocotools writes -1 for a class without people.
        return 100 * float(value) if value is not None and value >= 0 else None

    def interval(self, name: str, protocol: str = "coco") -> Interval | None:
        """Return a metric in points with its 95 % interval, if the evaluation has that."""
        value = self.metric(name, protocol)
        ends = ((self.evaluation.get("intervals") or {}).get(protocol) or {}).get(name)
        if value is None or not ends:
            return None
        return Interval(value, 100 * float(ends[0]), 100 * float(ends[1]))


def read_run(folder: Path) -> Run:
    """Read the run in that folder.

    Raises: InputError when there is no readable `result.json`.
    """
    folder = folder if folder.name else folder.resolve()  # "." has no name to show
    path = folder / "result.json"
    if not path.is_file():
        what = "it has no result.json" if folder.is_dir() else "no such folder"
        raise InputError(str(folder), what, "pass the folder of a run that 'smallpose train' made")
    file = read_json(path, _ResultFile)
    _check_evaluation(path, "evaluation", file.evaluation)
    if file.evaluation_on_17 is not None:
        _check_evaluation(path, "B17", file.evaluation_on_17)
    recipe, recipe_fields = _split_recipe(file.recipe)
    data = _find_dataset(folder, file.data)
    return Run(
        folder=folder,
        method=file.method,
        setting=file.setting,
        recipe=recipe,
        recipe_fields=recipe_fields,
        seed=file.seed,
        parameters=file.parameters,
        steps=file.steps,
        epochs=file.epochs,
        seconds=file.seconds,
        data=data,
        subset=file.subset,
        weights=file.weights,
        environment=file.environment,
        evaluation=_rename_settings(file.evaluation),
        evaluation_on_17=file.evaluation_on_17 and _rename_settings(file.evaluation_on_17),
        card=file.card,
        own_set=_describe_own_set(file, data),
        recorded_data=Path(file.data) if file.data else None,
    )


def _describe_own_set(file: _ResultFile, data: Path | None) -> str:
    """Describe what a run was trained on, where that is none of the paper's settings; else ""."""
    settings = file.evaluation.get("settings") or {}
    joints = settings.get("keypoints")
    expected = _JOINTS_OF_SETTING.get(file.setting)
    has_other_joints = None not in (joints, expected) and joints != expected
    is_built = data is None or (data / "manifest.json").is_file()
    if is_built and not has_other_joints:
        return ""
    num_joints = (
        format_count(len(settings["sigmas"]), "joint")
        if settings.get("sigmas")
        else str(joints or "")
    )
    return " of ".join(part for part in (num_joints, data.name if data else "") if part)


def describe_changed_code(run: Run) -> str:
    """Say that the file of a user's method has changed since the run; "" where it has not."""
    path = run.folder / "model.json"
    card = read_json(path, dict[str, Any]) if path.is_file() else {}
    code = MethodCode.parse(str(card.get("code") or ""))
    if code is None or not code.file.is_file():
        return ""
    return describe_changed_files(run.folder, card.get(KEY), hash_method_files(code.file))


def _check_evaluation(path: Path, key: str, evaluation: dict[str, Any]) -> None:
    if "protocols" not in evaluation:
        raise InputError(
            f"{path}, {key}", "the evaluation has no protocols", "train or evaluate the run again"
        )
    try:
        convert(evaluation, _Evaluation)
    except ValidationError as error:
        reason = str(error).replace("`", "").replace("$.", "")
        raise InputError(
            f"{path}, {key}",
            f"not what an evaluation has ({reason})",
            "train or evaluate the run again",
        ) from None


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """Read all runs in the order given; a folder given twice is read once."""
    return [read_run(folder) for folder in dict.fromkeys(folders)]


def group_seeds(runs: Sequence[Run]) -> list[list[int]]:
    """Group the indices of runs that differ in nothing but their seed, by the first of each."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for index, run in enumerate(runs):
        recipe = tuple(sorted((k, str(v)) for k, v in run.recipe_fields.items()))
        settings = (run.method, run.trained_on, run.recipe, recipe, run.epochs, run.steps)
        sigmas = tuple((run.evaluation.get("settings") or {}).get("sigmas") or ())
        key = (*settings, run.test_set, run.name, sigmas)
        groups.setdefault(key, []).append(index)
    return list(groups.values())


def find_shared_dataset(runs: Sequence[Run]) -> Path | None:
    """Find the data set that most runs share, the first of several; None if there is none."""
    folders = [run.data for run in runs if run.data is not None]
    return max(dict.fromkeys(folders), key=folders.count) if folders else None


def _rename_settings(evaluation: dict[str, Any]) -> dict[str, Any]:
    """Return the evaluation JSON with the settings of older runs under their names of today."""
    settings = evaluation.get("settings")
    if not isinstance(settings, dict):
        return evaluation
    renamed: dict[Any, Any] = {
        _RENAMED_SETTINGS.get(name, name): value for name, value in settings.items()
    }
    if "area" in renamed:  # one rule decided both
        rule = "file" if renamed.pop("area") == "area field" else "box"
        renamed = {"oks_area": rule, "size_area": rule} | renamed
    return evaluation | {"settings": renamed}


def _split_recipe(recipe: Any) -> tuple[str, Mapping[str, Any]]:
    """Split a recipe into its name and its fields; a name alone is a recipe too."""
    if not isinstance(recipe, dict):
        return str(recipe or ""), {}
    return str(recipe.get("name") or ""), {k: v for k, v in recipe.items() if k != "name"}


def _find_dataset(folder: Path, name: str | None) -> Path | None:
    """Find the run's data set, also beside the run.

    Runs and sets are moved together, so a relative or outdated path is tried there.
    """
    if not name:
        return None
    folder = folder.resolve()
    # Beside the run, as the demo has it, or beside the folder of runs, as the README does.
    near = [folder, folder.parent, folder.parent.parent]
    paths = [Path(name), *(n / name for n in near[:2]), *(n / Path(name).name for n in near[1:])]
    return next((p for p in paths if (p / "annotations" / "test.json").is_file()), None)
