"""Read what videos have beside poses: frame numbers, identities, head boxes, regions to ignore.

The tables of people and predictions do not carry these; they are read in a pass of their own.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TypeVar

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.instances import Images, Instances
from smallpose.core.predictions import Predictions
from smallpose.io.coco_results_slow import read_entries
from smallpose.io.json_blocks import Int64
from smallpose.io.unknown_images import ResultImages
from smallpose.system.files import read_bytes

NO_TRACK = -1
MAX_FRAME = 2**53  # larger numbers are no longer told apart everywhere
Polygon = NDArray[np.float64]
Id = Int64 | str
T = TypeVar("T")


class _Image(Struct):
    id: Id
    file_name: str = ""
    frame_id: Int64 | float | None = None
    frame_index: Int64 | float | None = None
    group: str | int | None = None
    vid_id: str | int | None = None
    video_id: str | int | None = None
    is_labeled: bool | int | None = None
    ignore_regions_x: list[list[float] | float] | None = None
    ignore_regions_y: list[list[float] | float] | None = None


class _Annotation(Struct):
    id: Id
    track_id: Int64 | float | str | None = None
    bbox_head: list[float] | None = None


class _File(Struct):
    images: list[_Image] = []
    annotations: list[_Annotation] = []


class _Result(Struct):
    category_id: Id | None = None
    image_id: Id | None = None
    file_name: str | None = None
    track_id: Int64 | float | str | None = None


class _NamedResults(Struct):
    predictions: list[_Result]


@dataclass(frozen=True)
class VideoRecords:
    """What a ground truth has of videos, in the order of its tables.

    Args:
        has_video_names: whether any image has a field that names its video; else it is the folder.
        videos: (m,) name of each image's video; "" for one that is no frame.
        frames: (m,) number of the frame in its video.
        is_labelled: (m,) whether the people of the frame were labelled.
        regions: (m,) polygons, (p, 2) px each, whose people are not labelled.
        tracks: (n,) identity of each person in their video, -1 where it is unknown.
        heads_xywh: (n, 4) px, NaN where unknown.
    """

    has_video_names: bool
    videos: tuple[str, ...]
    frames: NDArray[np.int64]
    is_labelled: NDArray[np.bool_]
    regions: tuple[tuple[Polygon, ...], ...]
    tracks: NDArray[np.int64]
    heads_xywh: NDArray[np.float64]


def read_video_records(path: Path | str, truth: Instances) -> VideoRecords:
    """Read the records of the videos of `truth`, which was read from the same file.

    Raises: InputError where a frame has no number or its number is repeated, or a person's record
        is broken.
    """
    file = _decode(path, read_bytes(Path(path)), _File)
    images = {str(record.id): record for record in file.images}
    ordered = [images[str(one)] for one in truth.images.file_ids]
    videos = _name_videos(ordered, truth.images)
    frames = _number_frames(path, ordered, videos)
    people = {str(record.id): record for record in file.annotations}
    records = [people.get(str(one)) for one in truth.file_ids]
    return VideoRecords(
        has_video_names=any(map(_get_video_name, ordered)),
        videos=videos,
        frames=frames,
        is_labelled=np.array([r.is_labeled is None or bool(r.is_labeled) for r in ordered], bool),
        regions=tuple(_read_regions(path, record) for record in ordered),
        tracks=number_tracks([None if r is None else r.track_id for r in records]),
        heads_xywh=_read_heads(path, records),
    )


def attach_tracks(path: Path | str, people: Instances) -> Instances:
    """Return people with the identities and boxes of heads that their file has, to write them.

    Args:
        people: read from the same file, a built set's, whose identities are whole numbers.
    """
    data = read_bytes(Path(path))
    if b'"track_id"' not in data and b'"bbox_head"' not in data:
        return people
    records = {str(record.id): record for record in _decode(path, data, _File).annotations}
    ordered = [records.get(str(one)) for one in people.file_ids]
    tracks = [None if r is None else r.track_id for r in ordered]
    return replace(
        people,
        track_ids=np.array([NO_TRACK if t is None else int(t) for t in tracks], dtype=np.int64),
        heads_xywh=_read_heads(path, ordered),
    )


def read_result_tracks(
    path: Path | str, truth: Instances, predictions: Predictions
) -> NDArray[np.int64]:
    """Read the (d,) `track_id` of each detection, -1 where it has none.

    Args:
        predictions: of the same file, whose results of images that `truth` does not have may have
            been left out. Forms other than COCO's list have no `track_id`.
    """
    nothing = np.full(len(predictions), NO_TRACK, dtype=np.int64)
    if Path(path).is_dir():
        return nothing
    data = read_bytes(Path(path))
    if b'"track_id"' not in data:
        return nothing
    records = _decode_results(path, data)
    if records is None:
        return nothing
    accepted = {None, *map(str, truth.category_ids)}
    kept = [
        record
        for record in records
        if (None if record.category_id is None else str(record.category_id)) in accepted
    ]
    if len(kept) > len(predictions):
        kept = _keep_known_images(path, kept, truth.images)
    if len(kept) != len(predictions):
        return nothing
    return number_tracks([record.track_id for record in kept])


def _keep_known_images(
    path: Path | str, records: Sequence[_Result], images: Images
) -> list[_Result]:
    """Return the records that the reader of results keeps under `--unknown-images drop`."""
    finder = ResultImages(images, "drop")
    return [
        record
        for index, record in enumerate(records)
        if finder.find_id(record.image_id, record.file_name, f"{path}, entry[{index}]") is not None
    ]


def _decode_results(path: Path | str, data: bytes) -> list[_Result] | None:
    """Decode the records; None for forms of other tools, whose readers have their own tables.

    Raises: InputError for a `track_id` that is neither a number nor text.
    """
    text = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] == b"{" and b'"predictions"' not in text:  # JSON Lines
        text = b"[" + b",".join(bytes(raw) for raw in read_entries(path, data).raws) + b"]"
    try:
        if text[:1] == b"{":
            return msgspec.json.decode(text, type=_NamedResults).predictions
        return msgspec.json.decode(text, type=list[_Result])
    except msgspec.ValidationError as error:
        match = re.search(r"\[(\d+)\]\.track_id`$", str(error))
        if match is None:
            return None
        raise InputError(
            f"{path}, entry[{match[1]}]",
            "track_id is neither a number nor text",
            "correct the entry, or leave out --video",
        ) from None
    except msgspec.DecodeError:
        return None


def _decode(path: Path | str, data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=kind)
    except msgspec.ValidationError as error:
        where = re.sub(r"^\$\.?", "", str(error).rpartition(" - at `")[2].rstrip("`"))
        raise InputError(
            f"{path}, {where or 'the file'}",
            str(error).partition(" - at ")[0].lower(),
            "correct the record, or leave out --video",
        ) from None


def number_tracks(ids: Sequence[int | float | str | None]) -> NDArray[np.int64]:
    """Return (n,) a number for each identity, -1 for none; equal ones have equal numbers."""
    numbers: dict[str, int] = {}
    tracks = np.full(len(ids), NO_TRACK, dtype=np.int64)
    for index, one in enumerate(ids):
        if one is None or one == "" or one == -1 or (isinstance(one, float) and math.isnan(one)):
            continue
        text = str(int(one)) if isinstance(one, float) and one.is_integer() else str(one)
        tracks[index] = numbers.setdefault(text, len(numbers))
    return tracks


def _name_videos(records: Sequence[_Image], images: Images) -> tuple[str, ...]:
    """Name the video of each image; without any name in the file, it is the folder."""
    names = [_get_video_name(record) for record in records]
    if not any(names):
        names = [str(PurePosixPath(name).parent) for name in images.file_names]
    return tuple(names)


def _get_video_name(record: _Image) -> str:
    names = (record.group, record.vid_id, record.video_id)
    return next((str(name) for name in names if name not in (None, "")), "")


def _number_frames(
    path: Path | str, records: Sequence[_Image], videos: Sequence[str]
) -> NDArray[np.int64]:
    frames = np.zeros(len(records), dtype=np.int64)
    first: dict[tuple[str, int], str] = {}
    for row, (record, video) in enumerate(zip(records, videos, strict=True)):
        if not video:
            continue
        where = f"{path}, image {record.id}"
        number = _read_frame_number(record, where)
        other = first.setdefault((video, number), record.file_name or str(record.id))
        if other != (record.file_name or str(record.id)):
            raise InputError(
                where,
                f"{record.file_name or record.id} and {other} are both frame {number} of {video}",
                "give images frame_id, or group by video",
            )
        frames[row] = number
    return frames


def _read_frame_number(record: _Image, where: str) -> int:
    for value in (record.frame_id, record.frame_index):
        if value is None:
            continue
        if not (math.isfinite(value) and value == int(value) and abs(value) <= MAX_FRAME):
            raise InputError(
                where, f"frame number {value} is no whole number", "give its place in the video"
            )
        return int(value)
    match = re.search(r"(\d{1,15})\D*$", PurePosixPath(record.file_name).stem)
    if match is None:
        raise InputError(
            where,
            f"no frame number in {record.file_name[:60] or 'its record'}",
            "give images frame_id, or names that end in the frame's number",
        )
    return int(match[1])


def _read_regions(path: Path | str, record: _Image) -> tuple[Polygon, ...]:
    parts = []
    for values in (record.ignore_regions_x, record.ignore_regions_y):
        inner = [one for one in values or [] if isinstance(one, list)]
        flat = [one for one in values or [] if not isinstance(one, list)]
        parts.append([*inner, flat] if flat else inner)
    xs, ys = parts
    if [len(x) for x in xs] != [len(y) for y in ys]:
        raise InputError(
            f"{path}, image {record.id}",
            "ignore_regions_x and ignore_regions_y differ in length",
            "correct the polygons",
        )
    return tuple(np.array([x, y], dtype=np.float64).T for x, y in zip(xs, ys, strict=True) if x)


def _read_heads(path: Path | str, records: Sequence[_Annotation | None]) -> NDArray[np.float64]:
    heads = np.full((len(records), 4), np.nan)
    for row, record in enumerate(records):
        if record is None or not record.bbox_head:
            continue
        if len(record.bbox_head) != 4:
            raise InputError(
                f"{path}, annotation {record.id}",
                f"bbox_head has {format_count(len(record.bbox_head), 'value')} instead of 4",
                "correct the record",
            )
        heads[row] = record.bbox_head
    return heads
