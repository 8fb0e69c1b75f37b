"""HiEve's two label forms as frames with people: JSON lists (track2&3) and sheets (all-track).

The sheets are called XML and shown as JSON on the publisher's page, so the first character decides
and not the file's name. The lists keep every number in a list of its own.
"""

import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
from msgspec import Raw, Struct

from smallpose.core.errors import InputError, RefusedError
from smallpose.core.files import check_name, read_bytes
from smallpose.core.json_text import decode, refuse_repeated_keys
from smallpose.core.skeleton import HIEVE14
from smallpose.sources.places import files, stem

Box = tuple[float, float, float, float]
Scalar = list[float | str] | float | str
NOT_LABELLED, SEEN = -1, 0  # the sheets' flags; 1 is hidden
K = len(HIEVE14)
CORNERS = ("xmin", "ymin", "xmax", "ymax")


@dataclass
class Frame:
    """A labelled frame.

    Args:
        number: 0-based, in the video.
        where: its place, for messages.
        width, height: px; 0 where the labels do not say.
        people: box (x, y, w, h) and x, y, flag of the 14 joints of each.
        regions: boxes of regions whose people are not labelled.
    """

    number: int
    where: str
    width: int = 0
    height: int = 0
    people: list[tuple[Box, list[float]]] = field(default_factory=list)
    regions: list[Box] = field(default_factory=list)


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
        title = _only(decode(where, bytes(raw), _Title).image, "image", where)
        number = frame_number(str(_only(title.name, "image.name", where)), where)
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
    for count, person in enumerate(_many(listed.annorect), 1):
        here = f"{frame.where}, person {count}"
        points = [p for group in _many(person.annopoints) for p in _many(group.point)]
        frame.people.append((_box(person, here), _points(points, here)))
    for count, region in enumerate(_many(listed.ignore_regions), 1):
        frame.regions.append(_region(region, f"{frame.where}, ignore region {count}"))
    return frame


def _points(points: list[_Point], where: str) -> list[float]:
    flat: list[float] = [0.0, 0.0, NOT_LABELLED] * K
    for point in points:
        joint = _number(point.id, "id", where)
        if joint not in range(K):
            raise InputError(where, f"keypoint id {joint:g}", f"ids are 0 to {K - 1}")
        at = 3 * int(joint)
        new = [_number(point.x, "x", where), _number(point.y, "y", where), SEEN]
        if flat[at + 2] != NOT_LABELLED and flat[at : at + 3] != new:
            raise InputError(where, f"keypoint {joint:g} stands there twice", "keep one of them")
        flat[at : at + 3] = new
    return flat


def _box(corners: _Corners | _Region, where: str) -> Box:
    values = (corners.x1, corners.y1, corners.x2, corners.y2)
    x1, y1, x2, y2 = (
        _number(v, n, where) for v, n in zip(values, ("x1", "y1", "x2", "y2"), strict=True)
    )
    return x1, y1, x2 - x1, y2 - y1


def _region(region: _Region, where: str) -> Box:
    points = _many(region.point)
    if not points:
        return _box(region, where)
    xs = [_number(p.x, "x", where) for p in points]
    ys = [_number(p.y, "y", where) for p in points]
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def frame_number(name: str, where: str) -> int:
    """The number in "000020.jpg" or "20.jpg"; the name must not lead anywhere."""
    check_name(name, where)
    match = re.fullmatch(r"(?:.*/)?([0-9]{1,9})\.[A-Za-z]+", name)
    if match is None:
        raise InputError(where, f"frame name {name[:40]!r} is no number", "name frames 000000.jpg")
    return int(match[1])


class _Size(Struct):
    width: Scalar = 0
    height: Scalar = 0


class _Object(Struct):
    bndbox: dict[str, Scalar]


class _Sheet(Struct):
    filename: str = ""
    size: _Size | None = None
    object: list[_Object] | _Object = []


class _Wrapped(Struct):
    annotation: _Sheet


def read_sheets(folder: Path, every: int, told: Counter[str]) -> tuple[list[Frame], int]:
    """The sampled frames of a video's folder of sheets, and how many sheets there are.

    The sheet's own name says which frame it is. Arguments as of `read_annolist`.
    """
    sheets = files(folder, "*.xml")
    frames = []
    first: dict[int, Path] = {}
    for path in sheets:
        number = frame_number(f"{stem(path)}.xml", str(path))
        if number in first:
            raise InputError(
                str(path), f"frame {number} is {first[number].name} too", "keep one of them"
            )
        first[number] = path
        if number % every == 0:
            frames.append(_of_sheet(number, _parse(path), str(path), told))
    return sorted(frames, key=lambda f: f.number), len(sheets)


def _of_sheet(number: int, sheet: _Sheet, where: str, told: Counter[str]) -> Frame:
    if sheet.filename and frame_number(sheet.filename, where) != number:
        told["sheets name another frame inside than outside; the outer was taken"] += 1
    size = sheet.size or _Size()
    frame = Frame(
        number,
        where,
        int(_number(size.width, "width", where)),
        int(_number(size.height, "height", where)),
    )
    for count, person in enumerate(_many(sheet.object), 1):
        here = f"{where}, person {count}"
        lacking = [c for c in CORNERS if c not in person.bndbox]
        if lacking:
            raise InputError(here, f"bndbox has no {lacking[0]}", "mend the record")
        x1, y1, x2, y2 = (_number(person.bndbox[c], c, here) for c in CORNERS)
        frame.people.append(((x1, y1, x2 - x1, y2 - y1), _named_points(person.bndbox, here, told)))
    return frame


def _named_points(bndbox: dict[str, Scalar], where: str, told: Counter[str]) -> list[float]:
    """x, y, flag of each joint out of "Right-shoulder": "928,185,0"."""
    flat: list[float] = [0.0, 0.0, NOT_LABELLED] * K
    for name, value in bndbox.items():
        joint = re.sub(r"[^a-z]", "_", name.strip().lower())
        if joint in HIEVE14.joints:
            parts = str(_only(value, name, where)).split(",")
            if len(parts) != 3:
                raise InputError(where, f"{name} is {str(value)[:40]!r}", 'it should be "x,y,flag"')
            at = 3 * HIEVE14.joints.index(joint)
            flat[at : at + 3] = [_number(p, name, where) for p in parts]
        elif name not in CORNERS:
            if "," in str(value) and not isinstance(value, list):
                raise InputError(where, f"no joint of HiEve is called {name!r}", "mend the record")
            told[f"times an unknown key {name!r} of a bndbox was left alone"] += 1
    return flat


def _parse(path: Path) -> _Sheet:
    data = read_bytes(path).removeprefix(b"\xef\xbb\xbf").strip()
    if data.startswith(b"{"):
        return decode(path, _escape(data), _Wrapped).annotation
    # As text, so that no declared encoding can hide what is looked for here; the only words in
    # other alphabets are in folder names, which nobody reads.
    text = data.decode("utf-8", "replace")
    if "<!" in re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL):
        raise RefusedError(
            str(path),
            "XML with declarations (<!DOCTYPE, <!ENTITY)",
            "take them out; labels need none",
        )
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise InputError(str(path), f"broken XML ({error})", "fetch or write it again") from None
    return _of_xml(root, path)


def _escape(data: bytes) -> bytes:
    """The page's own example has Windows paths with single backslashes, which JSON forbids."""
    keep: Callable[[re.Match[bytes]], bytes] = lambda m: m[0] if m[1] else rb"\\"  # noqa: E731
    return re.sub(rb'\\(["\\/bfnrtu])|\\', keep, data)


def _of_xml(root: ElementTree.Element, path: Path) -> _Sheet:
    if root.tag != "annotation":
        raise InputError(str(path), f"XML of {root.tag[:40]!r}", "HiEve's begins with <annotation>")
    size = root.find("size")
    people = []
    for person in root.findall("object"):
        inner = person.find("bndbox")
        people.append({} if inner is None else {"bndbox": {e.tag: e.text or "" for e in inner}})
    plain: dict[str, Any] = {"filename": (root.findtext("filename") or "").strip()}
    plain["size"] = None if size is None else {e.tag: e.text or "0" for e in size}
    try:
        return msgspec.convert(plain | {"object": people}, _Sheet)
    except msgspec.ValidationError as error:
        what = str(error).replace("`", "").replace("$.", "")
        raise InputError(str(path), what, "mend the record or leave it out") from None


def _many(value: Any) -> list[Any]:
    """A list, also of what stands there alone."""
    return value if isinstance(value, list) else [value]


def _only(value: Any, name: str, where: str) -> Any:
    """What a list of one holds, or what stands there without a list."""
    if not isinstance(value, list):
        return value
    if len(value) != 1:
        raise InputError(where, f"{name} has {len(value)} values instead of one", "mend the record")
    return value[0]


def _number(value: Scalar, name: str, where: str) -> float:
    one: float | str = _only(value, name, where)
    try:
        out = float(one)
    except ValueError:
        out = math.nan
    if not math.isfinite(out):
        raise InputError(where, f"{name} is {str(value)[:40]!r} and no number", "mend the record")
    return out
