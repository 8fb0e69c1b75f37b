"""Pictures of the sources: are they there, how large are they, and how do they get into the set."""

import os
import shutil
from collections.abc import Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import RunError
from smallpose.core.instances import Images
from smallpose.dataset.image_headers import read_header
from smallpose.dataset.options import BuildOptions
from smallpose.sources.source import ImageFile
from smallpose.system.files import check_file_name, hash_file
from smallpose.system.progress import show_progress


def check_files_exist(pictures: Sequence[ImageFile]) -> list[bool]:
    """Whether each picture's file (or video) is there.

    Folders are listed once, which a hundred thousand questions to the file system are slower than.
    """
    files: dict[str, set[str]] = {}
    answers = []
    for picture in pictures:
        folder, name = os.path.split(picture.file)
        if folder not in files:
            files[folder] = _list_files(folder)
        answers.append(name in files[folder])
    return answers


def _list_files(folder: str) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file()}
    except OSError:
        return set()


def read_image_size(path: Path) -> tuple[int, int]:
    """(width, height) of the stored pixel grid, from the header.

    Labels live in the stored grid, so an EXIF orientation is not applied.

    Raises: as `headers.read_header`.
    """
    header = read_header(path)
    return header.width, header.height


def place_image(how: str, picture: Path, target: Path) -> None:
    """Link or copy a picture to its place in the set, unless a killed build has done so already.

    Raises: RunError when the disk is full or links are not to be had there.
    """
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        if how == "link":
            part.symlink_to(os.path.realpath(picture))
        elif target.is_file() and target.stat().st_size == picture.stat().st_size:
            return
        else:
            shutil.copyfile(picture, part)
        part.replace(target)
    except OSError as error:
        raise RunError(
            str(target),
            f"{error.strerror or error} while trying to {how} {picture.name}",
            "make room, or choose another --images",
        ) from None


def place_images(
    images: Images,
    pictures: Sequence[ImageFile],
    there: NDArray[np.bool_],
    rows: Sequence[int],
    folder: Path,
    options: BuildOptions,
) -> dict[str, dict[str, Any]]:
    """Put the pictures of `rows` into `folder`, in threads.

    Args:
        pictures, there: (m,) where each of `images` lies, and whether it does.
    Returns: file name to where the picture came from, and its size and hash where it is there.
    """

    def one(row: int) -> dict[str, Any]:
        picture = pictures[row]
        record: dict[str, Any] = {"path": str(picture.file)}
        if picture.frame is not None:
            record["frame"] = picture.frame
        if not there[row]:
            return record
        stored = Path(picture.file)
        if picture.frame is not None or options.images != "none":
            name = images.file_names[row]
            # Not followed but replaced: a killed build may have left its link there.
            check_file_name(name, folder)
            target = folder / name
            if picture.frame is None:
                place_image(options.images, stored, target)
            if not target.exists():
                return record
            stored = target
        return record | {"bytes": stored.stat().st_size, "sha256": hash_file(stored)}

    def some(part: Sequence[int]) -> list[dict[str, Any]]:
        return [one(row) for row in part]

    parts = [rows[i : i + 64] for i in range(0, len(rows), 64)]
    label = {"link": "linking and hashing", "copy": "copying and hashing", "none": "hashing"}
    records: dict[str, dict[str, Any]] = {}
    with ThreadPoolExecutor(options.workers) as pool:
        done = zip(parts, pool.map(some, parts), strict=True)
        for part, made in show_progress(done, label[options.images], total=len(parts)):
            records |= zip((images.file_names[r] for r in part), made, strict=True)
    return records


def remove_unselected(folder: Path, pictures: Container[str]) -> None:
    """Remove from `folder` what is not among `pictures`: frames were taken from every sampled
    image, since sizes decide who is chosen.
    """
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(folder).as_posix() not in pictures:
            path.unlink()
