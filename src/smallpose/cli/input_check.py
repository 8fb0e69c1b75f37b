"""Refuse inputs that do not exist, before the first of the others is read."""

import argparse
from pathlib import Path
from typing import Any

from smallpose.core.errors import InputError

_FILE, _FOLDER, _EITHER = "file", "folder", "file or folder"
# What verbs read, by verb and destination; "" is any verb. Weights, sources, photographs and what
# may be a method are not here: their readers know more of what is meant.
INPUTS: dict[tuple[str, str], str] = {
    ("", "boxes"): _EITHER,
    ("", "calibrate"): _FILE,
    ("", "calibration"): _FILE,
    ("", "compare"): _FILE,
    ("", "corrected"): _FILE,
    ("", "cost_file"): _FILE,
    ("", "curve"): _FILE,
    ("", "delete_missing"): _FOLDER,
    ("", "files"): _FILE,
    ("", "from_index"): _FILE,
    ("", "labels"): _FILE,
    ("", "path"): _EITHER,
    ("", "paths"): _EITHER,
    ("", "predictions"): _EITHER,
    ("", "scene_weights"): _FILE,
    ("", "scenes"): _FILE,
    ("", "sigmas"): _FILE,
    ("", "slices"): _FILE,
    ("", "subset"): _FILE,
    ("", "training_images"): _FOLDER,
    ("", "truth"): _FILE,
    ("benchmark", "data"): _FOLDER,
    ("check", "images"): _FOLDER,
    ("claims", "runs"): _FOLDER,
    ("claims", "set"): _FILE,
    ("evaluate", "images"): _FOLDER,
    ("export", "check"): _EITHER,
    ("features", "data"): _FILE,
    ("features", "images"): _FOLDER,
    ("leaderboard", "images"): _FOLDER,
    ("predict", "data"): _FILE,
    ("predict", "images"): _FOLDER,
    ("release", "set"): _FOLDER,
    ("report", "images"): _FOLDER,
    ("resolution", "images"): _FOLDER,
    ("split", "images"): _FOLDER,
    ("stats", "images"): _FOLDER,
    ("train", "data"): _FOLDER,
}
_ASSIGNED = ("scenes", "set")  # options whose values are NAME=FILE
_KEYWORDS = {"compare": "real"}  # values that are no path


def refuse_missing_inputs(
    verb: str, parser: argparse.ArgumentParser, args: argparse.Namespace
) -> None:
    """Raise InputError for the first file or folder of a call that does not exist.

    What may not be looked at is left to its reader, which knows why.
    """
    for action in parser._actions:
        kind = INPUTS.get((verb, action.dest)) or INPUTS.get(("", action.dest))
        value = getattr(args, action.dest, None)
        if kind is None or value is None:
            continue
        option = f"{action.option_strings[0]} " if action.option_strings else ""
        for word in value if isinstance(value, list | tuple) else [value]:
            path = _get_path(action.dest, word)
            if path is not None and _is_missing(path):
                what = _FILE if kind == _EITHER and path.suffix else kind
                raise InputError(f"{option}{word}", f"no such {what}", "check the path")


def _get_path(dest: str, word: Any) -> Path | None:
    """Return the path in a value; None for a keyword, and for what is refused later."""
    if str(word) == _KEYWORDS.get(dest):
        return None
    if isinstance(word, str) and dest in _ASSIGNED:
        word = word.partition("=")[2]
    return Path(word) if str(word) else None


def _is_missing(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):  # no permission, or a name that can be none
        return False
    return False
