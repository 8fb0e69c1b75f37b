"""Read HiEve's track2&3: a JSON list of frames per video, every number in a list of its own.

A listed keypoint is labelled; the format does not distinguish hidden from visible ones.
"""

from collections import Counter
from pathlib import Path

import msgspec
from msgspec import Raw, Struct

from smallpose.core.errors import InputError
from smallpose.io.duplicates import drop_duplicates
from smallpose.sources.hieve_labels import (
    NOT_LABELLED,
    SEEN,
    Box,
    Frame,
    K,
    Person,
    Scalar,
    as_list,
    parse_frame_number,
    read_track_id,
    to_scalar,
    unwrap_single,
)
from smallpose.system.files import read_bytes
from smallpose.system.json_decode import decode_json, refuse_repeated_keys


class _Name(Struct):
    name: str | list[str]


class _Xy(Struct):
    x: Scalar
    y: Scalar


class _Point(_Xy):
    id: Scalar


class _Points(Struct):
    point: list[_Point] | _Point = []


class _Corners(Struct):
    x1: Scalar
    y1: Scalar
    x2: Scalar
    y2: Scalar


class _Person(_Corners):
    annopoints: list[_Points] | _Points = []
    track_id: Scalar | None = None


class _Region(Struct):
    point: list[_Xy] | _Xy = []
    x1: Scalar = []
    y1: Scalar = []
    x2: Scalar = []
    y2: Scalar = []


class _ImageRecord(Struct):
    image: list[_Name] | _Name


class _FrameRecord(Struct):
    annorect: list[_Person] | _Person = []
    ignore_regions: list[_Region] | _Region = []


class _Annolist(Struct):
    annolist: list[Raw]


def read_annolist(
    path: Path, frame_step: int, note_counts: Counter[str]
) -> tuple[list[Frame], int]:
    """Read the sampled frames of a video's JSON list and the number of its labelled frames.

    Args:
        frame_step: frames whose number is a multiple of it are read.
        note_counts: counts what was merged or left out.
    """
    data = read_bytes(path)
    raws = decode_json(path, data, _Annolist).annolist
    if data.count(b'"annorect"') > len(raws) or data.count(b'"annolist"') > 1:
        refuse_repeated_keys(path, data)
    numbers = [_read_frame_number(raw, f"{path}, annolist[{i}]") for i, raw in enumerate(raws)]
    unique = list(
        drop_duplicates(
            enumerate(numbers),
            key=lambda number: number,
            is_equal=lambda i, j: msgspec.json.decode(raws[i]) == msgspec.json.decode(raws[j]),
            where=f"{path}, annolist",
            describe=lambda number: f"frame number {number}",
        )
    )
    if len(unique) < len(raws):
        note_counts["repeated frames merged"] += len(raws) - len(unique)
    frames = []
    for index, number in unique:
        if number % frame_step == 0:
            where = f"{path}, annolist[{index}]"
            record = decode_json(where, bytes(raws[index]), _FrameRecord)
            frames.append(_to_frame(number, record, where))
    return sorted(frames, key=lambda f: f.number), len(unique)


def _read_frame_number(raw: Raw, where: str) -> int:
    image = unwrap_single(decode_json(where, bytes(raw), _ImageRecord).image, "image", where)
    return parse_frame_number(str(unwrap_single(image.name, "image.name", where)), where)


def _to_frame(number: int, listed: _FrameRecord, where: str) -> Frame:
    frame = Frame(number, f"{where} (frame {number})")
    for count, person in enumerate(as_list(listed.annorect), 1):
        location = f"{frame.where}, person {count}"
        points = [p for group in as_list(person.annopoints) for p in as_list(group.point)]
        frame.people.append(
            Person(
                box=_read_box(person, location),
                points=_read_points(points, location),
                track_id=read_track_id(person.track_id, location),
            )
        )
    for count, region in enumerate(as_list(listed.ignore_regions), 1):
        frame.regions.append(_read_region(region, f"{frame.where}, ignore region {count}"))
    return frame


def _read_points(points: list[_Point], where: str) -> list[float]:
    flat: list[float] = [0.0, 0.0, NOT_LABELLED] * K
    for point in points:
        joint = to_scalar(point.id, "id", where)
        if joint not in range(K):
            raise InputError(where, f"keypoint id {joint:g}", f"ids are 0 to {K - 1}")
        start = 3 * int(joint)
        new = [to_scalar(point.x, "x", where), to_scalar(point.y, "y", where), SEEN]
        if flat[start + 2] != NOT_LABELLED and flat[start : start + 3] != new:
            raise InputError(where, f"keypoint {joint:g} is listed twice", "keep one of them")
        flat[start : start + 3] = new
    return flat


def _read_box(corners: _Corners | _Region, where: str) -> Box:
    values = (corners.x1, corners.y1, corners.x2, corners.y2)
    x1, y1, x2, y2 = (
        to_scalar(v, n, where) for v, n in zip(values, ("x1", "y1", "x2", "y2"), strict=True)
    )
    return x1, y1, x2 - x1, y2 - y1


def _read_region(region: _Region, where: str) -> Box:
    points = as_list(region.point)
    if not points:
        return _read_box(region, where)
    xs = [to_scalar(p.x, "x", where) for p in points]
    ys = [to_scalar(p.y, "y", where) for p in points]
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
