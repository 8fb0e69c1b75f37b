"""Frames of the sources' videos, written as pictures of the set."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from smallpose.core.errors import RunError
from smallpose.dataset.builder.build_folder import BuildFolder
from smallpose.sources.source import Source
from smallpose.system.files import resolve_inside
from smallpose.system.progress import show_progress

JPEG_QUALITY = 95  # of their JPEGs; a sampled frame is compressed a second time


def extract_frames(
    source: Source, rows: Sequence[int], place: BuildFolder, workers: int
) -> tuple[dict[int, tuple[int, int]], list[str]]:
    """Write the frames of a source's videos as JPEG below the set's images, under their names.

    Videos that the journal of an interrupted build lists, unchanged since, are not read again.

    Args:
        rows: images of the source that are frames of videos.
    Returns: row to (width, height), for the frames that could be read; and a sentence about each
        video some of whose frames could not.
    """
    if not rows:
        return {}, []
    by_video: dict[Path, list[int]] = {}
    for row in rows:
        by_video.setdefault(source.image_files[row].path, []).append(row)
    row_of = {name: row for row, name in enumerate(source.people.images.file_names)}
    done = {entry["video"]: entry["sizes"] for entry in place.read_journal()}
    new = [item for item in by_video.items() if _identify_video(item[0]) not in done]
    with ThreadPoolExecutor(workers) as pool:
        parts = pool.map(partial(_extract_from_video, source, place.data_set / "images"), new)
        for (video, _), of_video in show_progress(
            zip(new, parts, strict=True), "frames of videos", len(new)
        ):
            place.append_to_journal({"video": _identify_video(video), "sizes": of_video})
            done[_identify_video(video)] = of_video
    sizes: dict[int, tuple[int, int]] = {}
    notes = []
    for video, wanted in by_video.items():
        read = {
            row_of[n]: (s[0], s[1]) for n, s in done[_identify_video(video)].items() if n in row_of
        }
        sizes |= read
        if len(read) < len(wanted):
            notes.append(f"video {video.stem}: {len(read):,} of {len(wanted):,} frames readable")
    return sizes, notes


def _identify_video(video: Path) -> str:
    state = video.stat()
    return f"{video} {state.st_size} {state.st_mtime_ns}"


def _extract_from_video(
    source: Source, folder: Path, item: tuple[Path, list[int]]
) -> dict[str, tuple[int, int]]:
    """Write the wanted frames of one video; file name to (width, height) of those read."""
    import cv2

    from smallpose.sources.video import read_frames

    video, rows = item
    row_of = {source.image_files[r].frame or 0: r for r in rows}
    sizes = {}
    for frame, picture in read_frames(video, sorted(row_of)):
        name = source.people.images.file_names[row_of[frame]]
        ok, data = cv2.imencode(
            ".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        )
        if not ok:
            raise RunError(str(video), f"frame {frame} cannot be encoded", "check the video")
        _write_frame(resolve_inside(folder, name), data.tobytes())
        sizes[name] = (picture.shape[1], picture.shape[0])
    return sizes


def _write_frame(target: Path, data: bytes) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    except OSError as error:
        raise RunError(str(target), f"{error.strerror} while writing", "make room") from None
