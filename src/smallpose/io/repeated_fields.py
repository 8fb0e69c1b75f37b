"""Refuse records that have a field twice: JSON readers keep the last one without a word."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import msgspec
from msgspec import Raw

from smallpose.io import json_text
from smallpose.system.json_decode import describe_repeated_key, find_repeated_key

# A letter or an underscore as an escape, with which a key can be spelled in another way.
_ESCAPED_LETTER = re.compile(rb"\\u00[4-7]")


@cache
def list_fields(kind: type) -> tuple[str, ...]:
    """Return the names under which the fields of a struct are read."""
    return tuple(field.encode_name for field in msgspec.structs.fields(kind))


def refuse_repeated_fields(
    path: Path | str,
    name: str,
    first: int,
    raws: Sequence[Raw],
    kind: type,
    places: Sequence[str] | None = None,
) -> None:
    """Raise InputError where one of the records has a field of `kind` twice.

    Args:
        name: of the list that the records are in, and `first` the index of the first one there.
        places: where each record is, for messages; None where they are that list.
    """
    fields = list_fields(kind)
    if json_text.EXTENSION is not None:
        block = b"[" + b",".join(bytes(raw) for raw in raws) + b"]"
        if json_text.EXTENSION.skip_records(block, 0, json_text.encode_words(fields)) > 0:
            return
    keys = [b'"' + field.encode() + b'"' for field in fields]
    for index, raw in enumerate(raws, first):
        text = bytes(raw)
        if may_repeat(text, keys):
            where = places[index - first] if places else f"{path}, {name}[{index}]"
            repeated = find_repeated_key(where, text, fields)
            if repeated is not None:
                raise describe_repeated_key(where + format_id(raw), repeated)


def may_repeat(text: bytes, keys: Sequence[bytes]) -> bool:
    """Return whether one of the keys, with its quotation marks, may occur twice in a text."""
    return any(text.count(key) > 1 for key in keys) or _ESCAPED_LETTER.search(text) is not None


def refuse_repeated_members(path: Path | str, data: bytes, kind: type) -> None:
    """Raise InputError where the object of a file has a field of `kind` twice."""
    fields = list_fields(kind)
    if may_repeat(data, [b'"' + field.encode() + b'"' for field in fields]):
        repeated = find_repeated_key(path, data, fields)
        if repeated is not None:
            raise describe_repeated_key(str(path), repeated)


def format_id(raw: Raw) -> str:
    """Return the id of a record for messages, such as " (id 7)"; "" where it has none."""
    try:
        record = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return ""
    return f" (id {record['id']})" if isinstance(record, dict) and "id" in record else ""
