"""Write the frames of a video with predictions drawn into them, at their own times."""

from collections.abc import Sequence
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from smallpose.core.errors import InputError, RunError
from smallpose.core.predictions import Predictions
from smallpose.dataloading.images import ImageArray
from smallpose.io.image_files import DRAWING_MARK
from smallpose.report.images.draw_predictions import (
    MIN_PERSON_HEIGHT,
    choose_video_scale,
    draw_image,
)
from smallpose.system.image_formats import DRAWN_VIDEO_FORMATS
from smallpose.system.progress import print_status

TIME_BASE = Fraction(1, 90_000)  # s; common rates, also 30000/1001, are whole numbers of it
# Encoders in order of preference, with options; FFmpeg's builds have different ones.
_ENCODERS: tuple[tuple[str, dict[str, str]], ...] = (
    ("libx264", {"crf": "20", "preset": "veryfast"}),
    ("libopenh264", {}),
    ("mpeg4", {"qscale": "3"}),
)
_WEBM_ENCODERS: tuple[tuple[str, dict[str, str]], ...] = (
    ("libvpx-vp9", {"crf": "30", "b": "0", "cpu-used": "6"}),
    ("libvpx", {}),
)


class VideoDrawing:
    """A video that is written frame by frame, and replaces its file when it is closed.

    It has the size of its frames, unless people are small.

    Args:
        path: ends in one of `DRAWN_VIDEO_FORMATS`.
        rate: frames per second on average, from which the encoder plans its bits.
        min_score: as in `draw_image`.
        sizes_px: of people in the first frames, for whom the frames may be enlarged.
    Raises: InputError for another ending.
    """

    def __init__(
        self,
        path: Path,
        rate: Fraction,
        min_score: float | None = None,
        sizes_px: Sequence[float] = (),
    ) -> None:
        if path.suffix.lower() not in DRAWN_VIDEO_FORMATS:
            remedy = f"end it in {', '.join(DRAWN_VIDEO_FORMATS)}"
            raise InputError(f"--draw {path}", "is no video that can be written", remedy)
        self.path = path
        self._rate = rate
        self._min_score = min_score
        self._sizes_px = sizes_px
        self._part = path.with_name(f".{path.name}.part")
        self._container: Any = None
        self._stream: Any = None
        self._scale = 1.0
        self._last_time = -1

    def add_frame(
        self, image: ImageArray, predictions: Predictions, time_s: float, labels: list[str]
    ) -> None:
        """Draw the people of one frame and encode it; times rise from call to call.

        Args:
            labels: a text for each of the predictions, or none.
        """
        if self._container is None:
            self._open(image)
        rows = np.arange(len(predictions), dtype=np.intp)
        canvas = draw_image(
            image,
            predictions,
            rows,
            scale=self._scale,
            labels=labels,
            min_score=self._min_score,
        )
        height, width = (side - side % 2 for side in canvas.shape[:2])
        av = import_module("av")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(canvas[:height, :width]), "rgb24")
        frame.pts = max(round(time_s / TIME_BASE), self._last_time + 1)
        frame.time_base = TIME_BASE
        self._last_time = frame.pts
        self._write(frame)

    def close(self) -> None:
        """End the video and put it in its place."""
        if self._container is None:
            return
        self._write(None)
        self._container.close()
        self._container = None
        self._part.replace(self.path)

    def discard(self) -> None:
        """Remove what was written, unless the video was closed."""
        if self._container is not None:
            self._container.close()
            self._container = None
        self._part.unlink(missing_ok=True)

    def _open(self, image: ImageArray) -> None:
        av = import_module("av")
        height, width = image.shape[:2]
        self._scale = choose_video_scale((width, height), self._sizes_px)
        suffix = self.path.suffix.lower()
        choices = _WEBM_ENCODERS if suffix == ".webm" else _ENCODERS
        name, options = next(c for c in choices if c[0] in av.codecs_available)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._container = av.open(str(self._part), "w", format=DRAWN_VIDEO_FORMATS[suffix])
            self._container.metadata["comment"] = DRAWING_MARK
            self._stream = self._container.add_stream(name, rate=self._rate, options=options)
            sides = [round(side * self._scale) for side in (width, height)]
            self._stream.width, self._stream.height = (side - side % 2 for side in sides)
            if self._scale > 1:
                print_status(
                    f"{self.path}: enlarged from {width:,} × {height:,} to "
                    f"{self._stream.width:,} × {self._stream.height:,} px, because half of the "
                    f"people are below {MIN_PERSON_HEIGHT} px"
                )
            self._stream.pix_fmt = "yuv420p"  # others are not shown by all players
            self._stream.time_base = TIME_BASE
            self._stream.codec_context.time_base = TIME_BASE
        except (OSError, av.FFmpegError) as error:
            raise self._describe(error) from None

    def _write(self, frame: Any) -> None:
        av = import_module("av")
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except (OSError, av.FFmpegError) as error:
            raise self._describe(error) from None

    def _describe(self, error: Exception) -> RunError:
        reason = getattr(error, "strerror", "") or str(error)
        return RunError(
            str(self.path), f"{reason} while writing", "free some space, or name another"
        )
