"""Read COCO annotations fast: the text is scanned into columns.

Only plain files are read here. Anything unusual, and every mistake, is left to
`coco_annotations_slow`, which gives the same table and explains the mistake; so this file decides
how long reading takes, never what is read.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import BOX_RULES
from smallpose.core.distinct import has_duplicates
from smallpose.core.errors import InputError
from smallpose.core.instances import SOURCES, Instances
from smallpose.core.packed_keypoints import PackedKeypoints
from smallpose.io import json_text
from smallpose.io.categories import Category, choose_categories
from smallpose.io.coco_annotations_slow import ImageRecord, build_images
from smallpose.io.json_blocks import guess_skeleton
from smallpose.io.json_text import JsonText, UnsupportedJson, open_text
from smallpose.io.repeated_fields import list_fields

_Members = dict[str, tuple[int, int]]  # where the value of each key of the file starts and ends
_RECORDS_PER_SCAN = 1 << 14  # then the pages of the text that was read are released
_COUNTED_BYTES = 1 << 24  # of the text in which records are counted, likewise
_SAMPLED_BYTES = 1 << 20  # of the text in which they are counted to guess how many there are
_MORE_RECORDS = 1.25  # times as many rows as guessed; rows that are not filled take no memory
_SHORTEST_RECORD = b'{"keypoints":[],"bbox":[0,0,0,0],"id":0,"image_id":0,"num_keypoints":0}'
# Of these lists, the fields that are read: none may occur twice in a record.
_RECORD_FIELDS = {
    "images": json_text.encode_words(list_fields(ImageRecord)),
    "categories": json_text.encode_words(list_fields(Category)),
}


def read_coco_fast(
    path: Path | str,
    data: bytes | None = None,
    category: Sequence[str] = (),
    packed: bool = False,
) -> Instances | None:
    """Read plain annotations; None when they have to be read by `read_coco_slow`.

    Args:
        data: the content of the file, where it was read already.
        packed: give the keypoints as `PackedKeypoints`, unless their coordinates have too many
            decimals.
    """
    try:
        with open_text(path, data) as text:
            members, columns = _scan_file(text, packed)
            decoded = {key: text.read(*members[key]) for key in _RECORD_FIELDS if key in members}
        return _build_instances(path, decoded, columns, category)
    except UnsupportedJson:
        return None


class _AnnotationColumns(NamedTuple):
    """The annotations as the extension fills them in.

    Args:
        visibility: (n, k) v, and (n, k, 2) `keypoints` where they are packed; else empty.
    """

    visibility: NDArray[np.uint8]
    ids: NDArray[np.int64]
    image_ids: NDArray[np.int64]
    category_ids: NDArray[np.int64]
    num_keypoints: NDArray[np.int64]
    iscrowd: NDArray[np.bool_]
    file_area: NDArray[np.float64]
    boxes_xywh: NDArray[np.float64]
    keypoints: NDArray[Any]
    segmentation_area: NDArray[np.float64]
    source: NDArray[np.int8]
    box_rule: NDArray[np.int8]


def _scan_file(text: JsonText, packed: bool) -> tuple[_Members, _AnnotationColumns]:
    """Find the members of the file's object and scan its annotations."""
    text.check_brackets(b"{}")
    members: _Members = {}
    columns: _AnnotationColumns | None = None
    position = text.start + 1
    while True:
        member = json_text.EXTENSION.read_key(text.buffer, position)
        if member is None:
            raise UnsupportedJson
        key, start = member[0].decode(), member[1]
        if key in members:
            raise UnsupportedJson
        if key == "annotations":
            columns, end = _scan_annotations(text, start, packed)
        elif key in _RECORD_FIELDS:
            end = json_text.EXTENSION.skip_records(text.buffer, start, _RECORD_FIELDS[key])
        else:
            end = json_text.EXTENSION.skip_value(text.buffer, start)
        if not 0 <= end < text.stop:
            raise UnsupportedJson
        members[key] = (start, end)
        if text[end] == ord("}") and end == text.stop - 1:
            break
        if text[end] != ord(","):
            raise UnsupportedJson
        position = end + 1
    if columns is None or "images" not in members:
        raise UnsupportedJson
    return members, columns


def _scan_annotations(text: JsonText, start: int, packed: bool) -> tuple[_AnnotationColumns, int]:
    """Scan the list that begins at `start`; return its columns and where it ends."""
    num_values = json_text.count_keypoint_values(text, start)
    if num_values % 3:
        raise UnsupportedJson
    if packed:
        try:
            return _scan_columns(text, start, num_values // 3, packed=True)
        except UnsupportedJson:  # a coordinate may have more decimals than are packed
            pass
    return _scan_columns(text, start, num_values // 3, packed=False)


def _scan_columns(
    text: JsonText, start: int, k: int, *, packed: bool
) -> tuple[_AnnotationColumns, int]:
    # No more records than braces, or than have room for their values: the text alone does not
    # decide how much memory is asked for.
    max_records = (text.stop - start) // (len(_SHORTEST_RECORD) + 6 * k - 1)
    # Counting takes a tenth of the time of reading: guess, and count where that was too low.
    for count in (_guess_records, _count_braces):
        n = min(count(text, start, text.stop), max_records)
        try:
            return _fill_columns(text, start, _create_columns(n, k, packed=packed))
        except _TooManyRecords:
            continue
    raise UnsupportedJson


class _TooManyRecords(Exception):
    """Raised where columns have not enough rows."""


def _guess_records(text: JsonText, start: int, stop: int) -> int:
    """Return a number of records that is rarely exceeded; it is exact in a small text."""
    end = min(start + _SAMPLED_BYTES, stop)
    count = int(json_text.EXTENSION.count_braces(text.buffer, start, end))
    return count if end == stop else int(count * (stop - start) / (end - start) * _MORE_RECORDS)


def _count_braces(text: JsonText, start: int, stop: int) -> int:
    """Count opening braces, without having all pages of a mapped text in memory at once."""
    count = 0
    for first in range(start, stop, _COUNTED_BYTES):
        last = min(first + _COUNTED_BYTES, stop)
        count += json_text.EXTENSION.count_braces(text.buffer, first, last)
        text.release_pages(first, last)
    return count


def _create_columns(n: int, k: int, *, packed: bool) -> _AnnotationColumns:
    """Create columns for at most n records of k joints."""
    return _AnnotationColumns(
        visibility=np.empty((n, k) if packed else (0, k), np.uint8),
        ids=np.empty(n, np.int64),
        image_ids=np.empty(n, np.int64),
        category_ids=np.empty(n, np.int64),
        num_keypoints=np.empty(n, np.int64),
        iscrowd=np.empty(n, np.bool_),
        file_area=np.empty(n),
        boxes_xywh=np.empty((n, 4)),
        keypoints=np.empty((n, k, 2), np.int32) if packed else np.empty((n, k, 3)),
        segmentation_area=np.empty(n),
        source=np.empty(n, np.int8),
        box_rule=np.empty(n, np.int8),
    )


def _fill_columns(
    text: JsonText, start: int, columns: _AnnotationColumns
) -> tuple[_AnnotationColumns, int]:
    """Scan the list that begins at `start` into columns; return these and where it ends."""
    stop = text.stop
    n, k = columns.keypoints.shape[:2]
    words = [json_text.encode_words(known) for known in (SOURCES, BOX_RULES)]
    reciprocals = json_text.compute_reciprocals()
    num_records = 0
    is_open = True
    while is_open:
        if num_records == n:
            raise _TooManyRecords
        last = min(num_records + _RECORDS_PER_SCAN, n)
        num_read, end, is_open = json_text.EXTENSION.scan_annotations(
            text.buffer, start, stop, num_records, last, 3 * k, reciprocals, *words, *columns
        )
        if num_read <= 0:
            raise UnsupportedJson
        text.release_pages(start, end)
        num_records += num_read
        start = end
    filled: list[Any] = [column[:num_records] for column in columns]
    return _AnnotationColumns(*filled), end


def _build_instances(
    path: Path | str,
    members: dict[str, bytes],
    columns: _AnnotationColumns,
    category: Sequence[str],
) -> Instances:
    """Build the table, unless something has to be merged, recounted or explained.

    Args:
        members: the text of the images and, if there are any, of the categories.
    """
    notes: list[str] = []
    k = columns.keypoints.shape[1]
    unique_categories = json_text.list_unique(columns.category_ids)
    try:
        categories = msgspec.json.decode(members.get("categories", b"[]"), type=list[Category])
        chosen = choose_categories(path, categories, category, lambda: unique_categories)
        records = msgspec.json.decode(members["images"], type=list[ImageRecord])
        images = build_images(path, records, notes)
        skeleton = chosen.skeleton or guess_skeleton(path, [3 * k])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, InputError):
        raise UnsupportedJson from None
    notes += chosen.describe({})
    category_ids = chosen.ids or (1,)
    keypoints = columns.keypoints
    if len(columns.visibility):  # which is valid
        keypoints = cast(Any, PackedKeypoints(keypoints, columns.visibility))
    elif not _is_valid_visibility(keypoints[:, :, 2]):
        raise UnsupportedJson
    if (
        skeleton is None
        or len(skeleton) != k
        or not all(map(chosen.accepts, unique_categories))
        or images.text_ids
        or has_duplicates(columns.ids)
        or (columns.num_keypoints < 0).any()
    ):
        raise UnsupportedJson
    return Instances(
        skeleton=skeleton,
        images=images,
        image_rows=json_text.find_rows(images.ids, columns.image_ids),
        ids=columns.ids,
        boxes_xywh=columns.boxes_xywh,
        keypoints=keypoints,
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


def _is_valid_visibility(v: NDArray[np.float64]) -> bool:
    return bool(((v == 0) | (v == 1) | (v == 2)).all())
