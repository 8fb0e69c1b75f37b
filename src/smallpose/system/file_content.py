"""Recognise what a file is from its first bytes, to name it where text in JSON is due."""

import re

from smallpose.core.counts import format_count

# First bytes, what the file is, and what to do with it.
_SIGNATURES = (
    (b"PK\x03\x04", "a zip archive (or a file packed as one)", "unpack it"),
    (b"\x1f\x8b", "a gzip file inside another", "unpack it"),
    (b"BZh", "a bzip2 file", "unpack it"),
    (b"\xfd7zXZ\x00", "an xz file", "unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
    (b"Rar!", "a rar archive", "unpack it"),
    (b"(\xb5/\xfd", "a zstd file", "unpack it"),
    (b"\x89PNG", "a PNG image", "give the file of its labels or results"),
    (b"\xff\xd8\xff", "a JPEG image", "give the file of its labels or results"),
    (b"GIF8", "a GIF image", "give the file of its labels or results"),
    (b"BM", "a BMP image", "give the file of its labels or results"),
    (b"II*\x00", "a TIFF image", "give the file of its labels or results"),
    (b"MM\x00*", "a TIFF image", "give the file of its labels or results"),
    (b"\x1aE\xdf\xa3", "a video", "give the file of its labels or results"),
    (b"%PDF", "a PDF document", "give the JSON file"),
    (b"PAR1", "a Parquet file", "give the JSON file"),
    (b"\x93NUMPY", "a NumPy array", "write it as JSON"),
    (b"\x89HDF", "an HDF5 file", "write it as JSON"),
    (b"MATLAB 5.0", "a MATLAB file", "write it as JSON"),
    (b"SQLite format 3", "an SQLite database", "export it as JSON"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself", "run git lfs pull"),
    (b"\xff\xfe", "text in UTF-16", "save it as UTF-8"),
    (b"\xfe\xff", "text in UTF-16", "save it as UTF-8"),
)
_LATER_SIGNATURES = (
    (8, b"WEBP", "a WebP image", "give the file of its labels or results"),
    (8, b"AVI ", "a video", "give the file of its labels or results"),
    (4, b"ftyphei", "an HEIC image", "give the file of its labels or results"),
    (4, b"ftypmif1", "an HEIC image", "give the file of its labels or results"),
    (4, b"ftypavi", "an AVIF image", "give the file of its labels or results"),
    (4, b"ftyp", "a video", "give the file of its labels or results"),
    (257, b"ustar", "a tar archive", "unpack it"),
)
_HTML = re.compile(rb"<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_MAX_START = 4096


def describe_content(data: bytes) -> tuple[str, str] | None:
    """Return what a file is and the remedy; None where its bytes are not recognised.

    Args:
        data: its content, or at least its first 4,096 bytes.
    """
    start = data[:_MAX_START]
    if not start.strip() and len(data) <= _MAX_START:
        return "the file is empty", "download or write it again"
    for signature, what, remedy in _SIGNATURES:
        if start.startswith(signature):
            return what, remedy
    for offset, signature, what, remedy in _LATER_SIGNATURES:
        if start[offset:].startswith(signature):
            return what, remedy
    text = start.lstrip()
    if _HTML.match(text) or (text.startswith(b"<") and _HTML.search(text)):
        return "an HTML page", "download the file itself (log in first, or use its raw address)"
    if text.startswith(b"<"):
        return "XML", "export JSON instead"
    return None


def describe_json_value(value: object) -> str:
    """Return what a decoded JSON document is, such as "a number" or "an object with …"."""
    if isinstance(value, dict):
        keys = ", ".join(map(str, list(value)[:6])) + (", …" if len(value) > 6 else "")
        return f"an object with the keys {keys}" if value else "an empty object"
    if isinstance(value, list):
        return (
            f"a list of {format_count(len(value), 'entry', 'entries')}"
            if value
            else "an empty list"
        )
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return "a text" if isinstance(value, str) else "a number"
