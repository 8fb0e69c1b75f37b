"""Read the boxes of a COCO file that have no keypoints, of whatever category."""

from pathlib import Path

import msgspec
import numpy as np
from msgspec import Raw, Struct
from numpy.typing import NDArray

from smallpose.core.instances import Images
from smallpose.io.image_lookup import ImageRows
from smallpose.io.json_blocks import Int64, decode_blocks
from smallpose.system.files import read_bytes
from smallpose.system.json_decode import decode_json

_NO_KEYPOINTS = (b"", b"[]", b"null")


class _Annotation(Struct):
    image_id: Int64 | str
    bbox: list[float] = []
    keypoints: Raw = Raw(b"")
    num_keypoints: Int64 | None = None
    iscrowd: bool | int = 0


class _AnnotationFile(Struct):
    annotations: list[Raw]


def read_unposed_boxes(
    path: Path, images: Images, data: bytes | None = None
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Read the boxes without keypoints.

    Args:
        images: the images of the file, as `read_coco` returns them.
        data: the content of the file, where it was read already.
    Returns: (m,) row of each box's image, and (m, 4) the boxes.
    """
    rows_of_images = ImageRows(images)
    data = read_bytes(path) if data is None else data
    file = decode_json(path, data, _AnnotationFile)
    rows, boxes = [], []
    for block in decode_blocks(path, "annotations", file.annotations, _Annotation):
        for a in block:
            row = rows_of_images.find(a.image_id)
            if row is not None and len(a.bbox) == 4 and not a.iscrowd and not _has_pose(a):
                rows.append(row)
                boxes.append(a.bbox)
    return np.array(rows, dtype=np.intp), np.array(boxes, dtype=np.float64).reshape(-1, 4)


def _has_pose(annotation: _Annotation) -> bool:
    """Return whether any keypoint is labelled; num_keypoints is 0 for some people with labels."""
    if bytes(annotation.keypoints) in _NO_KEYPOINTS:
        return False
    if annotation.num_keypoints:
        return True
    values = msgspec.json.decode(annotation.keypoints, type=list[float])
    return any(v > 0 for v in values[2::3])
