"""Extract frames of the sources' videos as images of the data set."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from smallpose.core.counts import format_count
from smallpose.core.errors import RunError
from smallpose.dataset.builder.build_folder import BuildFolder
from smallpose.sources.source import Source
from smallpose.sources.video import detects_damage, read_frames
from smallpose.system.files import resolve_inside
from smallpose.system.packages import format_module_command
from smallpose.system.progress import print_status, show_progress

_MAX_LISTED = 20  # frames of a video that cannot be read
JPEG_QUALITY = 95  # high, because the frames have been compressed once already


def extract_frames(
    source: Source, rows: Sequence[int], build: BuildFolder, workers: int
) -> tuple[dict[int, tuple[int, int]], list[str]]:
    """Write frames of a source's videos as JPEG files below the images of the data set.

    Videos in the journal of an interrupted build that have not changed since are not read again.

    Args:
        rows: images of the source that are frames of videos.
    Returns: row to (width, height) of the frames that could be read; and a note on each video
        some of whose frames could not.
    """
    if not rows:
        return {}, []
    rows_by_video: dict[Path, list[int]] = {}
    for row in rows:
        rows_by_video.setdefault(source.image_files[row].path, []).append(row)
    row_of = {name: row for row, name in enumerate(source.people.images.file_names)}
    done = {entry["video"]: entry["sizes"] for entry in build.read_journal()}
    if not detects_damage():
        print_status(
            f"{source.name}: damaged frames of videos are not noticed without PyAV "
            f"({format_module_command('av')})"
        )
    new = [item for item in rows_by_video.items() if _identify_video(item[0]) not in done]
    with ThreadPoolExecutor(workers) as pool:
        results = pool.map(partial(_extract_from_video, source, build.data_set / "images"), new)
        for (video, _), video_sizes in show_progress(
            zip(new, results, strict=True), "frames of videos", len(new)
        ):
            build.append_to_journal({"video": _identify_video(video), "sizes": video_sizes})
            done[_identify_video(video)] = video_sizes
    sizes: dict[int, tuple[int, int]] = {}
    notes = []
    for video, video_rows in rows_by_video.items():
        video_sizes = done[_identify_video(video)]
        read = {row_of[n]: (s[0], s[1]) for n, s in video_sizes.items() if n in row_of}
        sizes |= read
        if len(read) < len(video_rows):
            left_out = [source.image_files[row].frame or 0 for row in video_rows if row not in read]
            shown = ", ".join(str(number) for number in sorted(left_out)[:_MAX_LISTED])
            more = ", …" if len(left_out) > _MAX_LISTED else ""
            notes.append(
                f"video {video.stem}: {len(read):,} of {format_count(len(video_rows), 'frame')} "
                f"readable (damaged or missing: {shown}{more})"
            )
    return sizes, notes


def _identify_video(video: Path) -> str:
    """Return the path, size and time of a video, which change with its content."""
    state = video.stat()
    return f"{video} {state.st_size} {state.st_mtime_ns}"


def _extract_from_video(
    source: Source, folder: Path, item: tuple[Path, list[int]]
) -> dict[str, tuple[int, int]]:
    """Write the wanted frames of one video; return file name to (width, height)."""
    import cv2

    video, rows = item
    row_of = {source.image_files[r].frame or 0: r for r in rows}
    sizes = {}
    for frame, image in read_frames(video, sorted(row_of)):
        name = source.people.images.file_names[row_of[frame]]
        parameters = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        is_encoded, data = cv2.imencode(".jpg", image[:, :, ::-1], parameters)
        if not is_encoded:
            raise RunError(str(video), f"frame {frame} cannot be encoded", "check the video")
        _write_frame(resolve_inside(folder, name), data.tobytes())
        sizes[name] = (image.shape[1], image.shape[0])
    return sizes


def _write_frame(target: Path, data: bytes) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    except OSError as error:
        raise RunError(
            str(target), f"{error.strerror} while writing", "free some space and run it again"
        ) from None
