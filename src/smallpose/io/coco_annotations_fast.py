"""Read COCO annotations fast: the file is mapped and scanned into columns.

Only plain files are read here. Anything unusual, and every mistake, is left to
`coco_annotations_slow`, which gives the same table and explains the mistake; so this file decides
how long reading takes, never what is read.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import BOX_RULES
from smallpose.core.errors import InputError
from smallpose.core.instances import SOURCES, Instances
from smallpose.io import mapped_json
from smallpose.io.categories import Category, choose_categories
from smallpose.io.coco_annotations_slow import ImageRecord, build_images
from smallpose.io.json_blocks import guess_skeleton
from smallpose.io.mapped_json import WHITESPACE, MappedText, UnsupportedJson

_Members = dict[str, tuple[int, int]]  # where the value of each key of the file starts and ends


def read_coco_fast(path: Path | str, category: Sequence[str] = ()) -> Instances | None:
    """Read a plain annotation file; None when it has to be read by `read_coco_slow`."""
    try:
        with MappedText(Path(path)) as text:
            members, columns = _scan_file(text)
            return _build_instances(path, text, members, columns, category)
    except UnsupportedJson:
        return None


class _AnnotationColumns(NamedTuple):
    """The annotations as the extension fills them in."""

    ids: NDArray[np.int64]
    image_ids: NDArray[np.int64]
    category_ids: NDArray[np.int64]
    num_keypoints: NDArray[np.int64]
    iscrowd: NDArray[np.bool_]
    file_area: NDArray[np.float64]
    boxes_xywh: NDArray[np.float64]
    keypoints: NDArray[np.float64]
    segmentation_area: NDArray[np.float64]
    source: NDArray[np.int8]
    box_rule: NDArray[np.int8]


def _scan_file(text: MappedText) -> tuple[_Members, _AnnotationColumns]:
    """Find the members of the file's object and scan its annotations."""
    text.check_brackets(b"{}")
    members: _Members = {}
    columns: _AnnotationColumns | None = None
    position = text.start + 1
    while True:
        member = mapped_json.EXTENSION.read_key(text.map, position)
        if member is None:
            raise UnsupportedJson
        key, start = member[0].decode("latin-1"), member[1]
        if key in members:
            raise UnsupportedJson
        if key == "annotations":
            columns, end = _scan_annotations(text, start)
        else:
            end = mapped_json.EXTENSION.skip_value(text.map, start)
        members[key] = (start, end)
        position = end
        while 0 <= position < text.stop and text[position] in WHITESPACE:
            position += 1
        if end < 0 or position >= text.stop:
            raise UnsupportedJson
        if text[position] == ord("}") and position == text.stop - 1:
            break
        if text[position] != ord(","):
            raise UnsupportedJson
        position += 1
    if columns is None or "images" not in members:
        raise UnsupportedJson
    return members, columns


def _scan_annotations(text: MappedText, start: int) -> tuple[_AnnotationColumns, int]:
    """Scan the list that begins at `start`; return its columns and where it ends."""
    num_values = text.count_keypoint_values(start)
    n = mapped_json.EXTENSION.count_braces(text.map, start, text.stop)  # at least the annotations
    if num_values % 3 or n == 0:
        raise UnsupportedJson
    columns = _AnnotationColumns(
        ids=np.empty(n, np.int64),
        image_ids=np.empty(n, np.int64),
        category_ids=np.empty(n, np.int64),
        num_keypoints=np.empty(n, np.int64),
        iscrowd=np.empty(n, np.bool_),
        file_area=np.empty(n),
        boxes_xywh=np.empty((n, 4)),
        keypoints=np.empty((n, num_values // 3, 3)),
        segmentation_area=np.empty(n),
        source=np.empty(n, np.int8),
        box_rule=np.empty(n, np.int8),
    )
    words = [mapped_json.encode_words(known) for known in (SOURCES, BOX_RULES)]
    reciprocals = mapped_json.compute_reciprocals()
    num_records, end = mapped_json.EXTENSION.scan_annotations(
        text.map, start, text.stop, num_values, reciprocals, *words, *columns
    )
    if num_records <= 0:
        raise UnsupportedJson
    text.release_pages(start, end)
    filled: list[Any] = [column[:num_records] for column in columns]
    return _AnnotationColumns(*filled), end


def _build_instances(
    path: Path | str,
    text: MappedText,
    members: _Members,
    columns: _AnnotationColumns,
    category: Sequence[str],
) -> Instances:
    """Build the table, unless something has to be merged, recounted or explained."""

    def decode_member(key: str, kind: Any) -> Any:
        start, end = members[key]
        try:
            return msgspec.json.decode(text.map[start:end], type=kind)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise UnsupportedJson from None

    categories = decode_member("categories", list[Category]) if "categories" in members else []
    unique_categories = mapped_json.list_unique(columns.category_ids)
    try:
        chosen = choose_categories(path, categories, category, lambda: unique_categories)
    except InputError:
        raise UnsupportedJson from None
    notes: list[str] = []
    images = build_images(path, decode_member("images", list[ImageRecord]), notes)
    notes += chosen.describe({})
    k = columns.keypoints.shape[1]
    skeleton = chosen.skeleton or guess_skeleton(path, [3 * k])
    category_ids = chosen.ids or (1,)
    v = columns.keypoints[:, :, 2]
    if (
        skeleton is None
        or len(skeleton) != k
        or not all(map(chosen.accepts, unique_categories))
        or images.text_ids
        or not ((v == 0) | (v == 1) | (v == 2)).all()
        or (np.diff(np.sort(columns.ids)) == 0).any()
        or (columns.num_keypoints < 0).any()
    ):
        raise UnsupportedJson
    return Instances(
        skeleton=skeleton,
        images=images,
        image_rows=mapped_json.find_rows(images.ids, columns.image_ids),
        ids=columns.ids,
        boxes_xywh=columns.boxes_xywh,
        keypoints=columns.keypoints,
        num_keypoints=columns.num_keypoints,
        iscrowd=columns.iscrowd,
        file_area=columns.file_area,
        source=columns.source,
        box_rule=columns.box_rule,
        segmentation_area=columns.segmentation_area,
        category_id=category_ids[0],
        more_category_ids=category_ids[1:],
        notes=tuple(notes),
    )
