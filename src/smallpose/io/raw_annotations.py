"""Read what the table of a COCO file leaves out, for `check`: boxes without keypoints, flags.

Annotations of all categories are read.
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Raw, Struct
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.instances import Images
from smallpose.io.finding import Finding
from smallpose.io.image_lookup import ImageRows
from smallpose.io.json_blocks import Int64, decode_blocks
from smallpose.system.files import read_bytes
from smallpose.system.json_decode import decode_json

_NO_KEYPOINTS = (b"", b"[]", b"null")
_IS_SET = (b"1", b"1.0", b"true")


@dataclass(frozen=True)
class RawAnnotations:
    """What `check` says of annotations that the reader does not keep.

    Args:
        image_rows: (m,) row of the image of each box without keypoints.
        boxes_xywh: (m, 4) these boxes.
        ignored_ids: ids of labelled people with `"ignore": 1` who are no crowd.
    """

    image_rows: NDArray[np.intp]
    boxes_xywh: NDArray[np.float64]
    ignored_ids: tuple[int | str, ...]


class _Annotation(Struct):
    image_id: Int64 | str
    bbox: list[float] = []
    keypoints: Raw = Raw(b"")
    num_keypoints: Int64 | None = None
    iscrowd: bool | int = 0
    ignore: Raw = Raw(b"")
    id: Raw = Raw(b"")


class _AnnotationFile(Struct):
    annotations: list[Raw]


def read_raw_annotations(path: Path, images: Images, data: bytes | None = None) -> RawAnnotations:
    """Read the boxes without keypoints and the people who are marked to be ignored.

    Args:
        images: the images of the file, as `read_coco` returns them.
        data: the content of the file, where it was read already.
    """
    rows_of_images = ImageRows(images)
    data = read_bytes(path) if data is None else data
    file = decode_json(path, data, _AnnotationFile)
    rows = []
    boxes = []
    ignored = []
    for block in decode_blocks(path, "annotations", file.annotations, _Annotation):
        for a in block:
            row = rows_of_images.find(a.image_id)
            has_pose = _has_pose(a)
            if row is not None and len(a.bbox) == 4 and not a.iscrowd and not has_pose:
                rows.append(row)
                boxes.append(a.bbox)
            if has_pose and not a.iscrowd and bytes(a.ignore).lower() in _IS_SET:
                ignored.append(msgspec.json.decode(a.id) if bytes(a.id) else 0)
    return RawAnnotations(
        image_rows=np.array(rows, dtype=np.intp),
        boxes_xywh=np.array(boxes, dtype=np.float64).reshape(-1, 4),
        ignored_ids=tuple(ignored),
    )


def check_ignore_flags(raw: RawAnnotations) -> list[Finding]:
    """Say that the field `ignore` is not read, as by pycocotools and the tools that follow it."""
    if not raw.ignored_ids:
        return []
    what = (
        f'{format_count(len(raw.ignored_ids), "person has", "people have")} "ignore": 1 (first: '
        f"id {raw.ignored_ids[0]}), which COCO's rule does not read: they are counted; give them "
        "iscrowd 1 to ignore them"
    )
    return [Finding(what, is_fault=False)]


def _has_pose(annotation: _Annotation) -> bool:
    """Return whether any keypoint is labelled; num_keypoints is 0 for some people with labels."""
    if bytes(annotation.keypoints) in _NO_KEYPOINTS:
        return False
    if annotation.num_keypoints:
        return True
    values = msgspec.json.decode(annotation.keypoints, type=list[float])
    return any(v > 0 for v in values[2::3])
