"""The largest image that is decoded.

A file of a few kilobytes can declare billions of pixels ("decompression bomb"). Every reader of
image headers compares the declared size with the one limit of this module before it decodes. Only
the user raises it: by `--max-pixels` or the variable SMALLPOSE_MAX_PIXELS.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from smallpose.core.errors import InputError, RefusedError

# Pillow warns from 89,478,485 pixels on. Frames of HiEve and PoseTrack have 2 to 4 million.
MAX_IMAGE_PIXELS = 89_000_000
MAX_SIDE = 2**31 - 1  # px; no format of images has more
VARIABLE = "SMALLPOSE_MAX_PIXELS"
_MIN_BYTES = 256 * 2**20  # of a file that may always be read


def get_max_pixels() -> int:
    """Return the number of pixels up to which images are decoded.

    Raises: InputError when the variable SMALLPOSE_MAX_PIXELS is no number.
    """
    text = os.environ.get(VARIABLE, "")
    if text and not text.isdecimal():
        raise InputError(VARIABLE, f"{text[:40]!r} is no number of pixels", "set it to 400000000")
    return max(int(text), MAX_IMAGE_PIXELS) if text else MAX_IMAGE_PIXELS


def get_max_bytes() -> int:
    """Return the size up to which image files are read: four bytes per pixel, or 256 MiB."""
    return max(_MIN_BYTES, 4 * get_max_pixels())


@contextmanager
def allow_pixels(max_pixels: int) -> Iterator[None]:
    """Decode images of so many pixels in this process and in those that it starts meanwhile.

    Args:
        max_pixels: 0 for the limit as it is.
    """
    before = os.environ.get(VARIABLE)
    if max_pixels:
        os.environ[VARIABLE] = str(max_pixels)
    try:
        yield
    finally:
        if before is not None:
            os.environ[VARIABLE] = before
        elif max_pixels:
            del os.environ[VARIABLE]


def check_image_pixels(where: str, width: int, height: int) -> None:
    """Raise RefusedError if an image of this size is too large to be decoded."""
    if width * height > get_max_pixels():
        raise make_too_large_error(where, width, height)


def make_too_large_error(where: str, width: int, height: int) -> RefusedError:
    """Return the error for an image whose header declares so many pixels."""
    num_pixels = width * height
    return RefusedError(
        where,
        f"the header declares {width:,} × {height:,} pixels, and at most "
        f"{get_max_pixels():,} are decoded",
        f"if you trust the file, add --max-pixels {num_pixels}",
    )


def refuse_impossible_size(where: str, width: float, height: float) -> None:
    """Raise InputError for a width or height in px that no image can have.

    Args:
        where: the image in messages.
    """
    for side, value in (("width", width), ("height", height)):
        if not abs(value) <= MAX_SIDE:
            # A whole number of hundreds of digits is no float.
            number = str(value)[:20] if abs(value) >= 1e300 else f"{value:g}"
            raise InputError(where, f"its {side} is {number} px", "correct it or leave it out")
