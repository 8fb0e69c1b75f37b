"""HiEve's all-track: a sheet per frame, which tells hidden keypoints from seen ones.

The publisher calls the sheets XML and shows them as JSON on the format's page, so the first
character decides and not the file's name.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
from msgspec import Struct

from smallpose.core.errors import InputError, RefusedError
from smallpose.core.skeleton import HIEVE14
from smallpose.sources.hieve_labels import (
    NOT_LABELLED,
    Frame,
    K,
    Scalar,
    frame_number,
    many,
    only,
    scalar,
)
from smallpose.sources.locate import files, stem
from smallpose.system.files import read_bytes
from smallpose.system.json_decode import decode, refuse_repeated_keys

CORNERS = ("xmin", "ymin", "xmax", "ymax")


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
        int(scalar(size.width, "width", where)),
        int(scalar(size.height, "height", where)),
    )
    for count, person in enumerate(many(sheet.object), 1):
        here = f"{where}, person {count}"
        lacking = [c for c in CORNERS if c not in person.bndbox]
        if lacking:
            raise InputError(here, f"bndbox has no {lacking[0]}", "mend the record")
        x1, y1, x2, y2 = (scalar(person.bndbox[c], c, here) for c in CORNERS)
        frame.people.append(((x1, y1, x2 - x1, y2 - y1), _named_points(person.bndbox, here, told)))
    return frame


def _joint(name: str) -> str:
    """ "Right-shoulder", "R-Shoulder" and "RShoulder" are one joint; the page shows few of them."""
    words = re.sub(r"^([LR])(?=[A-Z])", r"\1_", name.strip())
    words = re.sub(r"[^a-z]+", "_", words.lower())
    return re.sub(r"^r_", "right_", re.sub(r"^l_", "left_", words))


def _named_points(bndbox: dict[str, Scalar], where: str, told: Counter[str]) -> list[float]:
    """x, y, flag of each joint out of "Right-shoulder": "928,185,0"."""
    flat: list[float] = [0.0, 0.0, NOT_LABELLED] * K
    for name, value in bndbox.items():
        joint = _joint(name)
        if joint in HIEVE14.joints:
            parts = str(only(value, name, where)).split(",")
            if len(parts) != 3:
                raise InputError(where, f"{name} is {str(value)[:40]!r}", 'it should be "x,y,flag"')
            at = 3 * HIEVE14.joints.index(joint)
            flat[at : at + 3] = [scalar(p, name, where) for p in parts]
        elif name not in CORNERS:
            if "," in str(value) and not isinstance(value, list):
                raise InputError(where, f"no joint of HiEve is called {name!r}", "mend the record")
            told[f"times an unknown key {name!r} of a bndbox was left alone"] += 1
    return flat


def _parse(path: Path) -> _Sheet:
    data = read_bytes(path).removeprefix(b"\xef\xbb\xbf").strip()
    if data.startswith(b"{"):
        data = _escape(data)
        sheet = decode(path, data, _Wrapped).annotation
        refuse_repeated_keys(path, data)
        return sheet
    # As text, so that no declared encoding can hide what is looked for here; the only words in
    # other alphabets are in folder names, which nobody reads.
    text = data.decode("utf-8", "replace")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise RefusedError(
            str(path),
            "XML with a <!DOCTYPE or <!ENTITY, which can grow without bound",
            "take it out; labels need none",
        )
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise InputError(str(path), f"broken XML ({error})", "fetch or write it again") from None
    return _of_xml(root, path)


def _escape(data: bytes) -> bytes:
    """The page's own example has Windows paths with single backslashes, which JSON forbids."""

    def double(match: re.Match[bytes]) -> bytes:
        return match[0] if match[1] else rb"\\"

    return re.sub(rb'\\(["\\/bfnrtu])|\\', double, data)


def _of_xml(root: ElementTree.Element, path: Path) -> _Sheet:
    if root.tag != "annotation":
        raise InputError(str(path), f"XML of {root.tag[:40]!r}", "HiEve's begins with <annotation>")
    size = root.find("size")
    people = []
    for count, person in enumerate(root.findall("object"), 1):
        inner = person.find("bndbox")
        values = {} if inner is None else {e.tag: e.text or "" for e in inner}
        if inner is not None and len(values) < len(inner):
            raise InputError(
                f"{path}, person {count}", "a key of bndbox stands there twice", "keep one of them"
            )
        people.append({} if inner is None else {"bndbox": values})
    plain: dict[str, Any] = {"filename": (root.findtext("filename") or "").strip()}
    plain["size"] = None if size is None else {e.tag: e.text or "0" for e in size}
    try:
        return msgspec.convert(plain | {"object": people}, _Sheet)
    except msgspec.ValidationError as error:
        what = str(error).replace("`", "").replace("$.", "")
        raise InputError(str(path), what, "mend the record or leave it out") from None
