"""What a picture's first and last bytes say: format, size, orientation, and whether it is whole.

A format that is not on the list is never opened, whatever the file is called, and nothing is
decoded but a file whose end looks torn.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, NamedTuple
from zlib import crc32

from smallpose.core.errors import InputError, RefusedError, SmallposeError
from smallpose.system.progress import show_progress

# The beginnings of what is opened, then of what people find under a wrong name.
FORMAT_SIGNATURES = {
    "JPEG": b"\xff\xd8\xff",
    "PNG": b"\x89PNG\r\n\x1a\n",
    "WEBP": b"RIFF",
    "BMP": b"BM",
}
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
MOST_PIXELS = 89_000_000  # Pillow warns of decompression bombs from about here on
_SMALLER = f"at most {MOST_PIXELS:,} are decoded; store it smaller"
_TAIL_BYTES = 512  # bytes in which a whole JPEG ends, but for junk behind it


class ImageHeader(NamedTuple):
    """What is known of a picture without decoding it.

    Args:
        width, height: px of the stored grid, in which labels live.
        turned: whether an EXIF orientation asks viewers to turn or mirror that grid.
    """

    width: int
    height: int
    has_exif_orientation: bool


def read_header(path: Path | str) -> ImageHeader:
    """The header of a picture that is whole.

    Raises: InputError when the file is no picture or is cut off; RefusedError when its format is
        not one of the four, or its header promises more than `MOST_PIXELS`.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with open(path, "rb") as file:  # noqa: PTH123 (a hundred thousand of them)
            kind = _detect_format(file.read(64), path)
            file.seek(0)
            with Image.open(file, formats=(kind,)) as picture:
                header = ImageHeader(*picture.size, _has_exif_orientation(picture))
                _check_size(header, path)
                if not _has_end_marker(file, kind):
                    file.seek(0)
                    picture.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        # Pillow's own limits lie just above ours and speak first.
        raise RefusedError(str(path), f"a decompression bomb? {error}", _SMALLER) from None
    except FileNotFoundError:
        raise InputError(str(path), "no such picture", "check the path") from None
    except PermissionError:
        raise InputError(str(path), "permission denied", "allow reading it") from None
    except UnidentifiedImageError:
        raise InputError(str(path), f"broken {kind} header", "fetch it again") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise InputError(str(path), f"cut off or broken ({error})", "fetch it again") from None
    return header


def read_headers(paths: Sequence[str | Path], workers: int) -> list[ImageHeader | SmallposeError]:
    """Of each picture its header, or what is wrong with it; in threads."""
    parts = [paths[i : i + 256] for i in range(0, len(paths), 256)]
    with ThreadPoolExecutor(workers) as pool:
        done = pool.map(lambda part: [_try_read_header(p) for p in part], parts)
        return [
            one for part in show_progress(done, "picture headers", total=len(parts)) for one in part
        ]


def _try_read_header(path: str | Path) -> ImageHeader | SmallposeError:
    try:
        return read_header(path)
    except SmallposeError as error:
        return error


def _detect_format(start: bytes, path: Path | str) -> str:
    for kind, magic in FORMAT_SIGNATURES.items():
        if start.startswith(magic) and (kind != "WEBP" or start[8:12] == b"WEBP"):
            return kind
    mend = f"formats are {', '.join(FORMAT_SIGNATURES)}"
    for kind, magic in _OTHER_SIGNATURES.items():
        if start.startswith(magic):
            raise RefusedError(str(path), f"format {kind} not allowed", mend)
    shown = ascii(start[:24].decode("latin-1"))
    what = f"starts with {shown}" if start else "it is empty"
    raise InputError(str(path), f"not an image ({what})", "fetch it again")


def _has_exif_orientation(picture: object) -> bool:
    if "exif" not in picture.info:  # type: ignore[attr-defined]
        return False
    try:
        return picture.getexif().get(0x0112, 1) not in (0, 1)  # type: ignore[attr-defined]
    except Exception:  # a broken EXIF block says nothing about the picture
        return False


def _check_size(header: ImageHeader, path: Path | str) -> None:
    if header.width * header.height > MOST_PIXELS:
        raise RefusedError(
            str(path),
            f"its header promises {header.width:,} × {header.height:,} pixels",
            _SMALLER,
        )


def _has_end_marker(file: IO[bytes], kind: str) -> bool:
    """Whether the file ends as its format does; only a look at the last bytes."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - _TAIL_BYTES, 0))
    tail = file.read()
    if kind == "JPEG":
        return b"\xff\xd9" in tail
    if kind == "PNG":
        return _is_png_complete(file, size)
    file.seek(0)
    start = file.read(8)
    if kind == "WEBP":
        return int.from_bytes(start[4:8], "little") + 8 <= size
    return int.from_bytes(start[2:6], "little") <= size


def _is_png_complete(file: IO[bytes], bytes_there: int) -> bool:
    """Whether every chunk up to the last one is there, as its checksum says it was written.

    Reads the whole file, which alone shows damage in its middle; the sources' pictures are JPEG.

    Raises: ValueError where a chunk that the picture is made of has changed.
    """
    file.seek(len(FORMAT_SIGNATURES["PNG"]))
    while len(head := file.read(8)) == 8:
        size, name = int.from_bytes(head[:4], "big"), head[4:]
        if size + 4 > bytes_there - file.tell():
            return False
        data, said = file.read(size), file.read(4)
        # Names of chunks that a reader may skip begin with a small letter.
        if name[:1].isupper() and crc32(data, crc32(name)) != int.from_bytes(said, "big"):
            raise ValueError(f"its {name.decode('latin-1')} chunk has changed")
        if name == b"IEND":
            return True
    return False
