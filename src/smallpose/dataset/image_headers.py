"""Read the format, size and orientation of image files, and detect truncated files.

Files of other formats than the four in `FORMAT_SIGNATURES` are never opened, whatever their
names say, and pixels are decoded only where the end of a file looks damaged.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple
from zlib import crc32

from smallpose.core.errors import InputError, RefusedError, SmallposeError
from smallpose.system.image_limits import (
    MAX_IMAGE_PIXELS,
    check_image_pixels,
    make_too_large_error,
)
from smallpose.system.packages import require_packages
from smallpose.system.progress import show_progress

if TYPE_CHECKING:
    from PIL import Image

FORMAT_SIGNATURES = {
    "JPEG": b"\xff\xd8\xff",
    "PNG": b"\x89PNG\r\n\x1a\n",
    "WEBP": b"RIFF",
    "BMP": b"BM",
}
# Formats that are refused, so that the message can name them.
_OTHER_SIGNATURES = {
    "GIF": b"GIF8",
    "FITS": b"SIMPLE",
    "EPS": b"%!PS",
    "PDF": b"%PDF",
    "GD": b"\xff\xfe",
    "GD2": b"gd2\x00",
    "PSD": b"8BPS",
    "TIFF": b"II*\x00",
    "TIFF (big-endian)": b"MM\x00*",
    "AVIF or HEIC": b"\x00\x00\x00",
}
_EXIF_ORIENTATION = 0x0112
_TAIL_BYTES = 512  # a complete JPEG ends within these, unless other data follow it
_FILES_PER_TASK = 256


class ImageHeader(NamedTuple):
    """What is known about an image without decoding it.

    Args:
        width, height: px of the stored grid.
        orientation: 1, or the EXIF orientation (2 to 8) by which viewers turn or mirror that grid.
    """

    width: int
    height: int
    orientation: int = 1

    @property
    def stored_wh(self) -> tuple[int, int]:
        """Return (width, height) of the stored grid, which decoders return."""
        return self.width, self.height

    @property
    def shown_wh(self) -> tuple[int, int]:
        """Return (width, height) of the image as viewers show it."""
        return self.stored_wh if self.orientation < 5 else (self.height, self.width)


def read_header(path: Path | str) -> ImageHeader:
    """Read the header of an image file and check that the file is complete.

    Raises: InputError when the file is no image or is truncated; RefusedError when its format is
        not one of the four, or its header declares more than `MAX_IMAGE_PIXELS`.
    """
    require_packages("reading images", "PIL")
    from PIL import Image, UnidentifiedImageError

    try:
        with open(path, "rb") as file:  # noqa: PTH123 (a hundred thousand of them)
            image_format = detect_format(file.read(64), path)
            file.seek(0)
            with Image.open(file, formats=(image_format,)) as image:
                header = ImageHeader(*image.size, read_orientation(image))
                check_image_pixels(str(path), header.width, header.height)
                if not _has_end_marker(file, image_format):
                    file.seek(0)
                    image.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        # Pillow's own limits are slightly above ours, and it checks first.
        raise make_too_large_error(str(path), f"more than {MAX_IMAGE_PIXELS:,}") from None
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


def detect_format(start: bytes, path: Path | str) -> str:
    """Return the format that the first bytes of a file indicate."""
    for name, signature in FORMAT_SIGNATURES.items():
        if start.startswith(signature) and (name != "WEBP" or start[8:12] == b"WEBP"):
            return name
    for name, signature in _OTHER_SIGNATURES.items():
        if start.startswith(signature):
            raise RefusedError(
                str(path),
                f"images of format {name} are not opened",
                f"convert it to {', '.join(FORMAT_SIGNATURES)}",
            )
    shown = ascii(start[:24].decode("latin-1"))
    what = f"it starts with {shown}" if start else "the file is empty"
    raise InputError(str(path), f"not an image ({what})", "download the image again")


def read_orientation(image: "Image.Image") -> int:
    """Return the EXIF orientation of an open image, 1 to 8; 1 where there is none or no sound one.

    Only EXIF counts, as in browsers, and not the orientation that XMP may repeat.
    """
    from PIL import Image

    if not image.info.get("exif"):
        return 1
    exif = Image.Exif()
    try:
        exif.load(image.info["exif"])
        orientation = exif.get(_EXIF_ORIENTATION, 1)
    except Exception:  # a damaged EXIF block does not make the image unreadable
        return 1
    return orientation if orientation in range(2, 9) else 1


def _has_end_marker(file: IO[bytes], image_format: str) -> bool:
    """Return whether the file ends as its format requires; reads only its last bytes."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - _TAIL_BYTES, 0))
    tail = file.read()
    if image_format == "JPEG":
        return b"\xff\xd9" in tail
    if image_format == "PNG":
        return _is_png_complete(file, size)
    file.seek(0)
    start = file.read(8)
    if image_format == "WEBP":
        return int.from_bytes(start[4:8], "little") + 8 <= size
    return int.from_bytes(start[2:6], "little") <= size


def _is_png_complete(file: IO[bytes], num_bytes: int) -> bool:
    """Return whether every chunk up to the last one exists and has the right checksum.

    Reads the entire file, because nothing else detects damage in its middle. The images of the
    published sources are JPEG.

    Raises: ValueError where a chunk that the pixels depend on is damaged.
    """
    file.seek(len(FORMAT_SIGNATURES["PNG"]))
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
