"""Read MATLAB structs in whatever form they were saved: 1 × 1 arrays, cells, squeezed or empty.

A struct array of one, a cell with one struct and a bare struct mean the same, so
`flatten_structs` and `to_number` look through any nesting.
"""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.system.packages import require_packages

RESAVE = "download the publisher's file again, or save it again with -v7"
_HDF5 = b"\x89HDF\r\n\x1a\n"


def load_variable(path: Path, data: bytes, variable: str) -> Any:
    """Return one variable of a MATLAB file whose bytes were read already.

    Raises: InputError for a v7.3 file (that is HDF5), a broken one, or one without the variable.
    """
    require_packages(str(path), "scipy")
    from scipy.io import loadmat, whosmat

    if _HDF5 in data[:1024] or data.startswith(b"MATLAB 7.3"):
        raise InputError(str(path), "a MATLAB v7.3 file (HDF5)", "save it again in MATLAB with -v7")
    try:
        names = [name for name, *_ in whosmat(BytesIO(data))]
        variables = loadmat(BytesIO(data), variable_names=[variable]) if variable in names else {}
    except Exception as error:  # SciPy raises many types for broken files
        reason = str(error) or type(error).__name__
        raise InputError(str(path), f"not a readable MATLAB file ({reason})", RESAVE) from None
    if variable not in variables:
        raise InputError(str(path), f"it has no variable {variable}", RESAVE)
    return variables[variable]


def flatten_structs(value: Any) -> list[np.void]:
    """List every struct in `value` in order; empty for an empty array or a number."""
    if isinstance(value, np.void):
        return [value]
    if not isinstance(value, np.ndarray):
        return []
    if value.dtype.names:
        return list(value.ravel(order="F"))
    if value.dtype == object:
        return [record for inner in value.ravel(order="F") for record in flatten_structs(inner)]
    return []


def get_field(record: np.void, name: str, where: str) -> Any:
    """Return a field of a struct.

    Raises: InputError naming the field when the struct lacks it.
    """
    if name not in (record.dtype.names or ()):
        raise InputError(where, f"no field {name}", RESAVE)
    return record[name]


def to_number(value: Any, name: str, where: str) -> float | None:
    """Return the only number in `value`, also of a character such as '1'; None when it is empty.

    The result is a float, because MATLAB's uint8 would wrap around in the next subtraction.

    Raises: InputError when it is not a number, not finite, or more than one.
    """
    while isinstance(value, np.ndarray):
        if value.size == 0:
            return None
        if value.size > 1:
            raise InputError(
                where,
                f"field {name} has {format_count(value.size, 'value')} instead of one",
                RESAVE,
            )
        value = value.flat[0]
    if isinstance(value, str) and not value.strip():
        return None
    try:
        out = float(value)
    except (TypeError, ValueError):
        out = float("nan")
    if not np.isfinite(out):
        raise InputError(
            where, f"field {name} is {str(value)[:40]!r}", "correct the value or remove it"
        )
    return out


def to_text(value: Any) -> str:
    """Return the only string in `value`; "" when there is none."""
    while isinstance(value, np.ndarray):
        if value.size != 1:
            return ""
        value = value.flat[0]
    return value if isinstance(value, str) else ""
