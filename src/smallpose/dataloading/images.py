"""Pictures of other people's making, decoded to RGB with nothing believed that was not checked.

Only JPEG, PNG, WebP and BMP are opened, told apart by their first bytes whatever the name says.
The size in the header is read before a pixel is, and a cut-off file is refused rather than turned
half grey. The grid is the stored one: an EXIF orientation is ignored, because the labels' x and y
are those of the stored grid too.
"""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from smallpose.core.errors import InputError, RefusedError
from smallpose.dataset import image_folder
from smallpose.system.files import resolve_inside
from smallpose.system.image_limits import (
    MAX_IMAGE_PIXELS,
    check_image_pixels,
    make_too_large_error,
)

ImageArray = NDArray[np.uint8]

MAX_BYTES = 256 * 2**20
_MAX_SHOWN_BYTES = 512  # bytes shown to the reader of a message come from here


@dataclass(frozen=True)
class ImageFolder:
    """Where the pictures of a data set lie.

    Args:
        root: the folder that file names are relative to.
        also: folders that links inside `root` may lead to (the sources of a set we built).
    """

    root: Path
    also: tuple[Path, ...] = ()

    def read(self, name: str) -> ImageArray:
        """The picture of that file name; raises as `read_picture`, RefusedError for bad paths."""
        return read_image(resolve_inside(self.root, name, self.also))


def open_set_images(data: Path) -> ImageFolder:
    """The pictures of a built set: `data/images`, and where its manifest says links may lead.

    Raises: InputError when the folder or the manifest is not what a build leaves behind.
    """
    root = data / "images"
    if not root.is_dir():
        raise InputError(str(root), "no such folder", "build the set with --images link or copy")
    return ImageFolder(root, image_folder.open_image_folder(root).roots)


def refuse_unreadable(
    where: str, bad: int, pictures: int, max_unreadable: float, last: str = ""
) -> None:
    """Raises InputError when more than a share of the pictures cannot be read.

    Args:
        bad: how many cannot, of so many.
        max_unreadable: the share that may.
        last: why the last one could not.
    """
    if bad > max_unreadable * pictures:
        raise InputError(
            where,
            f"{bad:,} of {pictures:,} pictures cannot be read, more than {max_unreadable:.1%}{last}",
            "mend or remove them, or allow more with --max-unreadable",
        )


def check_image_size(picture: ImageArray, said: tuple[int, int], where: str) -> None:
    """Raises InputError when the picture is not of the (width, height) said of it; 0 is unsaid."""
    height, width = picture.shape[:2]
    if said != (width, height) and 0 not in said:
        raise InputError(
            where,
            f"the picture is {width} × {height}, the annotations say {said[0]} × {said[1]}",
            "use the picture that was annotated",
        )


def read_image(path: Path) -> ImageArray:
    """(h, w, 3) uint8 RGB of the stored grid.

    Raises: InputError when the file is missing, no picture, or cut off; RefusedError when its
        format is not one of the four or its header declares more than `MAX_IMAGE_PIXELS`.
    """
    return decode_image(_read_file(path), str(path))


def decode_image(data: bytes, where: str) -> ImageArray:
    """As `read_picture`, for bytes; `where` names them in messages."""
    kind, (width, height) = _read_header(data, where)
    if kind == "JPEG" and not _has_end_marker(data):
        return _decode_with_pillow(data, where)
    if kind == "JPEG" and _count_channels(data) == 4:
        # OpenCV's and Pillow's CMYK differ; Pillow's is what viewers show.
        return _decode_with_pillow(data, where)
    try:
        rgb = _decode_with_opencv(np.frombuffer(data, np.uint8))
    except cv2.error:
        rgb = None
    if rgb is None or rgb.shape[:2] != (height, width):
        return _decode_with_pillow(data, where)
    return rgb


def _decode_with_opencv(data: NDArray[np.uint8]) -> ImageArray | None:
    """As OpenCV reads it; newer ones write RGB at once, which saves a tenth of the time."""
    writes_rgb = hasattr(cv2, "IMREAD_COLOR_RGB")
    flags = cv2.IMREAD_COLOR_RGB if writes_rgb else cv2.IMREAD_COLOR
    picture = cv2.imdecode(data, flags | cv2.IMREAD_IGNORE_ORIENTATION)
    if picture is None:
        return None
    rgb = picture if writes_rgb else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB, dst=picture)
    return np.asarray(rgb, np.uint8)


def decode_jpeg(data: NDArray[np.uint8]) -> ImageArray | None:
    """(h, w, 3) uint8 RGB of a JPEG of our own making, unchecked; None when it is broken."""
    try:
        return _decode_with_opencv(data)
    except cv2.error:
        return None


def read_image_size(path: Path) -> tuple[int, int]:
    """(width, height) of the stored grid, from the header alone; raises as `read_picture`."""
    return _read_header(_read_file(path), str(path))[1]


def has_exif_orientation(data: bytes) -> bool:
    """Whether an EXIF orientation asks viewers to turn or mirror the stored grid."""
    if b"Exif" not in data[:65536]:
        return False
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as picture:
            return picture.getexif().get(0x0112, 1) not in (0, 1)
    except (OSError, ValueError, SyntaxError):
        return False


def use_one_opencv_thread() -> None:
    """Keep OpenCV to one thread: ours are spread over processes, and its pool would fight them."""
    cv2.setNumThreads(0)


def _read_file(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise RefusedError(
                str(path), f"larger than {MAX_BYTES >> 20} MiB", "store the picture smaller"
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(str(path), "no such picture", "check --images") from None
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})", "check it") from None


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
} | {
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"\xff\xff": "GD",
    b"\xff\xfe": "GD",
}


def _read_header(data: bytes, where: str) -> tuple[str, tuple[int, int]]:
    """Format and (width, height) of the bytes, checked against what we are willing to open."""
    kind = _detect_format(data)
    if kind is None:
        other = next(
            (name for magic, name in _REFUSED_FORMATS.items() if data.startswith(magic)), None
        )
        if other is not None:
            raise RefusedError(where, f"format {other} not allowed", "convert it to JPEG or PNG")
        start = data[:_MAX_SHOWN_BYTES].decode("ascii", "replace").strip()[:12]
        what = f"not an image (starts with {start!r})" if data else "not an image (0 bytes)"
        raise InputError(where, what, "fetch it again")
    try:
        with warnings.catch_warnings():
            # Pillow only warns from about where we refuse, and we name the file.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            # Opening reads the header only.
            with Image.open(io.BytesIO(data), formats=(kind,)) as picture:
                width, height = picture.size
    except Image.DecompressionBombError:
        raise make_too_large_error(where, f"more than {2 * MAX_IMAGE_PIXELS:,}") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(where, f"broken {kind} header ({error})", "fetch it again") from None
    check_image_pixels(where, width, height)
    return kind, (width, height)


def _has_end_marker(data: bytes) -> bool:
    """Whether a JPEG's last scan is followed by its end marker.

    Inside a scan 0xFF is always followed by 0 or a restart number, so neither marker occurs there.
    """
    end = data.rfind(b"\xff\xd9")
    return end >= 0 and data.find(b"\xff\xda", end) < 0


def _count_channels(data: bytes) -> int:
    """Components in a JPEG's first frame header; 0 where there is none."""
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return data[at + 9]
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return 0


def _decode_with_pillow(data: bytes, where: str) -> ImageArray:
    """Decode with Pillow, which refuses cut-off files."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP", "BMP")) as picture:
            return np.asarray(picture.convert("RGB"), dtype=np.uint8)
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise InputError(where, f"cannot be decoded ({error})", "fetch it again") from None
