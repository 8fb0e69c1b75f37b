"""HiEve's track2&3: a JSON list of frames per video, every number in a list of its own.

A keypoint that is there is labelled; hidden and seen ones are not told apart.
"""

from collections import Counter
from pathlib import Path

import msgspec
from msgspec import Raw, Struct

from smallpose.core.errors import InputError
from smallpose.sources.hieve_labels import (
    NOT_LABELLED,
    SEEN,
    Box,
    Frame,
    K,
    Scalar,
    frame_number,
    many,
    only,
    scalar,
)
from smallpose.system.files import read_bytes
from smallpose.system.json_decode import decode, refuse_repeated_keys


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


class _Region(Struct):
    point: list[_Xy] | _Xy = []
    x1: Scalar = []
    y1: Scalar = []
    x2: Scalar = []
    y2: Scalar = []


class _Title(Struct):
    image: list[_Name] | _Name


class _Listed(Struct):
    annorect: list[_Person] | _Person = []
    ignore_regions: list[_Region] | _Region = []


class _Annolist(Struct):
    annolist: list[Raw]


def read_annolist(path: Path, every: int, told: Counter[str]) -> tuple[list[Frame], int]:
    """The sampled frames of a video's JSON list, and how many are labelled in all.

    Args:
        every: frames whose number is a multiple of it are read.
        told: counts what was merged or left out.
    """
    data = read_bytes(path)
    raws = decode(path, data, _Annolist).annolist
    if data.count(b'"annorect"') > len(raws) or data.count(b'"annolist"') > 1:
        refuse_repeated_keys(path, data)
    first: dict[int, int] = {}
    frames = []
    for place, raw in enumerate(raws):
        where = f"{path}, annolist[{place}]"
        title = only(decode(where, bytes(raw), _Title).image, "image", where)
        number = frame_number(str(only(title.name, "image.name", where)), where)
        start = first.setdefault(number, place)
        if start != place:
            if msgspec.json.decode(raws[start]) != msgspec.json.decode(raw):
                raise InputError(
                    f"{path}, annolist[{start}] and [{place}]",
                    f"frame {number} stands there twice and differs",
                    "keep one of them",
                )
            told["repeated frames merged"] += 1
        elif number % every == 0:
            frames.append(_listed(number, decode(where, bytes(raw), _Listed), where))
    return sorted(frames, key=lambda f: f.number), len(first)


def _listed(number: int, listed: _Listed, where: str) -> Frame:
    frame = Frame(number, f"{where} (frame {number})")
    for count, person in enumerate(many(listed.annorect), 1):
        here = f"{frame.where}, person {count}"
        points = [p for group in many(person.annopoints) for p in many(group.point)]
        frame.people.append((_box(person, here), _points(points, here)))
    for count, region in enumerate(many(listed.ignore_regions), 1):
        frame.regions.append(_region(region, f"{frame.where}, ignore region {count}"))
    return frame


def _points(points: list[_Point], where: str) -> list[float]:
    flat: list[float] = [0.0, 0.0, NOT_LABELLED] * K
    for point in points:
        joint = scalar(point.id, "id", where)
        if joint not in range(K):
            raise InputError(where, f"keypoint id {joint:g}", f"ids are 0 to {K - 1}")
        at = 3 * int(joint)
        new = [scalar(point.x, "x", where), scalar(point.y, "y", where), SEEN]
        if flat[at + 2] != NOT_LABELLED and flat[at : at + 3] != new:
            raise InputError(where, f"keypoint {joint:g} stands there twice", "keep one of them")
        flat[at : at + 3] = new
    return flat


def _box(corners: _Corners | _Region, where: str) -> Box:
    values = (corners.x1, corners.y1, corners.x2, corners.y2)
    x1, y1, x2, y2 = (
        scalar(v, n, where) for v, n in zip(values, ("x1", "y1", "x2", "y2"), strict=True)
    )
    return x1, y1, x2 - x1, y2 - y1


def _region(region: _Region, where: str) -> Box:
    points = many(region.point)
    if not points:
        return _box(region, where)
    xs = [scalar(p.x, "x", where) for p in points]
    ys = [scalar(p.y, "y", where) for p in points]
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
