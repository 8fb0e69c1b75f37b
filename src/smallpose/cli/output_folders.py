"""Tell options that name a folder to write from those that name a file, and refuse the other.

One rule for all verbs: a folder has no ending of a file and is none, and a file is no folder.
"""

import argparse
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

from smallpose.cli.output_check import OUTPUTS, describe_suffix
from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.system.files import is_stream
from smallpose.system.image_formats import IMAGE_SUFFIXES, VIDEO_SUFFIXES, is_image_name

# Options and arguments that name a folder to write, by verb and destination; "" is any verb.
# Their values are the endings of files that may be named in place of a folder.
WRITTEN_FOLDERS: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "figures"): (),
    ("", "worst"): (),
    ("audit", "sheet"): (),
    ("benchmark", "out"): (),
    ("build", "out"): (),
    ("claims", "out"): (),
    ("demo", "out"): (),
    ("export", "out"): (),
    ("leaderboard", "board"): (),
    ("predict", "draw"): (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES),
    ("predict", "shards"): (),
    ("release", "out"): (".zip",),
    ("report", "out"): (),
    ("resolution", "out"): (),
    ("select", "out"): (),
    ("split", "out"): (),
    ("stats", "out"): (),
    ("synth", "out"): (),
    ("synth", "out_option"): (),
    ("train", "cache"): (),
    ("train", "out"): (),
    ("zoo", "out"): (),
}
# Folders of figures, which nothing but figures and sheets may be in.
_FIGURE_FOLDERS = (
    ("", "figures"),
    ("", "worst"),
    ("audit", "sheet"),
    ("stats", "out"),
    ("resolution", "out"),
)
# Folders of drawn images, of figures or of photographs. That of `resolution` is no folder of labels
# either, which it refuses itself.
_DRAWN_FOLDERS = (
    ("", "figures"),
    ("", "worst"),
    ("audit", "sheet"),
    ("demo", "out"),
    ("leaderboard", "board"),
    ("predict", "draw"),
    ("report", "out"),
    ("stats", "out"),
)
# Arguments that name folders of images, by verb; and those of images, or of folders below which all
# images are read.
_IMAGE_FOLDERS = (("", "images"), ("", "training_images"))
_IMAGE_TREES = (("predict", "inputs"), ("demo", "photos"))
# Drawn images that have no SVG beside them: sheets of people.
_SHEETS = (
    "worst.png",
    "sources.png",
    "fig1b_samples_*.png",
    "samples.png",
    "predictions.png",
    "densities.png",
    "suspects-*.png",
    "near-duplicates.png",
)


def refuse_files_for_folders(verb: str, args: argparse.Namespace) -> None:
    """Raise InputError where a folder is written and its name is that of a file."""
    for (of_verb, name), file_suffixes in WRITTEN_FOLDERS.items():
        value = getattr(args, name, None)
        if of_verb not in ("", verb) or not isinstance(value, str | Path) or not str(value):
            continue
        path = Path(value)
        if path.suffix.lower() in file_suffixes or path.is_dir():
            continue
        says = describe_suffix(path)
        if says or path.exists():
            is_named = f"the name says {says}" if says else "it is a file"
            where = f"{_get_option(verb, name)}{value}"
            raise InputError(where, f"a folder is written, and {is_named}", _name_folder(path))


def refuse_folders_for_files(verb: str, args: argparse.Namespace) -> None:
    """Raise InputError where a file is written and its name is that of a folder.

    Results of `predict` get other files beside them, which are named after them, so that a name
    without an ending is answered, too, and so are pipes and devices, into which others write.
    """
    for name in OUTPUTS:
        value = getattr(args, name, None)
        is_folder = {(verb, name), ("", name)} & WRITTEN_FOLDERS.keys()
        if is_folder or not isinstance(value, str | Path) or not str(value):
            continue
        path = Path(value)
        is_either = (verb, name) == ("audit", "out")  # a folder, or a file with --corrected
        where = f"--{name.replace('_', '-')} {value}"
        if path.parent.is_file():
            raise InputError(where, f"{path.parent} is a file, no folder", "name another place")
        if path.is_dir() and not is_either:
            remedy = f"name a file in it: {path / _NAME_OF.get((verb, name), 'FILE')}"
            raise InputError(where, "a file is written, and this is a folder", remedy)
        has_files_beside = (verb, name) == ("predict", "out")
        if has_files_beside and is_stream(path):
            what = "is no ordinary file, and lists of images and settings are written beside it"
            raise InputError(where, what, f"name a file, such as {_NAME_OF[verb, name]}")
        if has_files_beside and not path.suffix and not path.exists():
            what = "a file of JSON is written, and the name has no ending"
            remedy = f"name it {path}.json, or {path / _NAME_OF[verb, name]} for a folder"
            raise InputError(where, what, remedy)


_NAME_OF = {("predict", "out"): "found.json", ("sigmas", "out"): "sigmas.json"}


def _get_option(verb: str, name: str) -> str:
    """Return the option with a blank; "" for arguments without one."""
    is_argument = name == "board" or (name == "out" and verb in ("build", "synth"))
    option = name.removesuffix("_option").replace("_", "-")
    return "" if is_argument else f"--{option} "


def _name_folder(path: Path) -> str:
    """Return what to type instead of a file."""
    folder = path.with_suffix("")
    return f"name a folder: {folder if folder != path and not folder.is_file() else 'DIR'}"


def refuse_figures_among_images(verb: str, args: argparse.Namespace) -> None:
    """Raise InputError when figures would be written among images that are no figures."""
    for of_verb, name in _FIGURE_FOLDERS:
        folder = getattr(args, name, None)
        is_folder = isinstance(folder, str | Path) and Path(folder).is_dir()
        if of_verb not in ("", verb) or folder is None or not is_folder:
            continue
        images = _list_foreign_images(Path(folder))
        if images:
            count = format_count(len(images), "other image")
            raise InputError(
                f"--{name} {folder}",
                f"has {count}, such as {images[0].name}, among which the figures would be read "
                "next time",
                "name another folder",
            )


def refuse_drawings_among_inputs(verb: str, args: argparse.Namespace) -> None:
    """Raise InputError when images would be drawn into a folder from which images are read.

    That is a folder that is named, a folder in one whose images are all read, or, where images are
    named one by one, the folder that has them.
    """
    for of_verb, name in _DRAWN_FOLDERS:
        value = getattr(args, name, None)
        if of_verb not in ("", verb) or not isinstance(value, str | Path) or not str(value):
            continue
        place = Path(value).resolve()
        where = f"{_get_option(verb, name)}{value}"
        trees = _list_values(verb, args, _IMAGE_TREES)
        for path in (*trees, *_list_values(verb, args, _IMAGE_FOLDERS)):
            if path.is_dir() and path.resolve() == place:
                what = "is the folder of the images, among which the drawings would be read"
                raise InputError(where, f"{what} next time", "name another folder")
        for path in trees:
            images = path.resolve()
            if path.is_dir() and images in place.parents:
                what = f"is inside {path}, among whose images the drawings would be read next time"
                raise InputError(where, what, f"name a place outside of {path}")
            if is_image_name(path) and place.is_dir() and images.parent == place:
                what = f"is the folder of {path}, beside which the drawings would be read next time"
                raise InputError(where, what, "name another folder")


def _list_values(
    verb: str, args: argparse.Namespace, names: Iterable[tuple[str, str]]
) -> list[Path]:
    """List the paths that are given for some arguments, each by its verb and destination."""
    values: list[object] = []
    for of_verb, name in names:
        value = getattr(args, name, None) if of_verb in ("", verb) else None
        values += value if isinstance(value, list | tuple) else [value]
    return [Path(one) for one in values if isinstance(one, str | Path) and str(one)]


def _list_foreign_images(folder: Path) -> list[Path]:
    """List the images of a folder that no command has drawn: neither figures nor sheets.

    A figure has an SVG of its own name beside it.
    """
    images = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    return [
        path
        for path in images
        if not path.with_suffix(".svg").exists()
        and not any(fnmatch(path.name, sheet) for sheet in _SHEETS)
    ]
