"""Decode the JSON of others into typed records, with errors that name the place.

Decoding is done by msgspec. Only when it fails is the text read again, slowly, to tell the user
the byte, the line or the record that is wrong.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from smallpose.core.errors import InputError
from smallpose.system.file_content import describe_content, describe_json_value
from smallpose.system.files import read_bytes

T = TypeVar("T")
_BOM = b"\xef\xbb\xbf"
_REMEDY = "compare it with the format's description"


def read_json(path: Path, kind: type[T]) -> T:
    """Read the file as `kind`, a msgspec type; it may be gzipped or begin with a byte order mark.

    Raises: InputError with the byte and line of broken JSON, or the record with a wrong value.
    """
    return decode_json(path, read_bytes(path), kind)


def decode_json(path: Path | str, data: bytes, kind: type[T], remedy: str = _REMEDY) -> T:
    """Decode bytes that were read already as `read_json`.

    Args:
        path: names the file in errors.
        remedy: for a sound JSON file of another format.
    """
    data = data.removeprefix(_BOM)
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _explain_error(path, data, error, remedy) from None


def refuse_repeated_keys(path: Path | str, data: bytes) -> None:
    """Raise InputError when an object has a key twice; slow, so call it on suspicion only."""

    def check(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(pairs)
        if len(record) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            label = f" (id {record['id']})" if "id" in record else ""
            raise InputError(
                f"{path}{label}", f"key {twice!r} occurs twice in one object", "keep one of them"
            )
        return record

    json.loads(data.removeprefix(_BOM), object_pairs_hook=check)


def _explain_error(path: Path | str, data: bytes, error: Exception, remedy: str) -> InputError:
    """Return the most helpful error for text that msgspec refused."""
    content = describe_content(data)
    if content is not None:
        what, content_remedy = content
        is_empty = what == "the file is empty"
        return InputError(str(path), what if is_empty else f"not JSON but {what}", content_remedy)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as wrong:
        return InputError(
            str(path),
            f"not UTF-8 at byte {wrong.start} {_describe_line(data, wrong.start)}",
            "save it as UTF-8",
        )
    try:
        parsed = json.loads(text)
    except json.JSONDecodeError as wrong:
        byte = len(text[: wrong.pos].encode())
        if wrong.msg == "Extra data" and "\n" in text[: wrong.pos]:
            return InputError(
                str(path),
                f"several JSON documents, the second from byte {byte} "
                f"{_describe_line(data, byte)} on (JSON Lines?)",
                "write one list",
            )
        return InputError(
            str(path),
            f"broken JSON at byte {byte} {_describe_line(data, byte)}",
            "download or write it again",
        )
    except RecursionError:
        return _describe_deep_nesting(path)
    except ValueError as wrong:
        return InputError(str(path), str(wrong), "download or write it again")
    for where, value in _iterate_leaves(parsed, ""):
        if isinstance(value, float) and not math.isfinite(value):
            what = f"{value} is not a number"
            return InputError(f"{path}, {where}", what, "correct the value or leave it out")
    if isinstance(error, RecursionError):
        return _describe_deep_nesting(path)
    message = _simplify_message(error)
    if " - at " not in message:  # the document itself is of another kind
        message = f"{describe_json_value(parsed)} ({message})"
    return InputError(str(path), message, remedy)


def _simplify_message(error: Exception) -> str:
    return str(error).replace("`", "").replace("$.", "")


def _describe_line(data: bytes, byte: int) -> str:
    return f"(line {data.count(bytes([10]), 0, byte) + 1})"


def _describe_deep_nesting(path: Path | str) -> InputError:
    return InputError(str(path), "nested too deep", "give an annotation file; this is none")


def _iterate_leaves(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Yield every leaf with its place, such as `annotations[12] (id 345).bbox[2]`."""
    if isinstance(value, dict):
        label = f" (id {value['id']})" if "id" in value and where else ""
        for key, inner in value.items():
            yield from _iterate_leaves(inner, f"{where}{label}.{key}" if where else str(key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _iterate_leaves(inner, f"{where or 'entry'}[{index}]")
    else:
        yield where, value
