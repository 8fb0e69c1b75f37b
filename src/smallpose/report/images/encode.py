"""Read images for contact sheets and encode images as files."""

import io
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Literal

from PIL import Image

from smallpose.core.errors import InputError
from smallpose.core.instances import Images
from smallpose.dataloading.images import ImageArray
from smallpose.dataloading.shown_images import LabelledImages
from smallpose.dataset.image_folder import open_image_folder
from smallpose.report.images.contact_sheet import ReadImage


def open_image_reader(
    folder: Path, labelled: Iterable[Images] = (), files: Mapping[str, str] | None = None
) -> ReadImage:
    """Return a function that reads images of that folder by file name.

    If the folder is `images` of a set that `build` made, its links to the sources are followed.

    Args:
        labelled: the images of the labels. Those whose size says that the labels refer to the image
            as EXIF turns it are returned so.
        files: the file of a name of the labels, where it is another.
    Raises: InputError when there is no such folder.
    """
    if not folder.is_dir():
        raise InputError(str(folder), "no such folder", "pass the folder of the images")
    images = open_image_folder(folder)
    sizes_wh = {
        name: size
        for table in labelled
        for name, *size in zip(
            table.file_names, table.width.tolist(), table.height.tolist(), strict=True
        )
    }
    files = files or {}
    reader = LabelledImages()

    # Several people of a sheet are often in one image; a dozen images fit in any memory.
    @lru_cache(maxsize=12)
    def read(file_name: str) -> ImageArray:
        width, height = sizes_wh.get(file_name, (0, 0))
        return reader.read(images.resolve_path(files.get(file_name, file_name)), (width, height))

    return read


def match_image_names(folder: Path, wanted: Iterable[str], names: Sequence[str]) -> dict[str, str]:
    """Return the file in the folder for each name that has none, found by the last part of both.

    Labels may call an image `clip/000001.jpg` where the folder is `clip`, or `000001.jpg` where it
    has `clip`. Names and files whose last part is not the only one of its kind are left out.

    Args:
        wanted: file names that are looked for.
        names: all file names of the labels.
    """
    missing = [name for name in wanted if not (folder / name).is_file()]
    if not missing:
        return {}
    num_named = Counter(PurePath(name).name for name in names)
    files: dict[str, list[str]] = {}
    for file in folder.rglob("*"):
        if file.is_file():
            files.setdefault(file.name, []).append(file.relative_to(folder).as_posix())
    candidates = {name: files.get(PurePath(name).name, []) for name in missing}
    return {
        name: candidates[name][0]
        for name in missing
        if len(candidates[name]) == 1 and num_named[PurePath(name).name] == 1
    }


def encode_image(image: ImageArray, kind: Literal["png", "webp"], quality: int = 84) -> bytes:
    """Encode RGB as the bytes of a PNG or WebP file."""
    out = io.BytesIO()
    options = {
        # Pillow's second method takes half the time of OpenCV's only one, for 3 % more bytes.
        "webp": {"quality": quality, "method": 2},
        # Runs of equal bytes alone are looked for: a third of the time, for 6 % more bytes.
        "png": {"compress_level": 1, "compress_type": zlib.Z_RLE},
    }
    Image.fromarray(image).save(out, kind, **options[kind])
    return out.getvalue()
