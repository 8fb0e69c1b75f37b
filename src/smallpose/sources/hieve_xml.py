"""Read HiEve's all-track: one file per frame, which distinguishes hidden from visible keypoints.

The publisher calls the files XML and shows them as JSON in the documentation, so the first
character decides and not the file name.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
from msgspec import Struct

from smallpose.core.errors import InputError
from smallpose.core.skeleton import HIEVE14
from smallpose.sources.hieve_labels import (
    NOT_LABELLED,
    Frame,
    K,
    Person,
    Scalar,
    as_list,
    parse_frame_number,
    to_scalar,
    unwrap_single,
)
from smallpose.sources.locate import find_files, name_before_first_dot
from smallpose.system.files import read_bytes
from smallpose.system.json_decode import decode_json, refuse_repeated_keys
from smallpose.system.xml_decode import parse_xml

CORNERS = ("xmin", "ymin", "xmax", "ymax")


class _Size(Struct):
    width: Scalar = 0
    height: Scalar = 0


class _Object(Struct):
    bndbox: dict[str, Scalar]
    name: str | int | None = None


class _FrameFile(Struct):
    filename: str = ""
    size: _Size | None = None
    object: list[_Object] | _Object = []


class _Wrapped(Struct):
    annotation: _FrameFile


def read_frame_files(
    folder: Path, frame_step: int, note_counts: Counter[str]
) -> tuple[list[Frame], int]:
    """Read the sampled frames of a video's folder and the number of its label files.

    The file name decides which frame it is. Arguments as in `hieve_json.read_annolist`.
    """
    paths = find_files(folder, "*.xml")
    frames = []
    first: dict[int, Path] = {}
    for path in paths:
        number = parse_frame_number(f"{name_before_first_dot(path)}.xml", str(path))
        if number in first:
            raise InputError(
                str(path),
                f"frame {number} is also in {first[number].name}",
                "keep one of the two files",
            )
        first[number] = path
        if number % frame_step == 0:
            frames.append(_to_frame(number, _parse_file(path), str(path), note_counts))
    return sorted(frames, key=lambda f: f.number), len(paths)


def _to_frame(number: int, frame_file: _FrameFile, where: str, note_counts: Counter[str]) -> Frame:
    if frame_file.filename and parse_frame_number(frame_file.filename, where) != number:
        note_counts[
            "label files have the name of another frame inside; the file name was used"
        ] += 1
    size = frame_file.size or _Size()
    frame = Frame(
        number,
        where,
        int(to_scalar(size.width, "width", where)),
        int(to_scalar(size.height, "height", where)),
    )
    for count, person in enumerate(as_list(frame_file.object), 1):
        location = f"{where}, person {count}"
        missing = [c for c in CORNERS if c not in person.bndbox]
        if missing:
            raise InputError(location, f"bndbox has no {missing[0]}", "correct the record")
        x1, y1, x2, y2 = (to_scalar(person.bndbox[c], c, location) for c in CORNERS)
        frame.people.append(
            Person(
                box=(x1, y1, x2 - x1, y2 - y1),
                points=_read_points(person.bndbox, location, note_counts),
                track_id=_parse_track(person.name),
            )
        )
    return frame


def _parse_track(name: str | int | None) -> int | None:
    """Return the identity in a name such as "P-12"; None for other names."""
    match = re.fullmatch(r"P-?([0-9]{1,9})", str(name).strip(), re.IGNORECASE)
    return None if match is None else int(match[1])


def _normalise_joint_name(name: str) -> str:
    """Return the joint that "Right-shoulder", "R-Shoulder" and "RShoulder" name.

    The publisher's documentation shows only a few of the names.
    """
    words = re.sub(r"^([LR])(?=[A-Z])", r"\1_", name.strip())
    words = re.sub(r"[^a-z]+", "_", words.lower())
    return re.sub(r"^r_", "right_", re.sub(r"^l_", "left_", words))


def _read_points(bndbox: dict[str, Scalar], where: str, note_counts: Counter[str]) -> list[float]:
    """Return x, y, flag of each joint, from entries such as "Right-shoulder": "928,185,0"."""
    flat: list[float] = [0.0, 0.0, NOT_LABELLED] * K
    for name, value in bndbox.items():
        joint = _normalise_joint_name(name)
        if joint in HIEVE14.joints:
            parts = str(unwrap_single(value, name, where)).split(",")
            if len(parts) != 3:
                raise InputError(where, f"{name} is {str(value)[:40]!r}", 'it should be "x,y,flag"')
            start = 3 * HIEVE14.joints.index(joint)
            flat[start : start + 3] = [to_scalar(p, name, where) for p in parts]
        elif name not in CORNERS:
            if "," in str(value) and not isinstance(value, list):
                raise InputError(where, f"HiEve has no joint {name!r}", "correct the record")
            note_counts[f"unknown keys {name!r} in a bndbox ignored"] += 1
    return flat


def _parse_file(path: Path) -> _FrameFile:
    data = read_bytes(path).removeprefix(b"\xef\xbb\xbf").strip()
    if data.startswith(b"{"):
        data = _escape_backslashes(data)
        sheet = decode_json(path, data, _Wrapped).annotation
        refuse_repeated_keys(path, data)
        return sheet
    # The only words in other alphabets are in folder names, which are not read.
    return _convert_xml(parse_xml(path, data), path)


def _escape_backslashes(data: bytes) -> bytes:
    """Double single backslashes.

    The publisher's own example has Windows paths with single backslashes, which JSON forbids.
    """

    def double(match: re.Match[bytes]) -> bytes:
        return match[0] if match[1] else rb"\\"

    return re.sub(rb'\\(["\\/bfnrtu])|\\', double, data)


def _convert_xml(root: ElementTree.Element, path: Path) -> _FrameFile:
    if root.tag != "annotation":
        raise InputError(
            str(path),
            f"XML with root {root.tag[:40]!r}",
            "give a file that begins with <annotation>",
        )
    size = root.find("size")
    people = []
    for count, person in enumerate(root.findall("object"), 1):
        inner = person.find("bndbox")
        values = {} if inner is None else {e.tag: e.text or "" for e in inner}
        if inner is not None and len(values) < len(inner):
            raise InputError(
                f"{path}, person {count}", "a key of bndbox is repeated", "keep one of them"
            )
        record = {} if inner is None else {"bndbox": values}
        people.append(record | {"name": person.findtext("name")})
    plain: dict[str, Any] = {"filename": (root.findtext("filename") or "").strip()}
    plain["size"] = None if size is None else {e.tag: e.text or "0" for e in size}
    try:
        return msgspec.convert(plain | {"object": people}, _FrameFile)
    except msgspec.ValidationError as error:
        what = str(error).replace("`", "").replace("$.", "")
        raise InputError(str(path), what, "correct the record or remove it") from None
