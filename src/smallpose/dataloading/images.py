"""Read images that other people made, as RGB arrays; nothing in a file is trusted unchecked.

Only the formats in `IMAGE_FORMATS` are opened, recognised by their first bytes whatever the name
says; of several frames or pages, the first is read. The size in the header is checked before
pixels are decoded, and a truncated file is refused: a decoder would fill the missing half with
grey. The pixel grid is the stored one: an EXIF orientation is ignored, because the x and y of the
annotations refer to the stored grid too.
"""

import io
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError, RefusedError
from smallpose.dataset import image_folder
from smallpose.dataset.image_headers import read_header
from smallpose.dataset.pillow_images import (
    ImageHeader,
    decode_with_pillow,
    describe_image,
    open_pillow_image,
    read_orientation,
    refuse_pixel_type,
)
from smallpose.system.files import resolve_inside
from smallpose.system.image_formats import START_BYTES, detect_format
from smallpose.system.image_limits import check_image_pixels, get_max_bytes
from smallpose.system.link_roots import list_link_roots

ImageArray = NDArray[np.uint8]

NO_SUCH_IMAGE = "no such image"  # what an error says of a missing file
# Of JPEG, PNG and WebP, in this order; searching is faster than opening each image.
_EXIF_MARKERS = re.compile(rb"Exif\0|eXIf|EXIF")


class SizedImage(Protocol):
    """An image, or what stands for one that is too large to be held."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Return (h, w, 3)."""
        ...


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
            f"{num_unreadable:,} of {format_count(num_images, 'image')} cannot be read, more than "
            f"{max_unreadable:.1%}{details}",
            "repair or remove them, or allow more with --max-unreadable",
        )


def refuse_too_many_unreadable(
    error: InputError | RefusedError, num_unreadable: int, num_images: int, max_unreadable: float
) -> None:
    """Raise an error of the class of `error` when too large a share of images cannot be read.

    What is refused for safety keeps its exit code so, and its remedy.

    Args:
        error: of one of the images.
        max_unreadable: the share that may be unreadable.
    """
    if num_unreadable <= max_unreadable * num_images:
        return
    is_refused = isinstance(error, RefusedError)
    remedy = error.remedy if is_refused else "repair or remove them"
    raise type(error)(
        error.where,
        f"{error.what}: {num_unreadable:,} of {format_count(num_images, 'image')} cannot be read, "
        f"more than {max_unreadable:.1%}",
        f"{remedy}, or allow more with --max-unreadable",
    ) from None


def check_image_size(image: SizedImage, expected_wh: tuple[int, int], where: str) -> None:
    """Raise InputError when the image does not have the annotated (width, height); 0 is unknown."""
    height, width = image.shape[:2]
    if expected_wh != (width, height) and 0 not in expected_wh:
        remedy = "use the image that was annotated"
        if expected_wh == (height, width):
            remedy += "; if EXIF turns it for viewers, add --exif apply to build or predict"
        raise InputError(
            where,
            f"the image is {width} × {height}, the annotations say "
            f"{expected_wh[0]} × {expected_wh[1]}",
            remedy,
        )


def read_image(path: Path) -> ImageArray:
    """Read an image file as (h, w, 3) uint8 RGB on the stored pixel grid.

    Raises: InputError when the file is missing, no image, or truncated; RefusedError when its
        format is not one of `IMAGE_FORMATS` or its header declares too many pixels.
    """
    return decode_image(_read_file(path), str(path))


def decode_image(data: bytes, where: str) -> ImageArray:
    """Decode the bytes of an image file, as `read_image`; `where` names them in messages."""
    kind, (width, height) = _read_header(data, where)
    if kind in ("GIF", "TIFF"):
        # OpenCV would turn a TIFF, and write its decoder's remarks to stderr.
        return decode_with_pillow(data, where)
    if kind == "JPEG" and not _has_end_marker(data):
        return decode_with_pillow(data, where)
    if kind == "JPEG" and _count_channels(data) == 4:
        # OpenCV and Pillow convert CMYK differently; viewers show what Pillow returns.
        return decode_with_pillow(data, where)
    try:
        rgb = _decode_with_opencv(np.frombuffer(data, np.uint8))
    except cv2.error:
        rgb = None
    if rgb is None or rgb.shape[:2] != (height, width):
        return decode_with_pillow(data, where)
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
    return read_image_header(path).stored_wh


def read_image_header(path: Path) -> ImageHeader:
    """Read the header of an image and check that the file is complete; raises as `read_image`."""
    if path.is_file() and path.stat().st_size > get_max_bytes():
        raise _make_large_file_error(path)
    return read_header(path)


def has_exif_orientation(data: bytes) -> bool:
    """Return whether an EXIF orientation asks viewers to rotate or mirror the stored grid."""
    is_tiff = data[:2] in (b"II", b"MM")
    if not is_tiff and _EXIF_MARKERS.search(data) is None:
        return False
    try:
        kind = detect_format(data[:START_BYTES], "")
        with open_pillow_image(io.BytesIO(data), kind) as image:
            return read_orientation(image) != 1
    except (OSError, ValueError, SyntaxError, InputError, RefusedError):
        return False


def use_one_opencv_thread() -> None:
    """Limit OpenCV to one thread: our workers are processes, and its threads would compete."""
    cv2.setNumThreads(0)


def _read_file(path: Path) -> bytes:
    try:
        if path.stat().st_size > get_max_bytes():
            raise _make_large_file_error(path)
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(str(path), NO_SUCH_IMAGE, "check --images") from None
    except OSError as error:
        raise InputError(
            str(path), f"cannot be read ({error.strerror})", "check the file and its permissions"
        ) from None


def _make_large_file_error(path: Path) -> RefusedError:
    return RefusedError(
        str(path),
        f"larger than {get_max_bytes() >> 20} MiB",
        "store the image in a smaller file, or raise --max-pixels, which allows four bytes each",
    )


def _read_header(data: bytes, where: str) -> tuple[str, tuple[int, int]]:
    """Return the format and the (width, height) of an image file, and refuse unsafe ones."""
    kind = detect_format(data[:START_BYTES], where)
    try:
        with open_pillow_image(io.BytesIO(data), kind) as image:
            header = describe_image(image)
            refuse_pixel_type(image, where)
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(where, f"broken {kind} header ({error})", "download it again") from None
    check_image_pixels(where, header.width, header.height)
    return kind, header.stored_wh


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
