"""The largest image that is decoded.

A file of a few kilobytes can declare billions of pixels ("decompression bomb"). Every reader of
image headers compares the declared size with the one limit of this module before it decodes.
"""

from smallpose.core.errors import InputError, RefusedError

# Pillow warns from 89,478,485 pixels on. Frames of HiEve and PoseTrack have 2 to 4 million.
MAX_IMAGE_PIXELS = 89_000_000
MAX_SIDE = 2**31 - 1  # px; no format of images has more


def check_image_pixels(where: str, width: int, height: int) -> None:
    """Raise RefusedError if an image of this size is too large to be decoded."""
    if width * height > MAX_IMAGE_PIXELS:
        raise make_too_large_error(where, f"{width:,} × {height:,}")


def make_too_large_error(where: str, pixels: str) -> RefusedError:
    """Return the error for an image whose header declares so many pixels."""
    return RefusedError(
        where,
        f"the header declares {pixels} pixels, and at most {MAX_IMAGE_PIXELS:,} are decoded",
        "store the image at a smaller size",
    )


def refuse_impossible_size(where: str, width: float, height: float) -> None:
    """Raise InputError for a width or height in px that no image can have.

    Args:
        where: the image in messages.
    """
    for side, value in (("width", width), ("height", height)):
        if not abs(value) <= MAX_SIDE:
            raise InputError(where, f"its {side} is {value:g} px", "correct it or leave it out")
