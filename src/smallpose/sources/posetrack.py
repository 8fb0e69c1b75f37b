"""PoseTrack18 and 21: a JSON file per video, whose boxes are keypoint extents (paper, Sec. 3.1).

Only some frames of a video are labelled, and in those some regions are not.
"""

from collections import Counter
from pathlib import Path
from typing import TypeVar

import numpy as np
from msgspec import Struct

from smallpose.core import boxes
from smallpose.core.errors import InputError
from smallpose.core.files import read_bytes
from smallpose.core.json_text import decode, refuse_repeated_keys
from smallpose.core.skeleton import POSETRACK17
from smallpose.sources.columns import Columns
from smallpose.sources.places import files, find_base, picture_path
from smallpose.sources.source import Picture, Source

# PoseTrack18's two layouts, then 21's.
LAYOUTS = ("annotations", "posetrack_data/annotations", "posetrack_data")
SPLITS = {"train": "train", "val": "test"}
GROW = 1.3  # both sides of the extent, measured on all people of the three public val files
K = len(POSETRACK17)
Polygons = list[list[float] | float]
T = TypeVar("T", "_Image", "_Annotation")


class _Image(Struct):
    id: int
    file_name: str
    is_labeled: bool | int | None = None
    width: int | None = None
    height: int | None = None
    ignore_regions_x: Polygons | None = None
    ignore_regions_y: Polygons | None = None


class _Annotation(Struct):
    id: int
    image_id: int
    keypoints: list[float] | None = None
    bbox: list[float] | None = None
    bbox_head: list[float] | None = None
    track_id: int | None = None


class _Category(Struct):
    keypoints: list[str] = []


class _Video(Struct):
    images: list[_Image]
    annotations: list[_Annotation] = []
    categories: list[_Category] = []


def read_posetrack(root: Path) -> Source:
    """PoseTrack's people in labelled frames, and its ignore regions; val is our test.

    A box that the file leaves out is the extent of the keypoints, 1.3 times as long on both sides.
    The two ears are never labelled and stay so.

    Raises: InputError naming the video and record at fault; RefusedError for a file_name that
        leads out of the root.
    """
    patterns = [f"{layout}/{split}/*.json" for layout in LAYOUTS for split in SPLITS]
    base = find_base(root, patterns, "PoseTrack")
    inner = base / "posetrack_data"
    pictures = inner if (inner / "images").is_dir() and not (base / "images").is_dir() else base
    columns = Columns("posetrack", POSETRACK17, "extent130", {0: 0, 1: 2, 2: 2})
    told: Counter[str] = Counter()
    names: dict[str, Path] = {}
    missing = []
    for folder, split in SPLITS.items():
        found = (files(base, f"{layout}/{folder}/*.json") for layout in LAYOUTS)
        videos: list[Path] = next(filter(None, found), [])
        if not videos:
            missing.append(f"annotations/{folder}/*.json")
        for path in videos:
            _read(path, pictures, split, columns, names, told)
    return columns.finish(base, missing, [f"PoseTrack: {n:,} {what}" for what, n in told.items()])


def _read(
    path: Path,
    pictures: Path,
    split: str,
    columns: Columns,
    names: dict[str, Path],
    told: Counter[str],
) -> None:
    """Add one video; `names` are the frames of all, `told` counts what was merged or left out."""
    data = read_bytes(path)
    video = decode(path, data, _Video)
    _refuse_lost_keys(path, data, video)
    _check_joints(path, video)
    images = _once(path, "images", video.images, told)
    annotations = _once(path, "annotations", video.annotations, told)
    known = {i.id for i in images}
    lost = next((a for a in annotations if a.image_id not in known), None)
    if lost is not None:
        raise InputError(
            f"{path}, annotation {lost.id}",
            f"image {lost.image_id} is not in the list of images",
            "add the image or leave the annotation out",
        )
    used = {a.image_id for a in annotations}
    rows: dict[int, int] = {}
    for image in images:
        if image.is_labeled or (image.is_labeled is None and image.id in used):
            rows[image.id] = _add_image(path, image, pictures, split, columns, names)
    if len(rows) < len(images):
        told["frames that are not labelled left out"] += len(images) - len(rows)
    for annotation in annotations:
        if annotation.image_id not in rows:
            told["people in frames marked as not labelled left out"] += 1
            continue
        _add_person(path, annotation, rows[annotation.image_id], columns, told)


def _add_image(
    path: Path,
    image: _Image,
    pictures: Path,
    split: str,
    columns: Columns,
    names: dict[str, Path],
) -> int:
    where = f"{path}, image {image.id}"
    # The pictures' folder may be a link to another disk; the file's names start above it.
    tops = ("images", f"images/{path.parent.name}")
    folder = next((t for t in reversed(tops) if image.file_name.startswith(t + "/")), ".")
    rest = image.file_name if folder == "." else image.file_name.removeprefix(folder + "/")
    picture = Picture(picture_path(pictures, folder, rest, where))
    if image.file_name in names:
        raise InputError(
            where,
            f"{image.file_name} stands in {names[image.file_name].name} too",
            "keep one of them",
        )
    names[image.file_name] = path
    sequence = Path(image.file_name).parent.name
    row = columns.image(
        image.file_name,
        picture,
        source_id=str(image.id),
        split=split,
        group="_".join(sequence.split("_")[:2]),
        width=image.width or 0,
        height=image.height or 0,
    )
    for box in _regions(image, where):
        columns.region(row, box)
    return row


def _regions(image: _Image, where: str) -> list[tuple[float, float, float, float]]:
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


def _add_person(
    path: Path, annotation: _Annotation, row: int, columns: Columns, told: Counter[str]
) -> None:
    where = f"{path}, annotation {annotation.id}"
    points = annotation.keypoints or [0.0] * (3 * K)
    for name, box in (("bbox", annotation.bbox), ("bbox_head", annotation.bbox_head)):
        if box and len(box) != 4:
            raise InputError(where, f"{name} has {len(box)} values instead of 4", "mend the record")
    box = annotation.bbox or _around(points) or annotation.bbox_head
    if not box and len(points) == 3 * K:
        told["people without box and keypoints left out"] += 1
        return
    columns.person(row, box or (), points, where)


def _around(points: list[float]) -> list[float] | None:
    if len(points) % 3 or not any(points[2::3]):
        return None
    keypoints = np.array(points).reshape(1, -1, 3)
    grown: list[float] = boxes.grow(boxes.extent(keypoints), GROW)[0].tolist()
    return grown


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


def _identity(record: _Image | _Annotation) -> tuple[int, int]:
    """The id. PoseTrack's own is image × 100 + track, so that track 100 runs into the next frame's
    ids: where a record follows that rule, the image tells the two apart.
    """
    if not isinstance(record, _Annotation) or record.track_id is None:
        return record.id, 0
    by_rule = record.id == 100 * record.image_id + record.track_id
    return record.id, record.image_id if by_rule else 0


def _refuse_lost_keys(path: Path, data: bytes, video: _Video) -> None:
    """A key that stands twice would lose the first silently: look closer when a count is odd."""
    n, c = len(video.annotations), len(video.categories)
    odd = data.count(b'"annotations"') > 1 or data.count(b'"images"') > 1
    odd |= data.count(b'"keypoints"') > n + c or data.count(b'"bbox"') > n
    odd |= data.count(b'"image_id"') > n or data.count(b'"file_name"') > len(video.images)
    if odd:
        refuse_repeated_keys(path, data)


def _check_joints(path: Path, video: _Video) -> None:
    for category in video.categories:
        if category.keypoints and tuple(category.keypoints) != POSETRACK17.joints:
            raise InputError(
                str(path),
                f"its {len(category.keypoints)} keypoints are not PoseTrack18's 17",
                "give the files of PoseTrack18 or 21",
            )
