"""Decode the JSON of others into typed records, with errors that name the place.

Decoding is done by msgspec. Only when it fails is the text read again, slowly, to tell the user
the byte, the line or the record that is wrong.
"""

import codecs
import json
import math
from collections import Counter
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from smallpose.core.errors import InputError
from smallpose.system.file_content import describe_content, describe_json_value
from smallpose.system.files import read_bytes

T = TypeVar("T")
_BOM = b"\xef\xbb\xbf"
_BLOCK_BYTES = 1 << 20
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
        value = msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _explain_error(path, data, error, remedy) from None
    if not is_utf8(data):  # msgspec does not look into the strings that it skips
        raise _explain_encoding(path, data)
    return value


def is_utf8(data: bytes) -> bool:
    """Return whether all bytes are UTF-8, without decoding them all at once."""
    if data.isascii():
        return True
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), _BLOCK_BYTES):
            decoder.decode(data[start : start + _BLOCK_BYTES])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def refuse_repeated_keys(path: Path | str, data: bytes) -> None:
    """Raise InputError when an object has a key twice; slow, so call it on suspicion only."""

    def check(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(pairs)
        if len(record) < len(pairs):
            label = f" (id {record['id']})" if "id" in record else ""
            raise describe_repeated_key(f"{path}{label}", _find_repeated(pairs))
        return record

    _load_pairs(path, data, check)


def find_repeated_key(path: Path | str, data: bytes, names: Container[str]) -> str | None:
    """Return which of the names the outermost object of a JSON text has twice; None for none.

    Slow, so call it on suspicion only.
    """
    outermost: list[tuple[str, Any]] = []

    def keep_last(pairs: list[tuple[str, Any]]) -> None:
        outermost[:] = pairs

    _load_pairs(path, data, keep_last)
    known = [(name, None) for name, _ in outermost if name in names]
    return _find_repeated(known) if len(dict(known)) < len(known) else None


def describe_repeated_key(where: str, key: str) -> InputError:
    """Return the error for an object that has a key twice."""
    return InputError(where, f"key {key!r} occurs twice in one object", "keep one of them")


def _find_repeated(pairs: list[tuple[str, Any]]) -> str:
    counts = Counter(name for name, _ in pairs)
    return next(name for name, count in counts.items() if count > 1)


def _load_pairs(
    path: Path | str, data: bytes, hook: Callable[[list[tuple[str, Any]]], object]
) -> None:
    """Decode text that msgspec has read already; `hook` gets the members of every object."""
    try:
        json.loads(data.removeprefix(_BOM), object_pairs_hook=hook, parse_int=_keep_number)
    except RecursionError:
        raise _describe_deep_nesting(path) from None
    except UnicodeDecodeError:
        raise _explain_encoding(path, data.removeprefix(_BOM)) from None


def _keep_number(digits: str) -> str:
    """Keep the digits of an integer: int() refuses too many of them."""
    return digits


def _explain_error(path: Path | str, data: bytes, error: Exception, remedy: str) -> InputError:
    """Return the most helpful error for text that msgspec refused."""
    # Imported here, because reading a sound file does not need it.
    from smallpose.system.text_kinds import describe_text

    content = describe_text(path, data) or describe_content(data)
    if content is not None:
        what, content_remedy = content
        is_empty = what == "the file is empty"
        return InputError(str(path), what if is_empty else f"not JSON but {what}", content_remedy)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return _explain_encoding(path, data)
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


def _explain_encoding(path: Path | str, data: bytes) -> InputError:
    """Return the error for bytes that are not UTF-8."""
    try:
        data.decode("utf-8")
        start = len(data)
    except UnicodeDecodeError as error:
        start = error.start
    return InputError(
        str(path), f"not UTF-8 at byte {start} {_describe_line(data, start)}", "save it as UTF-8"
    )


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
