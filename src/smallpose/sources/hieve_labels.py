"""Define what HiEve's two label formats share: frames with people, and loosely typed scalars.

A number may be a number, a string, or a list with one element.
"""

import math
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.skeleton import HIEVE14
from smallpose.system.files import check_file_name

Box = tuple[float, float, float, float]
Scalar = list[float | str] | float | str
# flags of the XML files
NOT_LABELLED = -1
SEEN = 0
HIDDEN = 1
K = len(HIEVE14)


class Person(NamedTuple):
    """A labelled person.

    Args:
        box: x, y, w, h, px.
        points: x, y, flag of the 14 joints.
        track_id: identity in the video; None where the file has none.
    """

    box: Box
    points: list[float]
    track_id: int | None = None


@dataclass
class Frame:
    """A labelled frame.

    Args:
        number: 0-based, in the video.
        where: its location, for messages.
        width, height: px; 0 where the labels lack it.
        people: those who are labelled.
        regions: boxes of regions whose people are not labelled.
    """

    number: int
    where: str
    width: int = 0
    height: int = 0
    people: list[Person] = field(default_factory=list)
    regions: list[Box] = field(default_factory=list)


def parse_frame_number(name: str, where: str) -> int:
    """Return the number in "000020.jpg" or "20.jpg"; the name must not leave its folder."""
    check_file_name(name, where)
    match = re.fullmatch(r"(?:.*/)?([0-9]{1,9})\.[A-Za-z]+", name)
    if match is None:
        raise InputError(
            where, f"frame name {name[:40]!r} is not a number", "name frames 000000.jpg"
        )
    return int(match[1])


def as_list(value: Any) -> list[Any]:
    """Return `value` if it is a list, else a list with it."""
    return value if isinstance(value, list) else [value]


def unwrap_single(value: Any, name: str, where: str) -> Any:
    """Return the only element of a list, or `value` if it is no list."""
    if not isinstance(value, list):
        return value
    if len(value) != 1:
        raise InputError(
            where,
            f"{name} has {format_count(len(value), 'value')} instead of one",
            "correct the record",
        )
    return value[0]


def read_track_id(value: Scalar | None, where: str) -> int | None:
    """Return a person's identity; None without one, and where it is negative.

    Raises: InputError where it is no whole number.
    """
    if value is None or value == []:
        return None
    number = to_scalar(value, "track_id", where)
    if number != int(number) or number >= 2**53:
        raise InputError(where, f"track_id is {number:g}, no whole number", "correct the record")
    return int(number) if number >= 0 else None


def to_scalar(value: Scalar, name: str, where: str) -> float:
    """Return the finite number that is given as a number, a string or a list of one."""
    one: float | str = unwrap_single(value, name, where)
    try:
        out = float(one)
    except ValueError:
        out = math.nan
    if not math.isfinite(out):
        raise InputError(
            where, f"{name} is {str(one)[:40]!r} and not a number", "correct the record"
        )
    return out
