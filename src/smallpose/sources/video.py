"""Read frames of a video by their index, counted by decoding and not by the header."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError, RefusedError
from smallpose.system.packages import require_packages

# Boxes that an MP4 may begin with. A playlist with the suffix .mp4 would make FFmpeg open any
# file or address that it names.
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")


def read_frames(video: Path, frames: Sequence[int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield the frames with these 0-based indices in ascending order, each as (h, w, 3) RGB.

    A video that is truncated, empty or has fewer frames than its header says ends early: the
    caller counts the frames and reports missing ones.

    Raises: InputError when there is no such file; RefusedError when the file is no MP4.
    """
    require_packages(str(video), "cv2")
    import cv2

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
