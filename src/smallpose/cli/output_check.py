"""Refuse to write over labels and inputs, or under a name that says otherwise."""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from smallpose.core.errors import InputError
from smallpose.system.image_formats import IMAGE_SUFFIXES, is_video_name

# Destinations of options that name files to write, in any verb.
OUTPUTS = ("out", "json", "csv", "markdown", "latex", "people", "leaks_sheet", "junit", "draw")
# The form of the files that options name, by verb and destination; "" is any verb.
_FORM_OF_OUTPUT = {
    ("", "json"): "JSON",
    ("", "csv"): "CSV",
    ("", "markdown"): "Markdown",
    ("", "latex"): "LaTeX",
    ("", "junit"): "XML",
    ("predict", "out"): "JSON",
    ("sigmas", "out"): "JSON",
}
# What a suffix says of a file. Others, such as .txt, say nothing.
_FORM_OF_SUFFIX = {
    ".json": "JSON",
    ".jsonl": "JSON Lines",
    ".csv": "CSV",
    ".tsv": "a table with tabs",
    ".parquet": "Parquet",
    ".xlsx": "Excel",
    ".md": "Markdown",
    ".tex": "LaTeX",
    ".xml": "XML",
    ".yaml": "YAML",
    ".yml": "YAML",
    ".html": "HTML",
    ".pdf": "PDF",
    ".npy": "NumPy",
    ".pkl": "a pickle",
    ".gz": "a gzip file",
    ".zip": "a zip archive",
    ".xz": "an xz file",
    ".svg": "a figure",
    ".onnx": "ONNX",
    ".pt": "weights",
    ".pth": "weights",
    ".safetensors": "weights",
}


def refuse_other_forms(verb: str, args: argparse.Namespace) -> None:
    """Raise InputError when the name of an output says that it has another form than is written."""
    for name, value in vars(args).items():
        form = _FORM_OF_OUTPUT.get((verb, name)) or _FORM_OF_OUTPUT.get(("", name))
        if form is None or not isinstance(value, str | Path) or not Path(value).suffix:
            continue
        path = Path(value)
        says = describe_suffix(path)
        if says in ("", form) or not _can_be_named(path):
            continue
        raise InputError(
            f"--{name.replace('_', '-')} {value}",
            f"{form} is written, and the name says {says}",
            _describe_name(verb, path, form, says),
        )


def describe_suffix(path: Path) -> str:
    """Return which form the suffix of a file says that it has; "" where it says nothing."""
    suffix = path.suffix.lower()
    if is_video_name(path):
        return "a video"
    if suffix in IMAGE_SUFFIXES:
        return "an image"
    return _FORM_OF_SUFFIX.get(suffix, "")


def _can_be_named(path: Path) -> bool:
    """Return whether the path is a file or none yet, and so no pipe or device of any name."""
    return path.is_file() or not path.exists()


def _describe_name(verb: str, path: Path, form: str, says: str) -> str:
    """Return which name to give, and how to get what the name says where that can be had."""
    suffix = next(one for one, name in _FORM_OF_SUFFIX.items() if name == form)
    stem = path.with_suffix("")
    named = stem if stem.suffix.lower() == suffix else path.with_suffix(suffix)
    if says == "a gzip file":
        return f"name it {named}; gzip {named} packs it afterwards, and it is read so, too"
    if verb == "predict" and says in ("a video", "an image"):
        drawn = path if says == "a video" else path.parent / "drawn"
        return f"name it {named}, and add --draw {drawn} for what can be looked at"
    return f"name it {named}"


def refuse_output_over_labels(verb: str, args: argparse.Namespace) -> None:
    """Raise InputError when numbers or results would be written over a file of labels.

    Only for outputs that are never labels themselves: labels may be work of weeks by hand.
    """
    for name, value in vars(args).items():
        form = _FORM_OF_OUTPUT.get((verb, name)) or _FORM_OF_OUTPUT.get(("", name))
        if form != "JSON" or not isinstance(value, str | Path):
            continue
        if Path(value).is_file() and _has_labels(Path(value)):
            raise InputError(
                f"--{name.replace('_', '-')} {value}",
                "is a file of COCO labels, which would be overwritten",
                "name another file, or move this one away",
            )


def _has_labels(path: Path) -> bool:
    """Return whether a file has `annotations`, as labels have and results have not."""
    import msgspec

    try:
        members = msgspec.json.decode(path.read_bytes(), type=dict[str, msgspec.Raw])
    except (OSError, msgspec.DecodeError):
        return False
    return "annotations" in members


def refuse_output_over_input(args: argparse.Namespace) -> None:
    """Raise InputError when an output is a file that is an input, or another output.

    Links and other spellings of a path are recognized, because the files themselves are compared.
    """
    values = vars(args)
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
