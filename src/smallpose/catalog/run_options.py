"""The options of a training run, kept in its folder so that `--resume` needs none of them again."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smallpose.catalog.method_code import MethodCode
from smallpose.core.errors import InputError
from smallpose.system.files import write_atomically
from smallpose.system.json_decode import read_json

RUN_OPTIONS = "options.json"
STATE = "state.pt"
# What a run remembers, with the value where an option was never given. The device and the number
# of threads belong to the machine.
DEFAULTS: Mapping[str, Any] = {
    "method": "",
    "data": None,
    "setting": "B",
    "subset": None,
    "derived": False,
    "sigmas": None,
    "swap": None,
    "recipe": "",
    "seed": 0,
    "weights": None,
    "weights_skeleton": "",
    "adapt": False,
    "trust": False,
    "workers": 0,
    "cache": None,
    "crop_interpolation": "linear",
    "zoom": 1,
    "heatmap_targets": "",
    "heatmap_decoding": "",
    "max_unreadable": 0.001,
    # What the user allowed for the images is kept to be shown, as is `trust` of the weights. The
    # folder of a run may come from others: it does not allow the same again.
    "link_root": (),
    "max_pixels": 0,
    "micro_batch": 0,
    "compile": "",
    "precision": "",
    "image_memory": 1000,
    "tensorboard": False,
    "wandb": "",
}
_PATHS = ("data", "subset", "sigmas", "cache")


def write_run_options(folder: Path, options: Mapping[str, Any]) -> None:
    """Write the options and the `overrides` of the recipe, with absolute paths.

    The method is as it was typed, and `code` is the file of a method of the user's own.
    """
    record = {name: _convert_to_json(name, options[name]) for name in DEFAULTS}
    code = MethodCode.parse(options["method"])
    if options.get("resume"):  # without the trust of the beginning, which stays on record
        record["trust"] |= read_run_options(folder).get("trust", False)
    record["code"] = "" if code is None else str(code.file.resolve())
    record["overrides"] = dict(options["overrides"])
    write_atomically(folder / RUN_OPTIONS, json.dumps({"format": 1, **record}, indent=1) + "\n")


def read_run_options(folder: Path) -> dict[str, Any]:
    """Read the options of a run; {} for a folder without a run, or with one of an older version.

    Raises: InputError when the file is damaged.
    """
    path = folder / RUN_OPTIONS
    if not path.is_file():
        return {}
    record = read_json(path, dict[str, Any])
    for name, default in DEFAULTS.items():
        if not _is_valid(name, record.get(name, default)):
            what = f"{name} is {record[name]!r}"
            raise InputError(str(path), what, "repeat the options of the run, or train it again")
    for name in _PATHS:
        if record.get(name):
            record[name] = Path(record[name])
    if record.get("swap") is not None:
        record["swap"] = tuple((left, right) for left, right in record["swap"])
    record["link_root"] = tuple(record.get("link_root", ()))
    if not isinstance(record.get("overrides", {}), dict):
        raise InputError(str(path), "overrides are no object", "repeat the options of the run")
    return record


def complete_options(given: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return all options: as given, else as stored, else their defaults.

    Args:
        given: None where an option was not given. `overrides` of the recipe are added to those of
            the run.
    """
    complete: dict[str, Any] = {}
    for name, default in DEFAULTS.items():
        value = given.get(name)
        complete[name] = stored.get(name, default) if value is None else value
    overrides = stored.get("overrides", {}) | dict(given.get("overrides", ()))
    complete["overrides"] = tuple(overrides.items())
    return complete


def _is_valid(name: str, value: Any) -> bool:
    """Return whether a value of the file has the type of its option."""
    default = DEFAULTS[name]
    if value is None:
        return default is None
    if name == "link_root":
        folders = value if isinstance(value, list | tuple) else [None]
        return all(isinstance(folder, str) and "\0" not in folder for folder in folders)
    if name == "swap":
        pairs = value if isinstance(value, list) else [None]
        return all(isinstance(pair, list) and len(pair) == 2 for pair in pairs)
    if isinstance(default, bool):
        return isinstance(value, bool)
    if isinstance(default, int | float):
        return isinstance(value, int | float)
    return isinstance(value, str) and "\0" not in value


def _convert_to_json(name: str, value: Any) -> Any:
    if name in _PATHS:
        return value and str(Path(value).absolute())
    if name == "weights" and value and Path(value).exists():
        return str(Path(value).absolute())
    return str(value) if isinstance(value, Path) else value
