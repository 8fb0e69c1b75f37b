"""Frames of a video by their number, counted by decoding and not by the header."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError, RefusedError

# Boxes an MP4 may begin with. A playlist that calls itself .mp4 would make FFmpeg open whatever
# other files and addresses it names.
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")


def read_frames(video: Path, frames: Sequence[int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """The frames with these 0-based numbers, in ascending order, each as (h, w, 3) RGB.

    A video that is cut off, empty or holds fewer frames than its header says ends early: whoever
    asks counts what came and says what is missing.

    Raises: InputError when there is no such file; RefusedError when it is something else than MP4.
    """
    import cv2

    if not video.is_file():
        raise InputError(str(video), "no such video", "check the path")
    wanted = sorted(set(frames))
    with video.open("rb") as file:
        head = file.read(12)
    if not head or not wanted:
        return
    if head[4:8] not in _MP4_BOXES:
        raise RefusedError(str(video), f"no MP4 (starts with {head!r})", "give the video as MP4")
    capture = cv2.VideoCapture(str(video), cv2.CAP_FFMPEG)
    try:
        at = -1
        for number in wanted:
            while at < number:
                if not capture.grab():
                    return
                at += 1
            good, bgr = capture.retrieve()
            if good:
                yield number, np.ascontiguousarray(bgr[:, :, ::-1])
    finally:
        capture.release()
