"""Write the command that repeats a run, from the options that its folder keeps."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smallpose.catalog.method_code import MethodCode
from smallpose.catalog.run_options import DEFAULTS, RUN_OPTIONS, read_run_options

# What a published command says in place of a path of the machine that trained.
_PLACEHOLDERS: Mapping[str, tuple[str, str]] = {
    "data": ("SET", "the set"),
    "subset": ("SUBSET", "the list of training images"),
    "sigmas": ("SIGMAS.json", "the sigmas of the joints"),
    "weights": ("WEIGHTS", "the initial weights"),
    "cache": ("CACHE", "a folder for crops"),
}


_LINK_ROOT = "LINKED"  # with a number
_FLAGS: Mapping[str, str] = {"trust": "--i-trust-this-file"}  # that are not named as the option


@dataclass(frozen=True)
class TrainCommand:
    """The command that repeats a run.

    Args:
        method: as `train` and `predict` take it; `FILE.py:NAME` of a method of the user's own.
        text: the command.
        legend: what the paths in it stand for, as sentences.
    """

    method: str
    text: str
    legend: tuple[str, ...]


def read_train_command(folder: Path) -> TrainCommand | None:
    """Return the command that repeats a run, without paths of this machine.

    Returns: None for a folder without `options.json`, of which the options are not known.
    Raises: InputError when the file is damaged.
    """
    options = read_run_options(folder)
    if not (folder / RUN_OPTIONS).is_file():
        return None
    published, legend = _replace_paths(options)
    words = ["smallpose", "train", *build_train_arguments(published), "--out", "RUN"]
    return TrainCommand(published["method"], shlex.join(words), legend)


def build_train_arguments(options: Mapping[str, Any]) -> list[str]:
    """Return the arguments of `train` that give these options: those that differ from the defaults.

    Args:
        options: by the names in `options.json`; an option that is missing has its default.
    """
    overrides = dict(options.get("overrides", {}))
    words = [options["method"], *(f"{name}={value}" for name, value in overrides.items())]
    for name, default in DEFAULTS.items():
        value = options.get(name, default)
        if name == "method" or value is None or value == default:
            continue
        flag = _FLAGS.get(name, f"--{name.replace('_', '-')}")
        if name == "link_root":
            words += [word for folder in value for word in (flag, folder)]
        elif value is True:
            words.append(flag)
        else:
            words += [flag, format_swap(value) if name == "swap" else str(value)]
    return words


def format_swap(pairs: Any) -> str:
    """Return the value of `--swap` for pairs of a left and a right joint."""
    return ",".join(f"{left}:{right}" for left, right in pairs) or "none"


def _replace_paths(options: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Replace the paths among the options, and say what is in their place."""
    published = dict(options)
    if options.get("heatmap_targets") == "rounded" and options.get("recipe") != "own":
        published["heatmap_targets"] = ""  # what the training chose, also without heatmaps
    legend = []
    for name, (placeholder, meaning) in _PLACEHOLDERS.items():
        value = options.get(name)
        # Weights that are no path have a name, such as mmpose.
        if not value or (name == "weights" and not Path(value).is_absolute()):
            continue
        published[name] = placeholder
        legend.append(f"`{placeholder}`: {meaning}, `{Path(value).name}` in this run")
    roots = options.get("link_root", ())
    published["link_root"] = tuple(f"{_LINK_ROOT}{i}" for i in range(1, len(roots) + 1))
    for placeholder, root in zip(published["link_root"], roots, strict=True):
        what = "a folder into which links among the images may lead"
        legend.append(f"`{placeholder}`: {what}, `{Path(root).name}` in this run")
    code = MethodCode.parse(options["method"])
    if code is not None:
        published["method"] = str(MethodCode(Path(code.file.name), code.name))
        legend.append(f"`{code.file.name}`: the file of the method, which is run")
    return published, tuple(legend)
