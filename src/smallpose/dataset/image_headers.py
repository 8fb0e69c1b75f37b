"""Read the format, size and orientation of image files, and detect truncated files.

Files of other formats than those in `IMAGE_FORMATS` are never opened, whatever their names say,
and pixels are decoded only where the end of a file looks damaged.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING
from zlib import crc32

from smallpose.core.errors import InputError, SmallposeError
from smallpose.dataset.pillow_images import (
    ImageHeader,
    describe_image,
    load_pixels,
    open_pillow_image,
    refuse_pixel_type,
)
from smallpose.system.image_formats import START_BYTES, detect_format
from smallpose.system.image_limits import check_image_pixels
from smallpose.system.packages import require_packages
from smallpose.system.progress import show_progress

if TYPE_CHECKING:
    from PIL import Image

_TIFF_OFFSETS_AND_SIZES = ((273, 279), (324, 325))  # of strips, and of tiles
_TIFF_COMPRESSION = 259
_JPEG_IN_TIFF = 7
_TIFF_JPEG_TABLES = 347
_PNG_SIGNATURE_BYTES = 8
_TAIL_BYTES = 512  # a complete JPEG ends within these, unless other data follow it
_FILES_PER_TASK = 256


def read_header(path: Path | str) -> ImageHeader:
    """Read the header of an image file and check that the file is complete.

    Raises: InputError when the file is no image or is truncated; RefusedError when its format is
        not one of `IMAGE_FORMATS`, or its header declares too many pixels.
    """
    require_packages("reading images", "PIL")
    from PIL import UnidentifiedImageError

    image_format = ""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 (a hundred thousand of them)
            image_format = detect_format(file.read(START_BYTES), path)
            file.seek(0)
            with open_pillow_image(file, image_format) as image:
                header = describe_image(image)
                check_image_pixels(str(path), header.width, header.height)
                refuse_pixel_type(image, str(path))
                if not _has_end_marker(file, image, image_format):
                    file.seek(0)
                    load_pixels(image)
    except FileNotFoundError:
        raise InputError(str(path), "no such image", "check the path") from None
    except PermissionError:
        raise InputError(str(path), "permission denied", "allow reading it") from None
    except UnidentifiedImageError:
        raise InputError(
            str(path), f"broken {image_format} header", "download the image again"
        ) from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise InputError(
            str(path), f"truncated or damaged ({error})", "download the image again"
        ) from None
    return header


def read_headers(paths: Sequence[str | Path], workers: int) -> list[ImageHeader | SmallposeError]:
    """Read the header of each image in threads; return the error where one cannot be read."""
    require_packages("reading images", "PIL")
    starts = range(0, len(paths), _FILES_PER_TASK)
    parts = [paths[start : start + _FILES_PER_TASK] for start in starts]
    with ThreadPoolExecutor(workers) as pool:
        results = pool.map(lambda part: [_try_read_header(path) for path in part], parts)
        shown = show_progress(results, "image headers", total=len(parts))
        return [header for part in shown for header in part]


def _try_read_header(path: str | Path) -> ImageHeader | SmallposeError:
    try:
        return read_header(path)
    except SmallposeError as error:
        return error


def _has_end_marker(file: IO[bytes], image: "Image.Image", image_format: str) -> bool:
    """Return whether the file ends as its format requires; reads only its last bytes."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - _TAIL_BYTES, 0))
    tail = file.read()
    if image_format == "JPEG":
        return b"\xff\xd9" in tail
    if image_format == "PNG":
        return _is_png_complete(file, size)
    if image_format == "GIF":
        return tail.rstrip(b"\0").endswith(b";")
    if image_format == "TIFF":
        return _is_tiff_complete(image, size)
    file.seek(0)
    start = file.read(8)
    if image_format == "WEBP":
        return int.from_bytes(start[4:8], "little") + 8 <= size
    return int.from_bytes(start[2:6], "little") <= size


def _is_tiff_complete(image: "Image.Image", num_bytes: int) -> bool:
    """Return whether all strips or tiles of the first page end within the file."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    if tags.get(_TIFF_COMPRESSION) == _JPEG_IN_TIFF and _TIFF_JPEG_TABLES not in tags:
        return False  # it may be sound: decoding tells
    for offsets_tag, sizes_tag in _TIFF_OFFSETS_AND_SIZES:
        offsets, sizes = tags.get(offsets_tag, ()), tags.get(sizes_tag, ())
        if offsets and len(offsets) == len(sizes):
            ends = (start + size for start, size in zip(offsets, sizes, strict=True))
            return bool(max(ends) <= num_bytes)
    return False


def _is_png_complete(file: IO[bytes], num_bytes: int) -> bool:
    """Return whether every chunk up to the last one exists and has the right checksum.

    Reads the entire file, because nothing else detects damage in its middle. The images of the
    published sources are JPEG.

    Raises: ValueError where a chunk that the pixels depend on is damaged.
    """
    file.seek(_PNG_SIGNATURE_BYTES)
    while len(head := file.read(8)) == 8:
        size, name = int.from_bytes(head[:4], "big"), head[4:]
        if size + 4 > num_bytes - file.tell():
            return False
        data, checksum = file.read(size), file.read(4)
        # Names of chunks that a reader may skip begin with a small letter.
        if name[:1].isupper() and crc32(data, crc32(name)) != int.from_bytes(checksum, "big"):
            raise ValueError(f"its {name.decode('latin-1')} chunk is damaged")
        if name == b"IEND":
            return True
    return False
