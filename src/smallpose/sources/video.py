"""Read the frames of videos in the order in which they are shown.

Frames are counted by decoding and not by the header. PyAV reports damage, so that no damaged frame
is used: decoders conceal it otherwise and return a garbled image. Without PyAV, OpenCV returns the
same pixels of sound frames for `read_frames` and reports nothing.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError, RefusedError
from smallpose.system.image_formats import START_BYTES, detect_container
from smallpose.system.packages import require_packages

# The decoder reports errors that it would conceal by default.
_STRICT = {"err_detect": "crccheck+bitstream+buffer+explode"}

Frame = tuple[int, NDArray[np.uint8]]


@dataclass(frozen=True)
class VideoInfo:
    """What the header of a video says, which may be wrong.

    Args:
        num_frames: 0 where it is unknown.
        rate: frames per second on average.
    """

    num_frames: int
    rate: Fraction


@dataclass(frozen=True)
class TimedFrame:
    """A frame of a video.

    Args:
        index: in the order in which frames are shown, from 0; damaged frames are counted.
        time_s: at which it is shown, from the beginning of the video.
        image: (h, w, 3) uint8 RGB, turned as players turn it.
    """

    index: int
    time_s: float
    image: NDArray[np.uint8]


def detects_damage() -> bool:
    """Return whether PyAV is installed, without which damaged frames are not noticed."""
    return find_spec("av") is not None


def describe_video(video: Path) -> VideoInfo:
    """Read the header of a video.

    Raises: as `iterate_frames`.
    """
    container_format = _require_container(video)
    av = _import_av()
    try:
        with av.open(str(video), format=container_format) as container:
            stream = container.streams.video[0]
            rate = stream.average_rate or stream.guessed_rate or Fraction(25)
            num_frames = stream.frames
            if not num_frames and container.duration:
                num_frames = round(container.duration / 1e6 * rate)
            return VideoInfo(num_frames, Fraction(rate))
    except (av.FFmpegError, IndexError) as error:
        raise _make_video_error(video, error) from None


def iterate_frames(video: Path) -> Iterator[TimedFrame]:
    """Yield the sound frames of a video in the order in which they are shown, with PyAV.

    Damaged frames, and those up to the next sound keyframe, which are predicted from them, are left
    out; they are missing in the indices. Where the decoder finds damage in all frames, they are
    read as players show them. Memory does not depend on the length.

    Raises: InputError when there is no such file, or it is no video that FFmpeg reads.
    """
    container_format = _require_container(video)
    num_frames = 0
    try:
        for frame in _decode_frames(video, container_format, _STRICT):
            num_frames += 1
            yield frame
    except InputError:
        if num_frames:
            return  # the rest of a truncated file
    if not num_frames:
        yield from _decode_frames(video, container_format, {})


def _decode_frames(
    video: Path, container_format: str, options: dict[str, str]
) -> Iterator[TimedFrame]:
    av = _import_av()
    try:
        with av.open(str(video), format=container_format) as container:
            stream = container.streams.video[0]
            stream.thread_type = "SLICE"  # with whole frames, errors would come late
            stream.codec_context.options = options
            start = stream.start_time or 0
            counter = _FrameCounter()
            packets = counter.watch(container.demux(stream))
            frames = _iterate_sound_frames(av, packets) if options else _decode_all(av, packets)
            for frame in frames:
                index = counter.find_index(frame.pts)
                time_s = float(index / (stream.average_rate or 25))
                if frame.pts is not None and stream.time_base:
                    time_s = float((frame.pts - start) * stream.time_base)
                yield TimedFrame(index, time_s, _convert_frame(frame))
    except (av.FFmpegError, IndexError) as error:
        raise _make_video_error(video, error) from None


class _FrameCounter:
    """Numbers frames by the times of the packets, which are complete where frames are damaged."""

    def __init__(self) -> None:
        self._waiting: list[int] = []  # times of packets whose frames have not been shown
        self._next_index = 0

    def watch(self, packets: Iterator[Any]) -> Iterator[Any]:
        """Yield the packets, and remember when their frames are shown."""
        for packet in packets:
            if packet.pts is not None and not packet.is_discard:
                heapq.heappush(self._waiting, packet.pts)
            yield packet

    def find_index(self, time: int | None) -> int:
        """Return the index of the frame that is shown at a time; times rise from call to call."""
        index = self._next_index
        while self._waiting and time is not None and self._waiting[0] <= time:
            heapq.heappop(self._waiting)
            index = self._next_index
            self._next_index += 1
        self._next_index = max(self._next_index, index + 1)
        return index


def read_frames(video: Path, frames: Sequence[int]) -> Iterator[Frame]:
    """Yield the frames with these 0-based indices in ascending order, each as (h, w, 3) RGB.

    A video that is truncated, empty or has fewer frames than its header says ends early: the
    caller counts the frames and reports missing ones, and damaged ones as in `iterate_frames`.

    Raises: InputError when there is no such file; RefusedError when the file is no MP4.
    """
    if not video.is_file():
        raise InputError(str(video), "no such video", "check the path")
    wanted = sorted(set(frames))
    with video.open("rb") as file:
        head = file.read(START_BYTES)
    if not head or not wanted:
        return
    container_format = detect_container(head)
    if not container_format:
        raise RefusedError(
            str(video),
            f"not an MP4 file (it begins with {head[:12]!r})",
            "convert the video to MP4",
        )
    if detects_damage():
        yield from _take_frames(_decode_frames(video, container_format, _STRICT), wanted)
    else:
        yield from _read_with_opencv(video, wanted)


def _take_frames(frames: Iterator[TimedFrame], wanted: Sequence[int]) -> Iterator[Frame]:
    missing = set(wanted)
    try:
        for frame in frames:
            if frame.index in missing:
                missing.discard(frame.index)
                yield frame.index, frame.image
            if not missing:
                return
    except InputError:  # no table of contents, or no stream of images
        return


def _require_container(video: Path) -> str:
    """Return FFmpeg's name of the container; raises InputError when the file is no video."""
    if not video.is_file():
        raise InputError(str(video), "no such video", "check the path")
    with video.open("rb") as file:
        start = file.read(START_BYTES)
    container_format = detect_container(start)
    if not container_format:
        shown = ascii(start[:12].decode("latin-1"))
        what = f"not a video (it starts with {shown})" if start else "not a video (it is empty)"
        raise InputError(str(video), what, "download it again, or convert it: ffmpeg -i IN OUT.mp4")
    return container_format


def _import_av() -> Any:
    require_packages("reading videos", "av")
    return import_module("av")


def _make_video_error(video: Path, error: Exception) -> InputError:
    reason = getattr(error, "strerror", "") or "it has no stream of images"
    return InputError(str(video), f"cannot be read ({reason})", "convert it: ffmpeg -i IN OUT.mp4")


def _convert_frame(frame: Any) -> NDArray[np.uint8]:
    bgr = frame.reformat(format="bgr24").to_ndarray()
    turned = np.rot90(bgr, round(frame.rotation / 90) % 4)
    return np.ascontiguousarray(turned[:, :, ::-1])


def _decode_all(av: Any, packets: Iterator[Any]) -> Iterator[Any]:
    """Yield what the decoder makes of all packets."""
    for packet in packets:
        try:
            yield from packet.decode()
        except av.FFmpegError:
            continue


def _iterate_sound_frames(av: Any, packets: Iterator[Any]) -> Iterator[Any]:
    """Yield decoded frames in the order in which they are shown, without damaged ones.

    After an error, frames are sound again from the next keyframe on that is sound itself.
    """
    is_tainted = False
    sound_from: int | None = None  # time of the first sound keyframe after an error
    for packet in packets:
        try:
            frames = packet.decode()
        except av.FFmpegError:
            frames = []
            is_tainted = True
            sound_from = None
        if packet.is_corrupt or any(frame.is_corrupt for frame in frames):
            is_tainted = True
            sound_from = None
        elif is_tainted and sound_from is None and packet.is_keyframe:
            sound_from = packet.pts
        for frame in frames:
            is_later = None not in (sound_from, frame.pts) and frame.pts >= sound_from
            if not frame.is_corrupt and (not is_tainted or is_later):
                yield frame


def _read_with_opencv(video: Path, wanted: Sequence[int]) -> Iterator[Frame]:
    import cv2

    capture = cv2.VideoCapture(str(video), cv2.CAP_FFMPEG)
    try:
        position = -1
        for index in wanted:
            while position < index:
                if not capture.grab():
                    return
                position += 1
            is_decoded, bgr = capture.retrieve()
            if is_decoded:
                yield index, np.ascontiguousarray(bgr[:, :, ::-1])
    finally:
        capture.release()
