"""Pictures in and out: a reader for sheets that remembers the last ones, and encoded files."""

from functools import lru_cache
from pathlib import Path

import cv2

from smallpose.report.drawing import Picture
from smallpose.report.sheets import Reader
from smallpose.samples.images import Pictures, pictures_of


def pictures_at(folder: Path) -> Reader:
    """A reader of the pictures in that folder, by file name.

    Where the folder is `images` of a set that `build` made, its links to the sources are followed.
    """
    built = folder.name == "images" and (folder.parent / "manifest.json").is_file()
    pictures = pictures_of(folder.parent) if built else Pictures(folder)
    # One picture often shows several people of a sheet; a dozen of them fit in any memory.
    return lru_cache(maxsize=12)(pictures.read)


def picture_file(picture: Picture, kind: str, quality: int = 84) -> bytes:
    """RGB as bytes of a PNG or WebP file."""
    options = [cv2.IMWRITE_WEBP_QUALITY, quality] if kind == ".webp" else []
    encoded = cv2.imencode(kind, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)[1]
    return encoded.tobytes()
