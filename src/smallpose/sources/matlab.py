"""MATLAB's structs, however they were saved: 1 × 1 arrays, cells, squeezed or empty.

A struct array of one, a cell with one struct and a bare struct mean the same to the people who
saved them, so `records` and `number` look through any nesting.
"""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from smallpose.core.errors import InputError

RESAVE = "fetch the publisher's file again, or resave it whole with -v7"
_HDF5 = b"\x89HDF\r\n\x1a\n"


def load(path: Path, data: bytes, variable: str) -> Any:
    """One variable of a MATLAB file that was read already.

    Raises: InputError for a v7.3 file (that is HDF5), a broken one, or one without the variable.
    """
    from scipy.io import loadmat, whosmat

    if _HDF5 in data[:1024] or data.startswith(b"MATLAB 7.3"):
        raise InputError(str(path), "a MATLAB v7.3 file (HDF5)", "resave it in MATLAB with -v7")
    try:
        names = [name for name, *_ in whosmat(BytesIO(data))]
        found = loadmat(BytesIO(data), variable_names=[variable]) if variable in names else {}
    except Exception as error:  # scipy raises whatever a broken byte leads it to
        reason = str(error) or type(error).__name__
        raise InputError(str(path), f"no readable MATLAB file ({reason})", RESAVE) from None
    if variable not in found:
        raise InputError(str(path), f"no variable {variable} in it", RESAVE)
    return found[variable]


def records(value: Any) -> list[np.void]:
    """Every struct in `value`, in order; none for an empty array or a number."""
    if isinstance(value, np.void):
        return [value]
    if not isinstance(value, np.ndarray):
        return []
    if value.dtype.names:
        return list(value.ravel(order="F"))
    if value.dtype == object:
        return [record for inner in value.ravel(order="F") for record in records(inner)]
    return []


def field(record: np.void, name: str, where: str) -> Any:
    """Raises: InputError naming the field that the struct lacks."""
    if name not in (record.dtype.names or ()):
        raise InputError(where, f"no field {name}", RESAVE)
    return record[name]


def number(value: Any, name: str, where: str) -> float | None:
    """The only number in `value`, also of a character as '1'; None when it is empty.

    Always a float: MATLAB's uint8 would wrap around in the next subtraction.

    Raises: InputError when it is no number, not finite, or several.
    """
    while isinstance(value, np.ndarray):
        if value.size == 0:
            return None
        if value.size > 1:
            raise InputError(where, f"field {name} has {value.size} values instead of one", RESAVE)
        value = value.flat[0]
    if isinstance(value, str) and not value.strip():
        return None
    try:
        out = float(value)
    except (TypeError, ValueError):
        out = float("nan")
    if not np.isfinite(out):
        raise InputError(where, f"field {name} is {str(value)[:40]!r}", "mend or leave it out")
    return out


def text(value: Any) -> str:
    """The only word in `value`; "" when there is none."""
    while isinstance(value, np.ndarray):
        if value.size != 1:
            return ""
        value = value.flat[0]
    return value if isinstance(value, str) else ""
