"""Write videos that every OpenCV can read: MPEG-4 where it works, else Motion JPEG."""

import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import RunError

Bytes = NDArray[np.uint8]

FRAMES_PER_S = 25.0
_KINDS = ((".mp4", "mp4v"), (".avi", "MJPG"))


@cache
def video_kind() -> tuple[str, str]:
    """Return extension and codec of the first encoder that works on this machine.

    Raises: RunError when there is none.
    """
    for extension, code in _KINDS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"probe{extension}"
            if _encodes_correctly(path, code):
                if extension != ".mp4":
                    print(
                        "note: this OpenCV writes no mp4; videos are Motion JPEG in .avi",
                        file=sys.stderr,
                    )
                return extension, code
    raise RunError(
        "video encoder",
        "OpenCV writes neither MPEG-4 nor Motion JPEG here",
        "install opencv-python-headless from PyPI",
    )


def _encodes_correctly(path: Path, code: str) -> bool:
    """Return whether seven frames come back as seven frames of about the same grey."""
    frames = [np.full((64, 96, 3), 20 + 30 * k, np.uint8) for k in range(7)]
    try:
        write_video(path, iter(frames), (96, 64), code)
    except RunError:
        return False
    reader = cv2.VideoCapture(str(path))
    grey = []
    while True:
        there, frame = reader.read()
        if not there:
            break
        grey.append(float(frame.mean()))
    reader.release()
    return len(grey) == 7 and all(abs(g - 20 - 30 * k) < 12 for k, g in enumerate(grey))


def write_video(path: Path, frames: Iterator[Bytes], size_wh: tuple[int, int], code: str) -> None:
    """Encode (h, w, 3) RGB frames.

    Raises: RunError when the encoder does not open, or the file is not what was written, as on a
        full disk, which OpenCV does not report.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fourcc = cv2.VideoWriter.fourcc(*code)
    # One thread: with several, which macroblock row ends which slice could depend on the machine.
    writer = cv2.VideoWriter(str(path), cv2.CAP_ANY, fourcc, FRAMES_PER_S, size_wh)
    if not writer.isOpened():
        raise RunError(str(path), f"OpenCV cannot encode {code}", "install opencv-python-headless")
    num_frames = 0
    try:
        for frame in frames:
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
            num_frames += 1
    finally:
        writer.release()
    if _read_frame_count(path) != num_frames:
        raise RunError(str(path), "the video was not written completely", "free some space")


def _read_frame_count(path: Path) -> int:
    """Return the number of frames in the table of contents, which is written last."""
    reader = cv2.VideoCapture(str(path))
    try:
        return int(reader.get(cv2.CAP_PROP_FRAME_COUNT)) if reader.isOpened() else 0
    finally:
        reader.release()
