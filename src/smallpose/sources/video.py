"""Read frames of a video by their index, counted by decoding and not by the header.

PyAV reports damage, so that no damaged frame gets labels: decoders conceal it otherwise and return
a garbled image. Without PyAV, OpenCV returns the same pixels of sound frames and reports nothing.
"""

from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError, RefusedError

# Boxes that an MP4 may begin with. A playlist with the suffix .mp4 would make FFmpeg open any
# file or address that it names.
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")
# The decoder reports errors that it would conceal by default.
_STRICT = {"err_detect": "crccheck+bitstream+buffer+explode"}

Frame = tuple[int, NDArray[np.uint8]]


def detects_damage() -> bool:
    """Return whether PyAV is installed, without which damaged frames are not noticed."""
    return find_spec("av") is not None


def read_frames(video: Path, frames: Sequence[int]) -> Iterator[Frame]:
    """Yield the frames with these 0-based indices in ascending order, each as (h, w, 3) RGB.

    Damaged frames, and those up to the next keyframe, which are predicted from them, are left out.
    A video that is truncated, empty or has fewer frames than its header says ends early: the
    caller counts the frames and reports missing ones.

    Raises: InputError when there is no such file; RefusedError when the file is no MP4.
    """
    if not video.is_file():
        raise InputError(str(video), "no such video", "check the path")
    wanted = sorted(set(frames))
    with video.open("rb") as file:
        head = file.read(12)
    if not head or not wanted:
        return
    if head[4:8] not in _MP4_BOXES:
        raise RefusedError(
            str(video), f"not an MP4 file (it begins with {head!r})", "convert the video to MP4"
        )
    if detects_damage() and not _is_rotated(video):
        yield from _read_sound_frames(video, wanted)
    else:
        yield from _read_with_opencv(video, wanted)


def _is_rotated(video: Path) -> bool:
    """Return whether players turn the video, as OpenCV does and PyAV does not."""
    av = import_module("av")
    try:
        with av.open(str(video)) as container:
            return any(frame.rotation for frame in _take_first(container.decode(video=0)))
    except (av.FFmpegError, IndexError):  # damaged, or no stream of images
        return False


def _take_first(frames: Iterator[Any]) -> Iterator[Any]:
    for frame in frames:
        yield frame
        return


def _read_sound_frames(video: Path, wanted: Sequence[int]) -> Iterator[Frame]:
    av = import_module("av")
    try:
        index_of = {time: index for index, time in enumerate(_list_times(av, video))}
        with av.open(str(video)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "SLICE"  # with whole frames, errors would come late
            stream.codec_context.options = _STRICT
            missing = set(wanted)
            for frame in _iterate_sound_frames(av, container.demux(stream)):
                index = index_of.get(frame.pts)
                if index in missing:
                    missing.discard(index)
                    bgr = frame.reformat(format="bgr24").to_ndarray()
                    yield index, np.ascontiguousarray(bgr[:, :, ::-1])
                if not missing:
                    return
    except (av.FFmpegError, IndexError):  # no table of contents, or no stream of images
        return


def _list_times(av: Any, video: Path) -> list[int]:
    """List the times at which the frames are shown, in ascending order, without decoding them."""
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        packets = container.demux(stream)
        return sorted(p.pts for p in packets if p.pts is not None and not p.is_discard)


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
            is_tainted, sound_from = True, None
        if packet.is_corrupt or any(frame.is_corrupt for frame in frames):
            is_tainted, sound_from = True, None
        elif is_tainted and sound_from is None and packet.is_keyframe:
            sound_from = packet.pts
        for frame in frames:
            is_later = sound_from is not None and frame.pts >= sound_from
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
