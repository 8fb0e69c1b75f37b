"""List the image and video files that a user names, directly or by their folders."""

from collections.abc import Iterable
from pathlib import Path

from smallpose.core.errors import InputError
from smallpose.system.image_formats import (
    IMAGE_SUFFIXES,
    START_BYTES,
    VIDEO_SUFFIXES,
    describe_left_out,
    detect_container,
    is_video_name,
    make_video_error,
)
from smallpose.system.progress import print_status

DRAWING_MARK = "drawn by smallpose predict"  # comment of videos with predictions in them
_MARK_BYTES = 1 << 16  # at either end of a video, where its comment is
_SHARED_SUFFIXES = (".ts", ".mts")  # of programs, too


def list_media_files(paths: Iterable[Path]) -> list[Path]:
    """List the files, and the images and videos in and below the folders, sorted by name.

    Files of a folder that are neither, and videos that `predict --draw` made, are left out, and
    counted in lines on stderr.

    Raises: InputError for a folder without images and videos, and for a name that is not UTF-8.
    """
    files: list[Path] = []
    for path in paths:
        files += _list_folder(path) if path.is_dir() else [path]
    return [_require_utf8_name(file) for file in files]


def list_image_files(paths: Iterable[Path]) -> list[Path]:
    """List files as `list_media_files`; raises InputError for a video, too."""
    files = list_media_files(paths)
    for file in files:
        if is_video_name(file):
            raise make_video_error(file)
    return files


def is_video_file(path: Path) -> bool:
    """Return whether a file is a video, by its name or, where that says nothing, its first bytes.

    Files of other kinds end in .ts and .mts, too: of these the first bytes alone count.
    """
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return False
    if is_video_name(path) and path.suffix.lower() not in _SHARED_SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            return bool(detect_container(file.read(START_BYTES)))
    except OSError:
        return False


def _list_folder(folder: Path) -> list[Path]:
    entries = sorted(path for path in folder.rglob("*") if path.is_file())
    files = [path for path in entries if _is_media_file(path)]
    drawings = [path for path in files if is_drawn_video(path)]
    files = [path for path in files if path not in drawings]
    left_out = describe_left_out(path for path in entries if not _is_media_file(path))
    if not files:
        raise InputError(
            str(folder),
            f"the folder has no images; {left_out}" if left_out else "the folder has no images",
            f"name one with files that end in {', '.join(IMAGE_SUFFIXES)}",
        )
    if left_out:
        print_status(f"{folder}: {left_out}")
    if drawings:
        shown = f"{drawings[0].name}" + (f" and {len(drawings) - 1:,} more" * (len(drawings) > 1))
        print_status(
            f"{folder}: left out as drawings of predict --draw: {shown}; name a file to read it"
        )
    return files


def is_drawn_video(path: Path) -> bool:
    """Return whether a video was made by `predict --draw`, as its comment says."""
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        return False
    try:
        with path.open("rb") as file:
            ends = file.read(_MARK_BYTES)
            file.seek(max(path.stat().st_size - _MARK_BYTES, 0))
            ends += file.read()
    except OSError:
        return False
    return DRAWING_MARK.encode() in ends


def _is_media_file(path: Path) -> bool:
    suffix = path.suffix.lower()
    return suffix in IMAGE_SUFFIXES or (suffix in VIDEO_SUFFIXES and is_video_file(path))


def _require_utf8_name(path: Path) -> Path:
    """Return the path if a JSON file can contain it."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(
            ascii(str(path)), "the name is not UTF-8, which results need", "rename the file"
        ) from None
    return path
