"""Decode the records of big JSON lists block by block, with errors that name the record.

Decoding in blocks needs memory for the columns and the text, not for a Python object per number.
Other programs write null for what they do not know, and pandas writes integers as 1.0: both are
read where an integer or a flag is due.
"""

from collections.abc import Hashable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Raw

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17, SMALLPOSE, Skeleton
from smallpose.io.joint_list import MAX_JOINTS
from smallpose.io.repeated_fields import format_id, refuse_repeated_fields

Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
BLOCK_SIZE = 10_000  # records
_DECODE_ERRORS = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
T = TypeVar("T")


def decode_blocks(
    path: Path | str,
    name: str,
    raws: list[Raw],
    kind: type[T],
    places: Sequence[str] | None = None,
) -> Iterator[list[T]]:
    """Decode the records as `kind`, a block at a time.

    Args:
        places: where each record is, for messages; None where they are the list `name`.

    Raises: InputError with the index and id of the first record that is no `kind`, or has a field
        of it twice.
    """
    decoder = msgspec.json.Decoder(list[kind])  # type: ignore[valid-type]
    for start in range(0, len(raws), BLOCK_SIZE):
        block = raws[start : start + BLOCK_SIZE]
        try:
            records = decoder.decode(b"[" + b",".join(bytes(r) for r in block) + b"]")
        except _DECODE_ERRORS:
            records = [
                _decode_record(places[index] if places else f"{path}, {name}[{index}]", raw, kind)
                for index, raw in enumerate(block, start)
            ]
        own_places = None if places is None else places[start : start + BLOCK_SIZE]
        refuse_repeated_fields(path, name, start, block, kind, own_places)
        yield records


def decode_records(path: Path | str, name: str, raws: list[Raw], kind: type[T]) -> list[T]:
    """Decode all records of a list that fits into memory, as `decode_blocks`."""
    return [record for block in decode_blocks(path, name, raws, kind) for record in block]


def _decode_record(where: str, raw: Raw, kind: type[T]) -> T:
    """Decode a record without its null fields, and with integers that are written as floats."""
    try:
        return msgspec.json.decode(_simplify_record(raw, kind), type=kind)
    except _DECODE_ERRORS as error:
        where += format_id(raw)
        if isinstance(error, UnicodeDecodeError):
            what = f"not UTF-8 at byte {error.start} of the record"
            raise InputError(where, what, "save the file as UTF-8") from None
        what = str(error).replace("`", "").replace(" - at $.", ": ").replace("$.", "")
        raise InputError(where, what, "correct the record or leave it out") from None


def _simplify_record(raw: Raw, kind: type) -> bytes:
    """Return the text of a record without null fields, and with 1 for 1.0 in integer fields."""
    try:
        record = msgspec.json.decode(raw)
    except _DECODE_ERRORS:
        return bytes(raw)
    if not isinstance(record, dict):
        return bytes(raw)
    integer_fields = _list_integer_fields(kind)
    kept = {
        key: _convert_whole_floats(value) if key in integer_fields else value
        for key, value in record.items()
        if value is not None
    }
    try:
        return msgspec.json.encode(kept)
    except OverflowError:  # an integer beyond 64 bits, in any field
        return bytes(raw)


@cache
def _list_integer_fields(kind: Hashable) -> frozenset[str]:
    """Return the fields of a struct whose numbers are all integers or flags."""
    fields = msgspec.structs.fields(kind)  # type: ignore[arg-type]
    texts = {field.encode_name: str(field.type) for field in fields}
    return frozenset(n for n, text in texts.items() if "int" in text and "float" not in text)


def _convert_whole_floats(value: Any) -> Any:
    """Return the value with floats such as 1.0 as integers, also inside of lists."""
    if isinstance(value, list):
        return [_convert_whole_floats(item) for item in value]
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**63
    return int(value) if is_whole else value


def guess_skeleton(path: Path | str, lengths: list[int]) -> Skeleton | None:
    """Return the skeleton of a file without joint names, by the length of its keypoint lists.

    It is None where all lists are empty.
    """
    num_values = max(lengths, default=0)
    if num_values == 0:
        return None
    k = num_values // 3
    if k > MAX_JOINTS:
        raise InputError(
            str(path),
            f"{format_count(k, 'keypoint')} a person",
            f"give at most {MAX_JOINTS:,} for each person",
        )
    if num_values % 3:
        raise InputError(
            str(path),
            format_count(num_values, "keypoint value"),
            "give triples x, y, v for each keypoint",
        )
    known = {17: COCO17, 21: SMALLPOSE}.get(k)
    return known or Skeleton(format_count(k, "keypoint"), tuple(f"joint_{i}" for i in range(k)))
