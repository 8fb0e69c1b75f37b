"""Read COCO annotations fast: the text is scanned into columns.

Only plain files are read here. Anything unusual, and every mistake, is left to
`coco_annotations_slow`, which gives the same table and explains the mistake; so this file decides
how long reading takes, never what is read.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from smallpose.core.distinct import has_duplicates
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.packed_keypoints import PackedKeypoints
from smallpose.io.annotation_scan import AnnotationScan, Column, ScanAhead, scan_annotations
from smallpose.io.categories import Category, choose_categories
from smallpose.io.coco_annotations_slow import ImageRecord, build_images
from smallpose.io.id_rows import find_rows, list_unique
from smallpose.io.json_blocks import guess_skeleton
from smallpose.io.json_text import UnsupportedJson, open_text


def read_coco_fast(
    path: Path | str,
    data: bytes | None = None,
    category: Sequence[str] = (),
    packed: bool = False,
    ahead: ScanAhead | None = None,
) -> Instances | None:
    """Read plain annotations; None when they have to be read by `read_coco_slow`.

    Args:
        data: the content of the file, where it was read already.
        packed: give the keypoints as `PackedKeypoints`, unless their coordinates have too many
            decimals.
        ahead: a scan that was begun before, for `packed`; used where it is of this file.
    """
    try:
        scan = ahead.finish(path) if ahead and packed and data is None else None
        if scan is None:
            with open_text(path, data) as text:
                scan = scan_annotations(text, packed=packed)
        return _build_instances(path, scan.records, _view_columns(scan), category)
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


def _view_columns(scan: AnnotationScan) -> _AnnotationColumns:
    """Return the columns of a scan as arrays, without copying them."""
    n, k = scan.num_records, scan.k
    raw = scan.columns

    def view(column: Column, kind: type[np.generic], *shape: int) -> NDArray[Any]:
        return np.frombuffer(column, kind, math.prod((n, *shape))).reshape(n, *shape)

    has_visibility = scan.is_packed
    return _AnnotationColumns(
        visibility=view(raw.visibility, np.uint8, k)
        if has_visibility
        else np.zeros((0, k), np.uint8),
        ids=view(raw.ids, np.int64),
        image_ids=view(raw.image_ids, np.int64),
        category_ids=view(raw.category_ids, np.int64),
        num_keypoints=view(raw.num_keypoints, np.int64),
        iscrowd=view(raw.iscrowd, np.bool_),
        file_area=view(raw.file_area, np.float64),
        boxes_xywh=view(raw.boxes_xywh, np.float64, 4),
        keypoints=view(raw.keypoints, np.int32, k, 2)
        if scan.is_packed
        else view(raw.keypoints, np.float64, k, 3),
        segmentation_area=view(raw.segmentation_area, np.float64),
        source=view(raw.source, np.int8),
        box_rule=view(raw.box_rule, np.int8),
    )


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
    unique_categories = list_unique(columns.category_ids)
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
        image_rows=find_rows(images.ids, columns.image_ids),
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
