"""Read COCO files that list images without people, such as COCO's image_info files."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from msgspec import Raw, Struct

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances, make_instances
from smallpose.core.skeleton import Skeleton
from smallpose.io.categories import Category, choose_categories
from smallpose.io.coco_annotations_slow import ImageRecord, build_images
from smallpose.io.json_blocks import decode_records
from smallpose.system.files import read_bytes, read_if_gzip
from smallpose.system.json_decode import decode_json

_BLOCK_BYTES = 1 << 20


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
    try:
        data = read_if_gzip(Path(path))
        is_list = _has_only_images(path, data)
    except (OSError, ValueError, InputError):  # left to whatever reads the file
        return None
    if not is_list:
        return None
    data = read_bytes(Path(path)) if data is None else data
    file = decode_json(path, data, _ImageListFile)
    notes: list[str] = []
    images = build_images(path, decode_records(path, "images", file.images, ImageRecord), notes)
    categories = decode_records(path, "categories", file.categories or [], Category)
    chosen = choose_categories(path, categories, category, lambda: (), keypoints_required=False)
    person = chosen.ids[0] if chosen.ids else 1
    return make_instances(
        chosen.skeleton or skeleton, images, [], [], [], category_id=person, notes=notes
    )


def _has_only_images(path: Path | str, data: bytes | None) -> bool:
    """Return whether a file contains the key of the images and not that of annotations.

    It is read in blocks: lists of people may have gigabytes.
    """
    has_images = False
    with Path(path).open("rb") if data is None else BytesIO(data) as file:
        tail = b""
        while block := file.read(_BLOCK_BYTES):
            text = tail + block
            if b'"annotations"' in text:
                return False
            has_images = has_images or b'"images"' in text
            tail = block[-len(b'"annotations"') :]
    return has_images
