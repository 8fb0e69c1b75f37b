"""What HiEve's two label forms have in common: frames with people, and their loose scalars.

A number may stand alone, as a string, or in a list of its own.
"""

import math
import re
from dataclasses import dataclass, field
from typing import Any

from smallpose.core.errors import InputError
from smallpose.core.skeleton import HIEVE14
from smallpose.system.files import check_name

Box = tuple[float, float, float, float]
Scalar = list[float | str] | float | str
NOT_LABELLED, SEEN, HIDDEN = -1, 0, 1  # the sheets' flags
K = len(HIEVE14)


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


def frame_number(name: str, where: str) -> int:
    """The number in "000020.jpg" or "20.jpg"; the name must not lead anywhere."""
    check_name(name, where)
    match = re.fullmatch(r"(?:.*/)?([0-9]{1,9})\.[A-Za-z]+", name)
    if match is None:
        raise InputError(where, f"frame name {name[:40]!r} is no number", "name frames 000000.jpg")
    return int(match[1])


def many(value: Any) -> list[Any]:
    """A list, also of what stands there alone."""
    return value if isinstance(value, list) else [value]


def only(value: Any, name: str, where: str) -> Any:
    """What a list of one holds, or what stands there without a list."""
    if not isinstance(value, list):
        return value
    if len(value) != 1:
        raise InputError(where, f"{name} has {len(value)} values instead of one", "mend the record")
    return value[0]


def scalar(value: Scalar, name: str, where: str) -> float:
    """The finite number that stands there alone, as a string, or in a list of one."""
    one: float | str = only(value, name, where)
    try:
        out = float(one)
    except ValueError:
        out = math.nan
    if not math.isfinite(out):
        raise InputError(where, f"{name} is {str(one)[:40]!r} and no number", "mend the record")
    return out
