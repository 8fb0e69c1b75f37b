"""Read images that are too large to be held, as bands of rows from the top to the bottom.

libvips (the extra [large]) decodes JPEG, TIFF and PNG row by row, so that memory depends on the
width of an image and the size of what is looked at. Progressive JPEG and interlaced PNG cannot be
read so: their decoders hold all rows. Other formats, and all formats without libvips, are decoded
whole first.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.dataloading.images import ImageArray, read_image, read_image_header
from smallpose.system.image_formats import START_BYTES, detect_format
from smallpose.system.image_limits import MAX_IMAGE_PIXELS, get_max_pixels
from smallpose.system.packages import format_module_command
from smallpose.system.progress import print_status

Ints = NDArray[np.int64]

BAND_ROWS = 256  # a power of two, so that every reduction divides it
OVERVIEW_SIDE = 4096  # px; an image is reduced to at most this longer side to be seen in full
_ROWS_PER_READ = 16
_LOADERS = {"JPEG": "jpegload", "TIFF": "tiffload", "PNG": "pngload"}


@dataclass(frozen=True)
class LargeImage:
    """An image whose pixels are read where they are needed.

    Args:
        path: of the file.
        image_format: as `detect_format` returns it.
        width, height: px of the stored grid.
    """

    path: Path
    image_format: str
    width: int
    height: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return the shape that the array of all pixels would have."""
        return self.height, self.width, 3

    def iterate_bands(self) -> Iterator[tuple[int, ImageArray]]:
        """Yield the first row and the (rows, w, 3) uint8 RGB pixels of each band, downwards.

        The pixels are valid until the next band is asked for.

        Raises: InputError when the file is damaged.
        """
        if self.image_format in _LOADERS and _has_libvips():
            yield from self._iterate_vips_bands()
            return
        print_status(
            f"{self.path}: decoded whole, {3 * self.width * self.height / 1e9:.1f} GB; JPEG, TIFF "
            f"and PNG are read in parts with {format_module_command('pyvips')}"
        )
        pixels = read_image(self.path)
        for top in range(0, self.height, BAND_ROWS):
            yield top, pixels[top : top + BAND_ROWS]

    def _iterate_vips_bands(self) -> Iterator[tuple[int, ImageArray]]:
        vips = _import_libvips()
        try:
            load = getattr(vips.Image, _LOADERS[self.image_format])
            image = _convert_to_rgb(load(str(self.path), access="sequential", fail_on="truncated"))
            # One region keeps the rows of a strip that two reads share; crops would not.
            region = vips.Region.new(image)
            # One buffer, and small reads: of large blocks that come and go between others the heap
            # would keep most.
            buffer = np.empty((BAND_ROWS, self.width, 3), dtype=np.uint8)
            for top in range(0, self.height, BAND_ROWS):
                rows = min(BAND_ROWS, self.height - top)
                for start in range(0, rows, _ROWS_PER_READ):
                    end = min(start + _ROWS_PER_READ, rows)
                    data = region.fetch(0, top + start, self.width, end - start)
                    buffer[start:end] = np.frombuffer(data, np.uint8).reshape(-1, self.width, 3)
                yield top, buffer[:rows]
        except vips.Error as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                str(self.path), f"cannot be decoded ({reason})", "download it again"
            ) from None

    def iterate_windows(self, windows_xywh: Ints) -> Iterator[tuple[int, ImageArray]]:
        """Yield the index and the pixels of each window, in one pass down the image.

        Args:
            windows_xywh: (n, 4) inside the image, px.
        """
        bottoms = windows_xywh[:, 1] + windows_xywh[:, 3]
        waiting = np.argsort(windows_xywh[:, 1], kind="stable").tolist()[::-1]
        active: dict[int, ImageArray] = {}
        for top, band in self.iterate_bands():
            end = top + len(band)
            while waiting and windows_xywh[waiting[-1], 1] < end:
                index = waiting.pop()
                _, _, w, h = windows_xywh[index].tolist()
                active[index] = np.empty((h, w, 3), dtype=np.uint8)
            for index, pixels in active.items():
                x, y, w, h = windows_xywh[index].tolist()
                first, last = max(y, top), min(y + h, end)
                pixels[first - y : last - y] = band[first - top : last - top, x : x + w]
            for index in [i for i in active if bottoms[i] <= end]:
                yield index, active.pop(index)
            if not waiting and not active:
                return

    def reduce(self, max_side: int = OVERVIEW_SIDE) -> tuple[ImageArray, int]:
        """Return the image reduced by averaging, and by which factor.

        Rows and columns at the right and lower border that fill no pixel of the result are left
        out. Pixel (x, y) of the result is the mean around (f · (x + .5) − .5, f · (y + .5) − .5).
        """
        factor = choose_factor(self.width, self.height, max_side)
        size_wh = (self.width // factor, self.height // factor)
        reduced = np.empty((size_wh[1], size_wh[0], 3), dtype=np.uint8)
        for top, band in self.iterate_bands():
            rows = len(band) // factor
            if rows:
                used = np.ascontiguousarray(band[: rows * factor, : size_wh[0] * factor])
                part = cv2.resize(used, (size_wh[0], rows), interpolation=cv2.INTER_AREA)
                reduced[top // factor : top // factor + rows] = part
        return reduced, factor


def choose_factor(width: int, height: int, max_side: int) -> int:
    """Return the power of two by which an image is reduced to at most `max_side`."""
    factor = 1
    while max(width, height) > max_side * factor and factor < min(width, height, BAND_ROWS):
        factor *= 2
    return factor


def open_image(path: Path) -> ImageArray | LargeImage:
    """Read an image, or open it for reading in parts if `--max-pixels` alone allows its size.

    Raises: as `read_image`.
    """
    if get_max_pixels() <= MAX_IMAGE_PIXELS:
        return read_image(path)
    header = read_image_header(path)
    if header.width * header.height <= MAX_IMAGE_PIXELS:
        return read_image(path)
    with path.open("rb") as file:
        image_format = detect_format(file.read(START_BYTES), path)
    return LargeImage(path, image_format, header.width, header.height)


def _has_libvips() -> bool:
    if find_spec("pyvips") is None:
        return False
    try:
        _import_libvips()
    except (ImportError, OSError):  # the Python part without the library
        return False
    return True


def _import_libvips() -> Any:
    os.environ.setdefault("VIPS_CONCURRENCY", "1")  # each thread holds rows of its own
    import pyvips

    pyvips.cache_set_max(0)
    return pyvips


def _convert_to_rgb(image: Any) -> Any:
    """Return three bands of 8 bits, without alpha."""
    if image.hasalpha():
        image = image.extract_band(0, n=image.bands - 1)
    if image.interpretation != "srgb" or image.format != "uchar":
        image = image.colourspace("srgb")
    return image.extract_band(0, n=3) if image.bands > 3 else image
