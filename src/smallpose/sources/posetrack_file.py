"""Read one PoseTrack18 or 21 file, which is one video, as typed records.

Repeated records are merged and annotations are matched with their images here; `posetrack` turns
them into rows of the table.
"""

from collections import Counter
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.skeleton import POSETRACK17
from smallpose.io.duplicates import drop_duplicates
from smallpose.system.files import read_bytes
from smallpose.system.json_decode import decode_json, refuse_repeated_keys

Polygons = list[list[float] | float]
T = TypeVar("T", "Image", "Annotation")


class Image(Struct):
    id: int
    file_name: str
    is_labeled: bool | int | None = None
    width: int | float | None = None
    height: int | float | None = None
    ignore_regions_x: Polygons | None = None
    ignore_regions_y: Polygons | None = None


class Annotation(Struct):
    id: int
    image_id: int
    keypoints: list[float] | None = None
    bbox: list[float] | None = None
    bbox_head: list[float] | None = None
    track_id: int | None = None
    iscrowd: bool | int = 0


class _Category(Struct):
    keypoints: list[str] = []


class Video(Struct):
    images: list[Image]
    annotations: list[Annotation] = []
    categories: list[_Category] = []


def read_video(path: Path, note_counts: Counter[str]) -> Video:
    """Read the file without identical repeats, which `note_counts` counts.

    Raises: InputError naming a record that is broken, repeated with other values, or of an image
        that is not listed.
    """
    data = read_bytes(path)
    video = decode_json(path, data, Video)
    _refuse_lost_keys(path, data, video)
    _check_joints(path, video)
    video.images = _drop_repeats(path, "images", video.images, note_counts)
    video.annotations = _drop_repeats(path, "annotations", video.annotations, note_counts)
    known = {i.id for i in video.images}
    orphan = next((a for a in video.annotations if a.image_id not in known), None)
    if orphan is not None:
        raise InputError(
            f"{path}, annotation {orphan.id}",
            f"image {orphan.image_id} is not in the list of images",
            "add the image or remove the annotation",
        )
    return video


def read_ignore_regions(image: Image, where: str) -> list[tuple[float, float, float, float]]:
    """Return the bounding box of each polygon whose people are not labelled."""
    xs, ys = (
        _to_polygons(image.ignore_regions_x, where),
        _to_polygons(image.ignore_regions_y, where),
    )
    if [len(x) for x in xs] != [len(y) for y in ys]:
        raise InputError(
            where, "ignore_regions_x and ignore_regions_y differ in length", "correct the polygons"
        )
    return [
        (min(x), min(y), max(x) - min(x), max(y) - min(y)) for x, y in zip(xs, ys, strict=True) if x
    ]


def _to_polygons(lists: Polygons | None, where: str) -> list[list[float]]:
    """Return the polygons; a single one may come without the outer list."""
    inner = [p for p in lists or [] if isinstance(p, list)]
    flat = [p for p in lists or [] if not isinstance(p, list)]
    if inner and flat:
        raise InputError(where, "ignore_regions mix polygons and numbers", "correct the polygons")
    return [flat] if flat else inner


def _drop_repeats(path: Path, kind: str, records: list[T], note_counts: Counter[str]) -> list[T]:
    """Drop identical repeats; raises as `drop_duplicates`."""
    unique = drop_duplicates(
        enumerate(records),
        key=_identify_record,
        is_equal=lambda i, j: records[i] == records[j],
        where=f"{path}, {kind}",
        describe=lambda record: f"id {record.id}",
    )
    kept = [record for _, record in unique]
    if len(kept) < len(records):
        note_counts[f"repeated {kind} merged"] += len(records) - len(kept)
    return kept


def _identify_record(record: Image | Annotation) -> tuple[int, int]:
    """Return a key that is unique per record.

    PoseTrack computes ids as image × 100 + track, so that track 100 collides with the ids of the
    next frame. Where a record follows that rule, the image is part of the key.
    """
    if not isinstance(record, Annotation) or record.track_id is None:
        return record.id, 0
    by_rule = record.id == 100 * record.image_id + record.track_id
    return record.id, record.image_id if by_rule else 0


def _refuse_lost_keys(path: Path, data: bytes, video: Video) -> None:
    """Search for repeated keys where a count suggests them; the decoder keeps only the last."""
    n, c = len(video.annotations), len(video.categories)
    is_suspicious = data.count(b'"annotations"') > 1 or data.count(b'"images"') > 1
    is_suspicious |= data.count(b'"keypoints"') > n + c or data.count(b'"bbox"') > n
    is_suspicious |= data.count(b'"image_id"') > n or data.count(b'"file_name"') > len(video.images)
    if is_suspicious:
        refuse_repeated_keys(path, data)


def _check_joints(path: Path, video: Video) -> None:
    for category in video.categories:
        if category.keypoints and tuple(category.keypoints) != POSETRACK17.joints:
            raise InputError(
                str(path),
                f"its {format_count(len(category.keypoints), 'keypoint is', 'keypoints are')} not "
                "PoseTrack18's 17",
                "give the files of PoseTrack18 or 21",
            )
