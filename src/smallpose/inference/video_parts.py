"""Split files into videos and the images between them, and videos into parts that fit in memory."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.io.image_files import is_video_file
from smallpose.sources.video import TimedFrame
from smallpose.system.progress import print_status

BYTES_PER_PART = 2**27  # of decoded frames; another part is decoded meanwhile


def name_videos(files: Sequence[Path]) -> dict[Path, str]:
    """Return the folder that the frames of each video are named in: the shortest that is unique.

    It is the name of the video without its suffix, the name, or the path.

    Raises: InputError for a video that is given twice.
    """
    videos = [file for file in files if is_video_file(file)]
    repeated = [file for file, count in Counter(videos).items() if count > 1]
    if repeated:
        raise InputError(str(repeated[0]), "the same video was given twice", "pass it once")
    taken = {str(file.parent) for file in files if not is_video_file(file)}
    names: dict[Path, str] = {}
    for describe in (_get_stem, _get_name, str):
        counts = Counter(describe(video) for video in videos)
        for video in videos:
            name = describe(video)
            if counts[name] == 1 and name not in taken:
                names.setdefault(video, name)
    return {video: names.get(video, str(video)) for video in videos}


def _get_stem(path: Path) -> str:
    return path.stem


def _get_name(path: Path) -> str:
    return path.name


def group_files(files: Iterable[Path]) -> Iterator[list[Path]]:
    """Yield each video alone, and the images between two videos together."""
    images: list[Path] = []
    for file in files:
        if not is_video_file(file):
            images.append(file)
            continue
        if images:
            yield images
            images = []
        yield [file]
    if images:
        yield images


def split_frames(frames: Iterable[TimedFrame], frames_per_part: int) -> Iterator[list[TimedFrame]]:
    """Yield up to so many frames together, and fewer where they are large."""
    chunk: list[TimedFrame] = []
    for frame in frames:
        chunk.append(frame)
        is_full = sum(one.image.nbytes for one in chunk) >= BYTES_PER_PART
        if is_full or len(chunk) == frames_per_part:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def read_ahead(chunks: Iterator[list[TimedFrame]]) -> Iterator[list[TimedFrame]]:
    """Yield the chunks; the next one is decoded in a thread while one is predicted."""
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, chunks, None)
        while (chunk := following.result()) is not None:
            following = pool.submit(next, chunks, None)
            yield chunk


class FrameTally:
    """Iterates over the frames of a video and counts those that are missing."""

    def __init__(self, frames: Iterator[TimedFrame]) -> None:
        self._frames = frames
        self._num_read = 0
        self._num_shown = 0

    def __iter__(self) -> Iterator[TimedFrame]:
        for frame in self._frames:
            self._num_read += 1
            self._num_shown = frame.index + 1
            yield frame

    def print_missing(self, video: Path, num_declared: int) -> None:
        """Print how many frames are damaged, and whether the video ends before its header says."""
        num_damaged = self._num_shown - self._num_read
        if num_damaged:
            frames = format_count(num_damaged, "damaged frame is", "damaged frames are")
            print_status(f"{video}: {frames} left out")
        if self._num_shown < 0.98 * num_declared - 2:  # headers round
            print_status(
                f"{video}: ends after {format_count(self._num_shown, 'frame')}, its header says "
                f"{num_declared:,}"
            )
