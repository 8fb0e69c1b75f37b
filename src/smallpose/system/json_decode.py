"""JSON of other people's making, decoded into typed records, with errors that say where.

The fast path is msgspec. Only when that fails is the text read again, slowly, to tell the user the
byte, the line or the record at fault.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from smallpose.core.errors import InputError
from smallpose.system.files import read_bytes

T = TypeVar("T")
_BOM = b"\xef\xbb\xbf"


def read_json(path: Path, kind: type[T]) -> T:
    """The file decoded as `kind`, a msgspec type; `.gz` and a byte order mark are understood.

    Raises: InputError with the byte and line of broken JSON, or the record with a wrong value.
    """
    return decode(path, read_bytes(path), kind)


def decode(path: Path | str, data: bytes, kind: type[T]) -> T:
    """As `read_json`, for bytes that were read already; `path` only names them."""
    data = data.removeprefix(_BOM)
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _explain(path, data, error) from None


def refuse_repeated_keys(path: Path | str, data: bytes) -> None:
    """Raises InputError when an object names a key twice; slow, so only call it on suspicion."""

    def check(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(pairs)
        if len(record) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            label = f" (id {record['id']})" if "id" in record else ""
            raise InputError(
                f"{path}{label}", f"key {twice!r} stands twice in one object", "keep one of them"
            )
        return record

    json.loads(data.removeprefix(_BOM), object_pairs_hook=check)


def _explain(path: Path | str, data: bytes, error: Exception) -> InputError:
    """The most helpful message for text that msgspec would not have."""
    if not data.strip():
        return InputError(str(path), "the file is empty", "write it again")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as wrong:
        return InputError(
            str(path), f"not UTF-8 at byte {wrong.start} {_line(data, wrong.start)}", "save it so"
        )
    try:
        parsed = json.loads(text)
    except json.JSONDecodeError as wrong:
        byte = len(text[: wrong.pos].encode())
        return InputError(
            str(path), f"broken JSON at byte {byte} {_line(data, byte)}", "fetch or write it again"
        )
    except RecursionError:
        return InputError(str(path), "nested too deep", "this is no annotation file")
    except ValueError as wrong:
        return InputError(str(path), str(wrong), "write it again")
    for where, value in _walk(parsed, "", ""):
        if isinstance(value, float) and not math.isfinite(value):
            return InputError(f"{path}, {where}", f"{value} is no number", "mend or leave it out")
    if isinstance(error, RecursionError):
        return InputError(str(path), "nested too deep", "this is no annotation file")
    return InputError(str(path), _plain(error), "compare it with the format's description")


def _plain(error: Exception) -> str:
    return str(error).replace("`", "").replace("$.", "")


def _line(data: bytes, byte: int) -> str:
    return f"(line {data.count(bytes([10]), 0, byte) + 1})"


def _walk(value: Any, where: str, record: str) -> Iterator[tuple[str, Any]]:
    """Every leaf with its place, such as `annotations[12] (id 345).bbox[2]`."""
    if isinstance(value, dict):
        label = f" (id {value['id']})" if "id" in value and where else ""
        for key, inner in value.items():
            yield from _walk(inner, f"{where}{label}.{key}" if where else str(key), record)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _walk(inner, f"{where or 'entry'}[{number}]", record)
    else:
        yield where, value
