"""Refuse to write over a file that the same command reads."""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from smallpose.core.errors import InputError

# Destinations of options that name files to write, in any verb.
OUTPUTS = ("out", "json", "csv", "markdown", "latex", "people", "leaks_sheet", "junit")


def refuse_output_over_input(args: argparse.Namespace) -> None:
    """Raise InputError when an output is a file that is an input, or another output.

    Links and other spellings of a path are recognized, because the files themselves are compared.
    """
    values = vars(args)
    _refuse_drawing_into_input(values)
    _refuse_shared_output({name: values.get(name) for name in OUTPUTS})
    outputs = [(name, path) for name in OUTPUTS for path in _iterate_files(values.get(name))]
    inputs = [
        path
        for name, value in values.items()
        if name not in OUTPUTS
        for path in _iterate_files(value)
    ]
    for name, output in outputs:
        for path in inputs:
            if Path(output).samefile(path):
                raise InputError(
                    f"--{name.replace('_', '-')} {output}",
                    "is an input of this command, which would be overwritten",
                    "name another file",
                )


def _refuse_drawing_into_input(values: dict[str, Any]) -> None:
    """Raise InputError when images are drawn into a folder from which they are read."""
    draw = values.get("draw")
    if not isinstance(draw, str | Path) or not Path(draw).is_dir():
        return
    inputs = [value for name, value in values.items() if name not in ("draw", *OUTPUTS)]
    folders = [one for value in inputs for one in (value if isinstance(value, list) else [value])]
    for folder in folders:
        is_folder = isinstance(folder, str | Path) and str(folder) and Path(folder).is_dir()
        if is_folder and Path(draw).samefile(folder):
            raise InputError(
                f"--draw {draw}",
                "is the folder of the images, among which the drawings would be read next time",
                "name another folder",
            )


def _refuse_shared_output(outputs: dict[str, Any]) -> None:
    """Raise InputError when two options name one file, which need not exist yet."""
    option_of: dict[str, str] = {}
    for name, value in outputs.items():
        if not isinstance(value, str | Path) or str(value) in ("", "-"):
            continue
        path = os.path.realpath(value)
        if path in option_of:
            raise InputError(
                f"--{name.replace('_', '-')} {value}",
                f"is the file of --{option_of[path].replace('_', '-')}, too",
                "name another file",
            )
        option_of[path] = name


def _iterate_files(value: Any) -> Iterator[str]:
    """Yield the existing files among a value, a list of values, or values such as NAME=FILE."""
    if isinstance(value, list | tuple):
        for part in value:
            yield from _iterate_files(part)
    elif isinstance(value, str | Path):
        text = str(value)
        for path in {text, text.partition("=")[2]}:
            if path and "\0" not in path and os.path.isfile(path):  # noqa: PTH113
                yield path
