"""Find the folder of images that is meant where the one that was given has other images."""

import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError

_MAX_NAMES = 20  # that are looked for in each folder
_MAX_FOLDERS = 200  # that are looked into at each depth
_DEPTH = 2  # folders above and below


def suggest_image_folder(folder: Path, names: Sequence[str], otherwise: str) -> str:
    """Return a remedy for images that are missing: the folder near by that has them.

    Folders up to two levels above and below are tried.

    Args:
        folder: that was given by --images.
        names: all file names that are looked for, relative to the folder.
        otherwise: the remedy where no folder near by has them.
    """
    meant = find_meant_folder(folder, names)
    return otherwise if meant is None else f"did you mean --images {shlex.quote(str(meant))}?"


def refuse_folder_without(folder: Path, names: Sequence[str]) -> None:
    """Raise InputError where a folder has none of the images, naming the one that is meant."""
    if not names or any(os.path.isfile(f"{folder}/{name}") for name in names):  # noqa: PTH113
        return
    raise InputError(
        f"--images {folder}",
        f"has none of the {format_count(len(names), 'image')} of the labels (first: {names[0]})",
        suggest_image_folder(folder, names, "name the folder that each file_name starts from"),
    )


def find_meant_folder(folder: Path, names: Sequence[str]) -> Path | None:
    """Return the nearest folder that has more of the images; None where there is none, or several.

    Folders of frames have the same names in each, so that one of several would be a guess.
    """
    inside = [name for name in names if ".." not in PurePosixPath(name).parts]
    sample = inside[:: max(len(inside) // _MAX_NAMES, 1)][:_MAX_NAMES]
    most = _count_files(folder, sample)
    best: list[Path] = []
    for level in _list_near(folder):
        counts = {one: _count_files(one, sample) for one in level}
        if max(counts.values(), default=0) > most:
            most = max(counts.values())
            with_most = [one for one, count in counts.items() if count == most]
            # Two links to one folder leave no choice.
            best = list({os.path.realpath(one): one for one in reversed(with_most)}.values())
        if most == len(sample):
            break
    return best[0] if len(best) == 1 else None


def _count_files(folder: Path, names: Sequence[str]) -> int:
    # os.path, because Path raises for a name that is too long.
    return sum(os.path.isfile(f"{folder}/{name}") for name in names)  # noqa: PTH113


def _list_near(folder: Path) -> Iterator[list[Path]]:
    """Yield the folder above, the one above that, those below, and those below these."""
    above = folder
    for _ in range(_DEPTH):
        above = above / ".." if above.name in ("", "..") else above.parent
        yield [above]
    below = [folder]
    for _ in range(_DEPTH):
        below = [one for parent in below for one in _list_folders(parent)][:_MAX_FOLDERS]
        yield below


def _list_folders(folder: Path) -> list[Path]:
    """List the folders in a folder, sorted; those that may not be read have none."""
    try:
        with os.scandir(folder) as entries:
            names = [one.name for one in entries if not one.name.startswith(".") and _is_dir(one)]
    except OSError:
        return []
    return [folder / name for name in sorted(names)]


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle, or one to where nothing may be looked at
        return False
