"""Pictures of the sources: are they there, how large are they, and how do they get into the set.

Only headers are read here. A format that is not on the list is never opened, whatever it is called.
"""

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from smallpose.core.errors import InputError, RunError
from smallpose.core.files import path_inside
from smallpose.core.progress import track
from smallpose.dataset.workplace import Workplace
from smallpose.sources.source import Picture, Source

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
FRAME_QUALITY = 95  # of frames taken from videos; a sampled frame is compressed a second time


def existing(pictures: Sequence[Picture]) -> list[bool]:
    """Whether each picture's file (or video) is there.

    Folders are listed once, which a hundred thousand questions to the file system are slower than.
    """
    files: dict[str, set[str]] = {}
    answers = []
    for picture in pictures:
        folder, name = os.path.split(picture.file)
        if folder not in files:
            files[folder] = _files_in(folder)
        answers.append(name in files[folder])
    return answers


def _files_in(folder: str) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file()}
    except OSError:
        return set()


def picture_size(path: Path) -> tuple[int, int]:
    """(width, height) of the stored pixel grid, from the header.

    Labels live in the stored grid, so an EXIF orientation is not applied.

    Raises: InputError when the file is no picture of an allowed format.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path, formats=FORMATS) as picture:
            return picture.size
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        head = path.read_bytes()[:12] if path.is_file() else b""
        what = f"it starts with {head!r}" if head else "it is empty"
        raise InputError(
            str(path), f"not a picture ({what})", f"formats are {', '.join(FORMATS)}"
        ) from None


def picture_sizes(paths: Sequence[Path], jobs: int) -> list[tuple[int, int]]:
    """`picture_size` of many files, in parallel."""
    parts = [paths[i : i + 256] for i in range(0, len(paths), 256)]
    with ThreadPoolExecutor(jobs) as pool:
        done = pool.map(lambda part: [picture_size(p) for p in part], parts)
        return [size for part in track(done, "picture sizes", total=len(parts)) for size in part]


def extract_frames(
    source: Source, rows: Sequence[int], place: Workplace, jobs: int
) -> dict[int, tuple[int, int]]:
    """Write the frames of a source's videos as JPEG below the set's images, under their names.

    Videos that the journal of an interrupted build lists, unchanged since, are not read again.

    Args:
        rows: images of the source that are frames of videos.
    Returns: row to (width, height), for the frames that could be read.
    """
    by_video: dict[Path, list[int]] = {}
    for row in rows:
        by_video.setdefault(source.pictures[row].path, []).append(row)
    row_of = {name: row for row, name in enumerate(source.people.images.file_names)}
    done = {entry["video"]: entry["sizes"] for entry in place.notes()}
    new = [item for item in by_video.items() if _stamp(item[0]) not in done]
    with ThreadPoolExecutor(jobs) as pool:
        parts = pool.map(partial(_extract_video, source, place.set / "images"), new)
        for (video, _), sizes in track(zip(new, parts, strict=True), "frames of videos", len(new)):
            place.note({"video": _stamp(video), "sizes": sizes})
            done[_stamp(video)] = sizes
    read = {n: s for video in by_video for n, s in done[_stamp(video)].items()}
    return {row_of[n]: (s[0], s[1]) for n, s in read.items() if n in row_of}


def _stamp(video: Path) -> str:
    state = video.stat()
    return f"{video} {state.st_size} {state.st_mtime_ns}"


def _extract_video(
    source: Source, folder: Path, item: tuple[Path, list[int]]
) -> dict[str, tuple[int, int]]:
    """Write the wanted frames of one video; file name to (width, height) of those read."""
    import cv2

    from smallpose.sources.video import read_frames

    video, rows = item
    row_of = {source.pictures[r].frame or 0: r for r in rows}
    sizes = {}
    for frame, picture in read_frames(video, sorted(row_of)):
        name = source.people.images.file_names[row_of[frame]]
        ok, data = cv2.imencode(
            ".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, FRAME_QUALITY]
        )
        if not ok:
            raise RunError(str(video), f"frame {frame} cannot be encoded", "check the video")
        _write(path_inside(folder, name), data.tobytes())
        sizes[name] = (picture.shape[1], picture.shape[0])
    return sizes


def _write(target: Path, data: bytes) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    except OSError as error:
        raise RunError(str(target), f"{error.strerror} while writing", "make room") from None


def place(how: str, picture: Path, target: Path) -> None:
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
