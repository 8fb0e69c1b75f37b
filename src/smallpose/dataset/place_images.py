"""Find the image files of the sources and link or copy them into the data set."""

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

_IMAGES_PER_TASK = 64
_PROGRESS_LABELS = {"link": "linking and hashing", "copy": "copying and hashing", "none": "hashing"}


def check_files_exist(image_files: Sequence[ImageFile]) -> list[bool]:
    """Return whether the file (or video) of each image exists.

    Each folder is listed once, which is faster than asking for a hundred thousand files.
    """
    prefix = None
    names: set[str] = set()
    names_by_prefix: dict[str, set[str]] = {}
    exists = []
    for image_file in image_files:
        path = str(image_file.file)
        start = path.rfind(os.sep) + 1
        if path[:start] != prefix:
            prefix = path[:start]
            if prefix not in names_by_prefix:
                names_by_prefix[prefix] = _list_files(os.path.dirname(prefix))  # noqa: PTH120
            names = names_by_prefix[prefix]
        exists.append(bool(names) and path[start:] in names)
    return exists


def split_folder(file: str | Path) -> tuple[str, str]:
    """Split a path after its last separator; `os.path.split` is slow for a million paths."""
    path = str(file)
    end = path.rfind(os.sep) + 1
    return path[:end], path[end:]


def _list_files(folder: str) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file()}
    except OSError:
        return set()


def read_image_size(path: Path) -> tuple[int, int]:
    """Read the (width, height) of the stored pixel grid from the header.

    Labels refer to the stored grid, so an EXIF orientation is not applied.

    Raises: as `image_headers.read_header`.
    """
    header = read_header(path)
    return header.width, header.height


def place_image(mode: str, image: Path, target: Path) -> None:
    """Link or copy an image into the data set, unless an interrupted build has copied it already.

    Args:
        mode: "link" or "copy".
    Raises: RunError when the disk is full or the file system has no links.
    """
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        if mode == "link":
            part.symlink_to(os.path.realpath(image))
        elif target.is_file() and target.stat().st_size == image.stat().st_size:
            return
        else:
            shutil.copyfile(image, part)
        part.replace(target)
    except OSError as error:
        raise RunError(
            str(target),
            f"{error.strerror or error} while trying to {mode} {image.name}",
            "free some space, or choose another value of --images",
        ) from None


def place_images(
    images: Images,
    image_files: Sequence[ImageFile],
    has_file: NDArray[np.bool_],
    rows: Sequence[int],
    folder: Path,
    options: BuildOptions,
) -> dict[str, dict[str, Any]]:
    """Link or copy the images of `rows` into `folder`, in threads.

    Args:
        image_files, has_file: (m,) location of each of `images`, and whether the file exists.
    Returns: file name to the location in the source, and size and hash where the file exists.
    """

    def place_one(row: int) -> dict[str, Any]:
        image_file = image_files[row]
        stored = Path(image_file.file)
        record: dict[str, Any] = {}
        if image_file.orientation != 1:
            record |= {"orientation": image_file.orientation, "source_sha256": hash_file(stored)}
        if image_file.is_rendered or options.images != "none":
            name = images.file_names[row]
            # A link that an interrupted build left here is replaced, not followed.
            check_file_name(name, folder)
            target = folder / name
            if not image_file.is_rendered:
                place_image(options.images, stored, target)
            if not target.exists():
                return record
            stored = target
        return record | {"bytes": stored.stat().st_size, "sha256": hash_file(stored)}

    def place_part(part: Sequence[int]) -> list[dict[str, Any]]:
        return [place_one(row) for row in part]

    names = images.file_names
    records = {names[row]: _describe_location(image_files[row]) for row in rows}
    is_placed = has_file.tolist()
    placed_rows = [row for row in rows if is_placed[row]]
    starts = range(0, len(placed_rows), _IMAGES_PER_TASK)
    parts = [placed_rows[start : start + _IMAGES_PER_TASK] for start in starts]
    with ThreadPoolExecutor(options.workers) as pool:
        results = zip(parts, pool.map(place_part, parts), strict=True)
        label = _PROGRESS_LABELS[options.images]
        for part, placed in show_progress(results, label, total=len(parts)):
            for row, record in zip(part, placed, strict=True):
                records[names[row]] |= record
    return records


def _describe_location(image_file: ImageFile) -> dict[str, Any]:
    if image_file.frame is None:
        return {"path": str(image_file.file)}
    return {"path": str(image_file.file), "frame": image_file.frame}


def remove_unselected(folder: Path, names: Container[str]) -> None:
    """Remove the files below `folder` that are not among `names`.

    Frames are extracted and images turned before the selection, which needs their sizes.
    """
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(folder).as_posix() not in names:
            path.unlink()
