"""COCO's annotations read fast: a mapped file, scanned into columns.

For plain files only. Anything unusual, and every mistake, goes to the ordinary reader of
`coco_records`, which gives the same tables and good messages; so what stands here decides how long
reading takes, never what is read.
"""

from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import BOX_RULES
from smallpose.core.instances import SOURCES, Instances
from smallpose.io import coco_annotations_slow, mapped_json
from smallpose.io.json_blocks import guess_skeleton
from smallpose.io.mapped_json import MappedText, UnsupportedJson


def read_coco_fast(path: Path | str) -> Instances | None:
    """As `coco_records.read_plainly`, in a fraction of the time; None when that has to read it."""
    try:
        with MappedText(Path(path)) as text:
            return _read_members(path, text)
    except UnsupportedJson:
        return None


def _read_members(path: Path | str, text: MappedText) -> Instances:
    text.check_brackets(b"{}")
    parts: dict[str, tuple[int, int]] = {}
    columns: _AnnotationColumns | None = None
    at = text.start + 1
    while True:
        member = mapped_json.EXTENSION.key(text.map, at)
        if member is None:
            raise UnsupportedJson
        key, start = member[0].decode("latin-1"), member[1]
        if key in parts:
            raise UnsupportedJson
        if key == "annotations":
            columns, end = _scan_annotations(text, start)
        else:
            end = mapped_json.EXTENSION.skip(text.map, start)
        parts[key] = (start, end)
        at = end
        while 0 <= at < text.stop and text[at] in mapped_json.WHITESPACE:
            at += 1
        if end < 0 or at >= text.stop:
            raise UnsupportedJson
        if text[at] == ord("}") and at == text.stop - 1:
            break
        if text[at] != ord(","):
            raise UnsupportedJson
        at += 1
    if columns is None or "images" not in parts:
        raise UnsupportedJson
    return _build_instances(path, text, parts, columns)


class _AnnotationColumns(NamedTuple):
    """The annotation columns as the scanner fills them."""

    id: NDArray[np.int64]
    image: NDArray[np.int64]
    category: NDArray[np.int64]
    said: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    area: NDArray[np.float64]
    bbox: NDArray[np.float64]
    keypoints: NDArray[np.float64]
    mask: NDArray[np.float64]
    source: NDArray[np.int8]
    rule: NDArray[np.int8]


def _scan_annotations(text: MappedText, start: int) -> tuple[_AnnotationColumns, int]:
    k3 = text.count_keypoint_values(start)
    n = mapped_json.EXTENSION.count(text.map, start, text.stop)
    if k3 % 3 or n == 0:
        raise UnsupportedJson
    columns = _AnnotationColumns(
        id=np.empty(n, np.int64),
        image=np.empty(n, np.int64),
        category=np.empty(n, np.int64),
        said=np.empty(n, np.int64),
        crowd=np.empty(n, np.bool_),
        area=np.empty(n),
        bbox=np.empty((n, 4)),
        keypoints=np.empty((n, k3 // 3, 3)),
        mask=np.empty(n),
        source=np.empty(n, np.int8),
        rule=np.empty(n, np.int8),
    )
    words = [mapped_json.encode_words(known) for known in (SOURCES, BOX_RULES)]
    records, end = mapped_json.EXTENSION.scan_people(
        text.map, start, text.stop, k3, mapped_json.compute_reciprocals(), *words, *columns
    )
    if records <= 0:
        raise UnsupportedJson
    text.release_pages(start, end)
    used: list[Any] = [column[:records] for column in columns]
    return _AnnotationColumns(*used), end


def _build_instances(
    path: Path | str,
    text: MappedText,
    parts: dict[str, tuple[int, int]],
    columns: _AnnotationColumns,
) -> Instances:
    """The table, if nothing in it needs merging, counting anew or an error message."""

    def decode(key: str, kind: Any) -> Any:
        start, end = parts[key]
        try:
            return msgspec.json.decode(text.map[start:end], type=kind)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise UnsupportedJson from None

    kinds = (
        decode("categories", list[coco_annotations_slow.Category]) if "categories" in parts else []
    )
    file = coco_annotations_slow.CocoFile(annotations=[], categories=kinds)
    category, skeleton = coco_annotations_slow.find_person_category(path, file)
    notes: list[str] = []
    images = coco_annotations_slow.build_images(
        path, decode("images", list[coco_annotations_slow.ImageRecord]), notes
    )
    k = columns.keypoints.shape[1]
    if skeleton is None:
        skeleton = guess_skeleton(path, [3 * k])
    v = columns.keypoints[:, :, 2]
    if (
        skeleton is None
        or len(skeleton) != k
        or (category is not None and (columns.category != category).any())
        or not ((v == 0) | (v == 1) | (v == 2)).all()
        or (np.diff(np.sort(columns.id)) == 0).any()
        or (columns.said < 0).any()
    ):
        raise UnsupportedJson
    rows = mapped_json.find_rows(images.ids, columns.image)
    return Instances(
        skeleton,
        images,
        rows,
        columns.id,
        columns.bbox,
        columns.keypoints,
        columns.said,
        columns.crowd,
        columns.area,
        columns.source,
        columns.rule,
        columns.mask,
        1 if category is None else category,
        tuple(notes),
    )
