"""The formats of images and videos: suffixes for folders, first bytes for files.

Folders are searched by the suffixes of this module alone. A file is opened by its first bytes,
whatever its name says, so that no decoder is run on what is no image.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from smallpose.core.errors import InputError, RefusedError

# Pillow's names of the formats that are read.
IMAGE_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
IMAGE_SUFFIXES = (
    ".bmp",
    ".gif",
    ".jfif",
    ".jpe",
    ".jpeg",
    ".jpg",
    ".mpo",
    ".png",
    ".tif",
    ".tiff",
    ".webp",
)
# Containers by the name of FFmpeg's reader, and what their files are usually called.
VIDEO_SUFFIXES = {
    ".mp4": "mov",
    ".m4v": "mov",
    ".mov": "mov",
    ".3gp": "mov",
    ".mkv": "matroska",
    ".webm": "matroska",
    ".avi": "avi",
    ".ts": "mpegts",
    ".mts": "mpegts",
    ".m2ts": "mpegts",
    ".mpg": "mpeg",
    ".mpeg": "mpeg",
    ".flv": "flv",
    ".wmv": "asf",
}
# Formats in which drawings are written, by suffix; videos by FFmpeg's name of the writer.
DRAWN_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
DRAWN_VIDEO_FORMATS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
}
_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"BM", "BMP"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),  # with offsets of 64 bits
    (b"MM\x00+", "TIFF"),
)
# Formats that are refused, so that the message can name them.
_OTHER_SIGNATURES = (
    (b"SIMPLE", "FITS"),
    (b"%!PS", "EPS"),
    (b"%PDF", "PDF"),
    (b"gd2\x00", "GD2"),
    (b"\xff\xff", "GD"),
    (b"\xff\xfe", "GD"),
    (b"8BPS", "PSD"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
)
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")
_STILL_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis")
_VIDEO_SIGNATURES = (
    (b"\x1aE\xdf\xa3", "matroska"),
    (b"FLV\x01", "flv"),
    (b"\x00\x00\x01\xba", "mpeg"),
    (b"0&\xb2u\x8ef\xcf\x11", "asf"),
)
START_BYTES = 512  # of a file, from which its format is told
_MAX_LISTED = 3


def detect_format(start: bytes, where: Path | str) -> str:
    """Return the format that the first `START_BYTES` of an image file indicate.

    Raises: InputError when they are of a video or of nothing known, RefusedError when they are of
        a format of images that is not read.
    """
    for signature, name in _SIGNATURES:
        if start.startswith(signature):
            return name
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    other = _detect_other_format(start)
    if other:
        raise RefusedError(
            str(where),
            f"images of format {other} are not opened",
            "convert it to JPEG, PNG or TIFF",
        )
    if detect_container(start):
        raise make_video_error(where)
    shown = ascii(start[:24].decode("latin-1"))
    what = f"it starts with {shown}" if start else "the file is empty"
    raise InputError(str(where), f"not an image ({what})", "download the image again")


def _detect_other_format(start: bytes) -> str:
    if start[4:8] == b"ftyp" and start[8:12] in _STILL_BRANDS:
        return "AVIF or HEIC"
    return next((name for signature, name in _OTHER_SIGNATURES if start.startswith(signature)), "")


def detect_container(start: bytes) -> str:
    """Return FFmpeg's name of a video's container by its first bytes; "" where it is none.

    Only files with these bytes are given to FFmpeg, and only to the reader of that name: a
    playlist that is called .mp4 would make it open any file or address that it lists.
    """
    if start[4:8] in _MP4_BOXES and not _detect_other_format(start):
        return "mov"
    if start[:4] == b"RIFF" and start[8:12] == b"AVI ":
        return "avi"
    for first in (0, 4):  # packets of cameras begin with four bytes of time
        if len(start) > first + 188 and start[first] == 0x47 and _is_transport(start, first):
            return "mpegts"
    return next((name for signature, name in _VIDEO_SIGNATURES if start.startswith(signature)), "")


def _is_transport(start: bytes, first: int) -> bool:
    """Return whether each packet of an MPEG transport stream begins with its mark."""
    packet = 188 + first
    return all(byte == 0x47 for byte in start[first::packet])


def is_video_name(path: Path | str) -> bool:
    """Return whether a file is called as videos are."""
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def is_image_name(path: Path | str) -> bool:
    """Return whether a file is called as images are."""
    return Path(path).suffix.lower() in IMAGE_SUFFIXES


def make_video_error(where: Path | str) -> InputError:
    """Return the error for a video where an image is due."""
    stem = Path(where).stem
    return InputError(
        str(where),
        "is a video, and an image is due",
        f"'smallpose predict' reads videos; for others extract its frames: mkdir {stem}; "
        f"ffmpeg -i {Path(where).name} -start_number 0 {stem}/%06d.jpg",
    )


def describe_left_out(files: Iterable[Path]) -> str:
    """Return how many files of which kinds are no images, for a message; "" for none.

    Hidden files, and those that systems keep in folders of images, are not counted.
    """
    names = [f.name for f in files if not f.name.startswith(".")]
    names = sorted(name for name in names if name.lower() not in ("thumbs.db", "desktop.ini"))
    if not names:
        return ""
    counts = Counter(Path(name).suffix.lower() or "no suffix" for name in names)
    kinds = ", ".join(f"{suffix} ({count:,})" for suffix, count in sorted(counts.items()))
    shown = ", ".join(names[:_MAX_LISTED]) + (", …" if len(names) > _MAX_LISTED else "")
    noun = "file is" if len(names) == 1 else "files are"
    return f"{len(names):,} {noun} left out, by the name no image or video: {kinds}: {shown}"
