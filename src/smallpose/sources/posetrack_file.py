"""One PoseTrack18 or 21 file, which is one video, as typed records.

Repeats are settled and annotations matched with their images here; what a person or an image
becomes in the table is said in `posetrack`.
"""

from collections import Counter
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from smallpose.core.errors import InputError
from smallpose.core.skeleton import POSETRACK17
from smallpose.system.files import read_bytes
from smallpose.system.json_decode import decode, refuse_repeated_keys

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


def read_video(path: Path, told: Counter[str]) -> Video:
    """The file without identical repeats, which `told` counts.

    Raises: InputError naming the record that is broken, repeated with a difference, or of an
        image that is not there.
    """
    data = read_bytes(path)
    video = decode(path, data, Video)
    _refuse_lost_keys(path, data, video)
    _check_joints(path, video)
    video.images = _once(path, "images", video.images, told)
    video.annotations = _once(path, "annotations", video.annotations, told)
    known = {i.id for i in video.images}
    lost = next((a for a in video.annotations if a.image_id not in known), None)
    if lost is not None:
        raise InputError(
            f"{path}, annotation {lost.id}",
            f"image {lost.image_id} is not in the list of images",
            "add the image or leave the annotation out",
        )
    return video


def ignore_regions(image: Image, where: str) -> list[tuple[float, float, float, float]]:
    """The bounding box of each polygon whose people are not labelled."""
    xs, ys = _polygons(image.ignore_regions_x, where), _polygons(image.ignore_regions_y, where)
    if [len(x) for x in xs] != [len(y) for y in ys]:
        raise InputError(
            where, "ignore_regions_x and ignore_regions_y differ in length", "mend the polygons"
        )
    return [
        (min(x), min(y), max(x) - min(x), max(y) - min(y)) for x, y in zip(xs, ys, strict=True) if x
    ]


def _polygons(lists: Polygons | None, where: str) -> list[list[float]]:
    """A single polygon stands there without the outer list."""
    inner = [p for p in lists or [] if isinstance(p, list)]
    flat = [p for p in lists or [] if not isinstance(p, list)]
    if inner and flat:
        raise InputError(where, "ignore_regions mix polygons and numbers", "mend the polygons")
    return [flat] if flat else inner


def _once(path: Path, kind: str, records: list[T], told: Counter[str]) -> list[T]:
    """Without identical repeats; a differing one is an error."""
    first: dict[tuple[int, int], T] = {}
    kept = []
    for number, record in enumerate(records):
        start = first.setdefault(_identity(record), record)
        if start is record:
            kept.append(record)
        elif start == record:
            told[f"repeated {kind} merged"] += 1
        else:
            raise InputError(
                f"{path}, {kind}[{records.index(start)}] and [{number}]",
                f"both have id {record.id} and they differ",
                "give each an id of its own",
            )
    return kept


def _identity(record: Image | Annotation) -> tuple[int, int]:
    """The id. PoseTrack's own is image × 100 + track, so that track 100 runs into the next frame's
    ids: where a record follows that rule, the image tells the two apart.
    """
    if not isinstance(record, Annotation) or record.track_id is None:
        return record.id, 0
    by_rule = record.id == 100 * record.image_id + record.track_id
    return record.id, record.image_id if by_rule else 0


def _refuse_lost_keys(path: Path, data: bytes, video: Video) -> None:
    """A key that stands twice would lose the first silently: look closer when a count is odd."""
    n, c = len(video.annotations), len(video.categories)
    odd = data.count(b'"annotations"') > 1 or data.count(b'"images"') > 1
    odd |= data.count(b'"keypoints"') > n + c or data.count(b'"bbox"') > n
    odd |= data.count(b'"image_id"') > n or data.count(b'"file_name"') > len(video.images)
    if odd:
        refuse_repeated_keys(path, data)


def _check_joints(path: Path, video: Video) -> None:
    for category in video.categories:
        if category.keypoints and tuple(category.keypoints) != POSETRACK17.joints:
            raise InputError(
                str(path),
                f"its {len(category.keypoints)} keypoints are not PoseTrack18's 17",
                "give the files of PoseTrack18 or 21",
            )
