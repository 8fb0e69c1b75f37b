"""Records of big JSON lists, decoded block by block, with errors that name the record.

Decoding in blocks needs memory for the columns and the text, not for a Python object per number.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Raw

from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17, SMALLPOSE, Skeleton

Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]  # what a column of 64 bits holds
BLOCK_SIZE = 10_000  # records decoded at a time
T = TypeVar("T")


def decode_blocks(path: Path | str, name: str, raws: list[Raw], kind: type[T]) -> Iterator[list[T]]:
    """The records as `kind`, a block at a time.

    Raises: InputError with the place, and id, of the first record that is no `kind`.
    """
    decoder = msgspec.json.Decoder(list[kind])  # type: ignore[valid-type]
    for start in range(0, len(raws), BLOCK_SIZE):
        part = raws[start : start + BLOCK_SIZE]
        try:
            yield decoder.decode(b"[" + b",".join(bytes(r) for r in part) + b"]")
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            for number, raw in enumerate(part, start):
                _decode_one(f"{path}, {name}[{number}]", raw, kind)
            raise


def _decode_one(where: str, raw: Raw, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        try:
            one = msgspec.json.decode(raw)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            one = {}
        label = f" (id {one['id']})" if isinstance(one, dict) and "id" in one else ""
        if isinstance(error, UnicodeDecodeError):
            raise InputError(where + label, "not UTF-8", "save it so") from None
        what = str(error).replace("`", "").replace(" - at $.", ": ").replace("$.", "")
        raise InputError(where + label, what, "mend the record or leave it out") from None


def guess_skeleton(path: Path | str, lengths: list[int]) -> Skeleton | None:
    """The skeleton of a file whose category names no joints, by the length of its keypoints."""
    k3 = max(lengths, default=0)
    if k3 == 0:
        return None
    if k3 % 3:
        raise InputError(str(path), f"{k3} keypoint values", "keypoints are triples x, y, v")
    known = {17: COCO17, 21: SMALLPOSE}.get(k3 // 3)
    return known or Skeleton(f"{k3 // 3} keypoints", tuple(f"joint_{i}" for i in range(k3 // 3)))
