"""Read COCO files that list images without people, such as COCO's image_info files."""

import mmap
from collections.abc import Sequence
from pathlib import Path

from msgspec import Raw, Struct

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances, make_instances
from smallpose.core.skeleton import Skeleton
from smallpose.io.categories import Category, choose_categories
from smallpose.io.coco_annotations_slow import ImageRecord, build_images
from smallpose.io.json_blocks import decode_records
from smallpose.system.files import read_bytes
from smallpose.system.json_decode import decode_json


class _ImageListFile(Struct):
    images: list[Raw]
    categories: list[Raw] | None = None


def read_image_list(
    path: Path | str, skeleton: Skeleton, category: Sequence[str] = ()
) -> Instances | None:
    """Read the images of a COCO file without a list of annotations; None for one with such a list.

    Args:
        skeleton: of the table, which has no people, unless the file names joints.
        category: names of the categories that results may have, as in `read_coco`.

    Raises: InputError when there are no images either.
    """
    # Searched without reading the file: lists of people may have gigabytes.
    if not _contains_key(path, b'"images"') or _contains_key(path, b'"annotations"'):
        return None
    file = decode_json(path, read_bytes(Path(path)), _ImageListFile)
    notes: list[str] = []
    images = build_images(path, decode_records(path, "images", file.images, ImageRecord), notes)
    categories = decode_records(path, "categories", file.categories or [], Category)
    chosen = choose_categories(path, categories, category, lambda: (), keypoints_required=False)
    person = chosen.ids[0] if chosen.ids else 1
    return make_instances(
        chosen.skeleton or skeleton, images, [], [], [], category_id=person, notes=notes
    )


def _contains_key(path: Path | str, key: bytes) -> bool:
    """Return whether the file contains the key; errors are left to whatever reads the file."""
    try:
        with (
            Path(path).open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text,
        ):
            if text[:2] != b"\x1f\x8b":
                return text.find(key) >= 0
        return key in read_bytes(Path(path))  # gzipped
    except (OSError, ValueError, InputError):
        return False
