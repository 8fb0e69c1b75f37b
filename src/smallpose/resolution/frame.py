"""Frames around reduced images: a person who is farther away, seen by a camera of as many pixels.

Without a frame the whole image shrinks with the person. A model that looks at the whole image
enlarges it to the size of its network, so that a small person in a small image is as large to it as
a large one in a large image.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.dataloading.images import ImageArray

SAME = "same"
GREY = 114  # of 255
MAX_SIDE = 20_000  # px
_SIZE = re.compile(r"(\d{1,6})x(\d{1,6})", re.IGNORECASE)
Sizes = NDArray[np.int64]


@dataclass(frozen=True)
class Frame:
    """A grey frame, in the middle of which a reduced image lies.

    Args:
        size_wh: px, or None for that of the original image. Larger images enlarge it.
    """

    size_wh: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        """Return the value of `--frame`."""
        return SAME if self.size_wh is None else f"{self.size_wh[0]}x{self.size_wh[1]}"

    def describe(self) -> str:
        """Return a sentence for notes."""
        size = "of its original size"
        if self.size_wh is not None:
            size = f"of {self.size_wh[0]} × {self.size_wh[1]} px"
        return f"Frame: each reduced image lies in the middle of a grey frame {size}"

    def compute_sizes(self, original_wh: Sizes, reduced_wh: Sizes) -> Sizes:
        """Return the (n, 2) sizes of the frames of n images."""
        wanted = original_wh if self.size_wh is None else np.array([self.size_wh])
        return np.asarray(np.maximum(wanted, reduced_wh))


def compute_offsets(frame_wh: Sizes, reduced_wh: Sizes) -> Sizes:
    """Return the (n, 2) corners of images in the middle of their frames, in whole px."""
    return np.asarray((frame_wh - reduced_wh) // 2)


def place_in_frame(image: ImageArray, frame_wh: tuple[int, int]) -> ImageArray:
    """Place an (h, w, 3) image in the middle of a grey frame."""
    height, width = image.shape[:2]
    if frame_wh == (width, height):
        return image
    x, y = compute_offsets(np.array(frame_wh), np.array([width, height])).tolist()
    framed = np.full((frame_wh[1], frame_wh[0], 3), GREY, dtype=np.uint8)
    framed[y : y + height, x : x + width] = image
    return framed


def parse_frame(text: str) -> Frame:
    """Parse `same` or a size such as `1920x1080`.

    Raises: InputError for anything else.
    """
    if text == SAME:
        return Frame()
    match = _SIZE.fullmatch(text)
    size_wh = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(0 < side <= MAX_SIDE for side in size_wh):
        raise InputError(f"--frame {text}", "is no size of images", "use same, or as in 1920x1080")
    return Frame(size_wh)


def describe_missing_frame(names: Sequence[str]) -> str:
    """Say what a curve without frames means for models that look at whole images."""
    verb = "looks" if len(names) == 1 else "look"
    return (
        f"{', '.join(names)} {verb} at whole images, which shrink with the person here, and may "
        "enlarge them again: this is the curve of images of fewer pixels, not of people farther "
        "away in images as large as before, who are harder to find. For those: smallpose "
        "resolution --frame same."
    )
