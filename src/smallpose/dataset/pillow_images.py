"""Open and decode image files with Pillow, on their stored pixel grid."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.system.image_formats import START_BYTES, detect_format

if TYPE_CHECKING:
    from PIL import Image

_EXIF_ORIENTATION = 0x0112
_TIFF_WIDTH = 256
_TIFF_HEIGHT = 257
_PILLOW_SETTINGS = Lock()
# By EXIF orientation, what turns the shown grid back to the stored one: axes are swapped, then
# rows or columns are reversed.
_STORED_FROM_SHOWN = {
    2: (False, 1, -1),
    3: (False, -1, -1),
    4: (False, -1, 1),
    5: (True, 1, 1),
    6: (True, -1, 1),
    7: (True, -1, -1),
    8: (True, 1, -1),
}


class ImageHeader(NamedTuple):
    """What is known about an image without decoding it.

    Args:
        width, height: px of the stored grid.
        orientation: 1, or the EXIF orientation (2 to 8) by which viewers turn or mirror that grid.
        has_more_images: whether frames or pages follow the first one, which alone is read.
    """

    width: int
    height: int
    orientation: int = 1
    has_more_images: bool = False

    @property
    def stored_wh(self) -> tuple[int, int]:
        """Return (width, height) of the stored grid, which decoders return."""
        return self.width, self.height

    @property
    def shown_wh(self) -> tuple[int, int]:
        """Return (width, height) of the image as viewers show it."""
        return self.stored_wh if self.orientation < 5 else (self.height, self.width)


def open_pillow_image(file: IO[bytes], image_format: str) -> "Image.Image":
    """Open an image with Pillow, which reads its header; the caller checks the size.

    Pillow's own limit is set aside meanwhile: `check_image_pixels` is stricter and names the
    option. Both settings belong to the process, so one thread at a time changes them.
    """
    from PIL import Image

    with _hide_remarks():
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            return Image.open(file, formats=(image_format,))
        finally:
            Image.MAX_IMAGE_PIXELS = before


@contextmanager
def _hide_remarks() -> Iterator[None]:
    """Hide what Pillow warns of: damaged metadata beside sound pixels."""
    with _PILLOW_SETTINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def load_pixels(image: "Image.Image") -> None:
    """Decode an open image; a TIFF's metadata are read once more, in one thread at a time."""
    if image.format != "TIFF":
        image.load()
        return
    with _hide_remarks():
        image.load()


def describe_image(image: "Image.Image") -> ImageHeader:
    """Return the header of an open image, whose size refers to the stored grid.

    Pillow turns a TIFF by its orientation when it is loaded, and declares the size it has then.
    """
    width, height = image.size
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        width, height = int(tags[_TIFF_WIDTH]), int(tags[_TIFF_HEIGHT])
    # The second image of an MPO is a preview or the view of another eye.
    has_more = image.format != "MPO" and bool(getattr(image, "is_animated", False))
    return ImageHeader(width, height, read_orientation(image), has_more)


def refuse_pixel_type(image: "Image.Image", where: str) -> None:
    """Raise InputError for pixels that are no colours, as measurements in a TIFF."""
    if image.mode in ("F", "I"):
        raise InputError(
            where,
            "its pixels are numbers of 32 bits, whose black and white are not known",
            "scale it to 8 or 16 bits",
        )


def read_orientation(image: "Image.Image") -> int:
    """Return the EXIF orientation of an open image, 1 to 8; 1 where there is none or no sound one.

    Only EXIF counts, as in browsers, and not the orientation that XMP may repeat.
    """
    from PIL import Image

    if image.format == "TIFF":
        orientation = image.tag_v2.get(_EXIF_ORIENTATION, 1)  # type: ignore[attr-defined]
        return orientation if orientation in range(2, 9) else 1
    if not image.info.get("exif"):
        return 1
    exif = Image.Exif()
    try:
        exif.load(image.info["exif"])
        orientation = exif.get(_EXIF_ORIENTATION, 1)
    except Exception:  # a damaged EXIF block does not make the image unreadable
        return 1
    return orientation if orientation in range(2, 9) else 1


def decode_with_pillow(data: bytes, where: str) -> NDArray[np.uint8]:
    """Decode the first frame to (h, w, 3) RGB on the stored grid; Pillow refuses truncated files.

    Raises: InputError when the file is damaged.
    """
    try:
        with open_pillow_image(io.BytesIO(data), detect_format(data[:START_BYTES], where)) as image:
            orientation = read_orientation(image) if image.format == "TIFF" else 1
            load_pixels(image)
            return _turn_back(_convert_to_rgb(image), orientation)
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise InputError(where, f"cannot be decoded ({error})", "download it again") from None


def _convert_to_rgb(image: "Image.Image") -> NDArray[np.uint8]:
    if image.mode.startswith("I;16"):  # Pillow would clip these at 255
        grey = (np.asarray(image) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    return np.asarray(image.convert("RGB"), dtype=np.uint8)


def turn_pixels(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Return the image as viewers show it.

    Args:
        image: (h, w, 3), the stored grid.
        orientation: 1 to 8, of EXIF.
    Returns: (h, w, 3), or (w, h, 3) where sides are swapped.
    """
    if orientation == 1:
        return image
    is_swapped, row_step, column_step = _STORED_FROM_SHOWN[orientation]
    turned = image[::row_step, ::column_step]
    return np.ascontiguousarray(turned.transpose(1, 0, 2) if is_swapped else turned)


def _turn_back(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Return the stored grid of an image that was turned by its orientation."""
    if orientation == 1:
        return image
    is_swapped, row_step, column_step = _STORED_FROM_SHOWN[orientation]
    turned = image.transpose(1, 0, 2) if is_swapped else image
    return np.ascontiguousarray(turned[::row_step, ::column_step])
