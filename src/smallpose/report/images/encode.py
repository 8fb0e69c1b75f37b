"""Pictures in and out: a reader for sheets that remembers the last ones, and encoded files."""

import io
from functools import lru_cache
from pathlib import Path
from typing import Literal

from PIL import Image

from smallpose.core.errors import InputError
from smallpose.dataloading.images import read_image
from smallpose.dataset.image_folder import open_image_folder
from smallpose.report.images.contact_sheet import ImageReader
from smallpose.report.images.pose_drawing import RgbImage


def open_image_reader(folder: Path) -> ImageReader:
    """A reader of the pictures in that folder, by file name.

    Where the folder is `images` of a set that `build` made, its links to the sources are followed.

    Raises: InputError when there is no such folder.
    """
    if not folder.is_dir():
        raise InputError(str(folder), "no such folder", "name the folder of the pictures")
    pictures = open_image_folder(folder)

    # One picture often shows several people of a sheet; a dozen of them fit in any memory.
    @lru_cache(maxsize=12)
    def read(file_name: str) -> RgbImage:
        return read_image(pictures.resolve_path(file_name))

    return read


def encode_image(picture: RgbImage, kind: Literal["png", "webp"], quality: int = 84) -> bytes:
    """RGB as bytes of a PNG or WebP file."""
    out = io.BytesIO()
    # Pillow's second method takes half the time of OpenCV's only one, for 3 % more bytes.
    options = {"quality": quality, "method": 2} if kind == "webp" else {"compress_level": 6}
    Image.fromarray(picture).save(out, kind, **options)
    return out.getvalue()
