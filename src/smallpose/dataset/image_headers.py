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
from smallpose.system.progress import track

# The beginnings of what is opened, then of what people find under a wrong name.
FORMATS = {"JPEG": b"\xff\xd8\xff", "PNG": b"\x89PNG\r\n\x1a\n", "WEBP": b"RIFF", "BMP": b"BM"}
_OTHERS = {
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
_TAIL = 512  # bytes in which a whole JPEG ends, but for junk behind it


class Header(NamedTuple):
    """What is known of a picture without decoding it.

    Args:
        width, height: px of the stored grid, in which labels live.
        turned: whether an EXIF orientation asks viewers to turn or mirror that grid.
    """

    width: int
    height: int
    turned: bool


def read_header(path: Path | str) -> Header:
    """The header of a picture that is whole.

    Raises: InputError when the file is no picture or is cut off; RefusedError when its format is
        not one of the four, or its header promises more than `MOST_PIXELS`.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with open(path, "rb") as file:  # noqa: PTH123 (a hundred thousand of them)
            kind = _kind(file.read(64), path)
            file.seek(0)
            with Image.open(file, formats=(kind,)) as picture:
                header = Header(*picture.size, _turned(picture))
                _refuse_bomb(header, path)
                if not _ends(file, kind):
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


def read_headers(paths: Sequence[str | Path], jobs: int) -> list[Header | SmallposeError]:
    """Of each picture its header, or what is wrong with it; in threads."""
    parts = [paths[i : i + 256] for i in range(0, len(paths), 256)]
    with ThreadPoolExecutor(jobs) as pool:
        done = pool.map(lambda part: [_header_or_error(p) for p in part], parts)
        return [one for part in track(done, "picture headers", total=len(parts)) for one in part]


def _header_or_error(path: str | Path) -> Header | SmallposeError:
    try:
        return read_header(path)
    except SmallposeError as error:
        return error


def _kind(start: bytes, path: Path | str) -> str:
    for kind, magic in FORMATS.items():
        if start.startswith(magic) and (kind != "WEBP" or start[8:12] == b"WEBP"):
            return kind
    mend = f"formats are {', '.join(FORMATS)}"
    for kind, magic in _OTHERS.items():
        if start.startswith(magic):
            raise RefusedError(str(path), f"format {kind} not allowed", mend)
    shown = ascii(start[:24].decode("latin-1"))
    what = f"starts with {shown}" if start else "it is empty"
    raise InputError(str(path), f"not an image ({what})", "fetch it again")


def _turned(picture: object) -> bool:
    if "exif" not in picture.info:  # type: ignore[attr-defined]
        return False
    try:
        return picture.getexif().get(0x0112, 1) not in (0, 1)  # type: ignore[attr-defined]
    except Exception:  # a broken EXIF block says nothing about the picture
        return False


def _refuse_bomb(header: Header, path: Path | str) -> None:
    if header.width * header.height > MOST_PIXELS:
        raise RefusedError(
            str(path),
            f"its header promises {header.width:,} × {header.height:,} pixels",
            _SMALLER,
        )


def _ends(file: IO[bytes], kind: str) -> bool:
    """Whether the file ends as its format does; only a look at the last bytes."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - _TAIL, 0))
    tail = file.read()
    if kind == "JPEG":
        return b"\xff\xd9" in tail
    if kind == "PNG":
        return _png_is_whole(file, size)
    file.seek(0)
    start = file.read(8)
    if kind == "WEBP":
        return int.from_bytes(start[4:8], "little") + 8 <= size
    return int.from_bytes(start[2:6], "little") <= size


def _png_is_whole(file: IO[bytes], bytes_there: int) -> bool:
    """Whether every chunk up to the last one is there, as its checksum says it was written.

    Reads the whole file, which alone shows damage in its middle; the sources' pictures are JPEG.

    Raises: ValueError where a chunk that the picture is made of has changed.
    """
    file.seek(len(FORMATS["PNG"]))
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
