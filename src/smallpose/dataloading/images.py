"""Read images that other people made, as RGB arrays; nothing in a file is trusted unchecked.

Only JPEG, PNG, WebP and BMP are opened, recognised by their first bytes whatever the name says.
The size in the header is checked before pixels are decoded, and a truncated file is refused: a
decoder would fill the missing half with grey. The pixel grid is the stored one: an EXIF
orientation is ignored, because the x and y of the annotations refer to the stored grid too.
"""

import io
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from smallpose.core.errors import InputError, RefusedError
from smallpose.dataset import image_folder
from smallpose.dataset.image_headers import read_orientation
from smallpose.system.files import resolve_inside
from smallpose.system.image_limits import (
    MAX_IMAGE_PIXELS,
    check_image_pixels,
    make_too_large_error,
)
from smallpose.system.link_roots import list_link_roots

ImageArray = NDArray[np.uint8]

MAX_BYTES = 256 * 2**20
# Of JPEG, PNG and WebP, in this order; searching is faster than opening each image.
_EXIF_MARKERS = re.compile(rb"Exif\0|eXIf|EXIF")
_MAX_SHOWN_BYTES = 512  # an error message quotes the beginning of this many bytes


@dataclass(frozen=True)
class ImageReader:
    """Reads the images of a data set by their file names.

    Args:
        root: the folder that file names are relative to.
        link_roots: folders that links inside `root` may lead to (default: what the user allowed).
    """

    root: Path
    link_roots: tuple[Path, ...] = field(default_factory=list_link_roots)

    def read(self, name: str) -> ImageArray:
        """Read an image; raises as `read_image`, and RefusedError for a path that leaves `root`."""
        return decode_image(*self.read_bytes(name))

    def read_bytes(self, name: str) -> tuple[bytes, str]:
        """Return the content of an image file, and its path for messages; raises as `read`."""
        path = self.resolve(name)
        return _read_file(path), str(path)

    def resolve(self, name: str) -> Path:
        """Return the path of an image; raises RefusedError for a path that leaves `root`."""
        return resolve_inside(self.root, name, self.link_roots)


def open_set_images(data: Path) -> ImageReader:
    """Return a reader for `data/images` of a built set; links may lead where the user allowed it.

    Raises: InputError when the folder is not what `smallpose build` writes.
    """
    root = data / "images"
    if not root.is_dir():
        raise InputError(str(root), "no such folder", "build the set with --images link or copy")
    return ImageReader(root, image_folder.open_image_folder(root).roots)


def refuse_unreadable(
    where: str, num_unreadable: int, num_images: int, max_unreadable: float, details: str = ""
) -> None:
    """Raise InputError when too large a share of the images cannot be read.

    Args:
        max_unreadable: the share that may be unreadable.
        details: appended to the message, such as why the last image could not be read.
    """
    if num_unreadable > max_unreadable * num_images:
        raise InputError(
            where,
            f"{num_unreadable:,} of {num_images:,} images cannot be read, "
            f"more than {max_unreadable:.1%}{details}",
            "repair or remove them, or allow more with --max-unreadable",
        )


def check_image_size(image: ImageArray, expected_wh: tuple[int, int], where: str) -> None:
    """Raise InputError when the image does not have the annotated (width, height); 0 is unknown."""
    height, width = image.shape[:2]
    if expected_wh != (width, height) and 0 not in expected_wh:
        remedy = "use the image that was annotated"
        if expected_wh == (height, width):
            remedy += "; if EXIF turns it for viewers, build the set with --exif apply"
        raise InputError(
            where,
            f"the image is {width} × {height}, the annotations say "
            f"{expected_wh[0]} × {expected_wh[1]}",
            remedy,
        )


def read_image(path: Path) -> ImageArray:
    """Read an image file as (h, w, 3) uint8 RGB on the stored pixel grid.

    Raises: InputError when the file is missing, no image, or truncated; RefusedError when its
        format is not one of the four or its header declares more than `MAX_IMAGE_PIXELS`.
    """
    return decode_image(_read_file(path), str(path))


def decode_image(data: bytes, where: str) -> ImageArray:
    """Decode the bytes of an image file, as `read_image`; `where` names them in messages."""
    kind, (width, height) = _read_header(data, where)
    if kind == "JPEG" and not _has_end_marker(data):
        return _decode_with_pillow(data, where)
    if kind == "JPEG" and _count_channels(data) == 4:
        # OpenCV and Pillow convert CMYK differently; viewers show what Pillow returns.
        return _decode_with_pillow(data, where)
    try:
        rgb = _decode_with_opencv(np.frombuffer(data, np.uint8))
    except cv2.error:
        rgb = None
    if rgb is None or rgb.shape[:2] != (height, width):
        return _decode_with_pillow(data, where)
    return rgb


def _decode_with_opencv(data: NDArray[np.uint8]) -> ImageArray | None:
    """Decode with OpenCV; newer versions write RGB directly, which saves a tenth of the time."""
    writes_rgb = hasattr(cv2, "IMREAD_COLOR_RGB")
    flags = cv2.IMREAD_COLOR_RGB if writes_rgb else cv2.IMREAD_COLOR
    image = cv2.imdecode(data, flags | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        return None
    rgb = image if writes_rgb else cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)
    return np.asarray(rgb, np.uint8)


def decode_jpeg(data: NDArray[np.uint8]) -> ImageArray | None:
    """Decode a JPEG that we wrote ourselves to (h, w, 3) uint8 RGB; None when it is broken."""
    try:
        return _decode_with_opencv(data)
    except cv2.error:
        return None


def read_image_size(path: Path) -> tuple[int, int]:
    """Read (width, height) of the stored grid from the header alone; raises as `read_image`."""
    return _read_header(_read_file(path), str(path))[1]


def has_exif_orientation(data: bytes) -> bool:
    """Return whether an EXIF orientation asks viewers to rotate or mirror the stored grid."""
    if _EXIF_MARKERS.search(data) is None:
        return False
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as image:
            return read_orientation(image) != 1
    except (OSError, ValueError, SyntaxError):
        return False


def use_one_opencv_thread() -> None:
    """Limit OpenCV to one thread: our workers are processes, and its threads would compete."""
    cv2.setNumThreads(0)


def _read_file(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise RefusedError(
                str(path),
                f"larger than {MAX_BYTES >> 20} MiB",
                "store the image in a smaller file",
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(str(path), "no such image", "check --images") from None
    except OSError as error:
        raise InputError(
            str(path), f"cannot be read ({error.strerror})", "check the file and its permissions"
        ) from None


def _detect_format(data: bytes) -> str | None:
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return "BMP" if data.startswith(b"BM") else None


_REFUSED_FORMATS = {
    b"SIMPLE": "FITS",
    b"gd2": "GD",
    b"%!PS": "EPS",
    b"GIF8": "GIF",
    b"%PDF": "PDF",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"\xff\xff": "GD",
    b"\xff\xfe": "GD",
}


def _read_header(data: bytes, where: str) -> tuple[str, tuple[int, int]]:
    """Return the format and the (width, height) of an image file, and refuse unsafe ones."""
    kind = _detect_format(data)
    if kind is None:
        other = next(
            (name for magic, name in _REFUSED_FORMATS.items() if data.startswith(magic)), None
        )
        if other is not None:
            raise RefusedError(where, f"format {other} not allowed", "convert it to JPEG or PNG")
        start = data[:_MAX_SHOWN_BYTES].decode("ascii", "replace").strip()[:12]
        what = f"not an image (starts with {start!r})" if data else "not an image (0 bytes)"
        raise InputError(where, what, "download it again")
    try:
        with warnings.catch_warnings():
            # Pillow only warns near our own limit, and our error names the file.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            # Opening reads the header only.
            with Image.open(io.BytesIO(data), formats=(kind,)) as image:
                width, height = image.size
    except Image.DecompressionBombError:
        raise make_too_large_error(where, f"more than {2 * MAX_IMAGE_PIXELS:,}") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(where, f"broken {kind} header ({error})", "download it again") from None
    check_image_pixels(where, width, height)
    return kind, (width, height)


def _has_end_marker(data: bytes) -> bool:
    """Return whether a JPEG's last scan is followed by its end marker.

    Inside a scan 0xFF is always followed by 0 or a restart number, so neither marker occurs there.
    """
    end = data.rfind(b"\xff\xd9")
    return end >= 0 and data.find(b"\xff\xda", end) < 0


def _count_channels(data: bytes) -> int:
    """Count the components in a JPEG's first frame header; 0 if it has none."""
    position = 2
    while position + 9 < len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return data[position + 9]
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return 0


def _decode_with_pillow(data: bytes, where: str) -> ImageArray:
    """Decode with Pillow, which refuses truncated files."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP", "BMP")) as image:
            return np.asarray(image.convert("RGB"), dtype=np.uint8)
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise InputError(where, f"cannot be decoded ({error})", "download it again") from None
