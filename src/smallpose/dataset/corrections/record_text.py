"""Replace records in the text of a COCO file, and leave every other byte as it is."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Raw

from smallpose.core.errors import InputError

_BOM = b"\xef\xbb\xbf"
_BETWEEN = frozenset((b" ", b"\t", b"\r", b"\n", b",", b"["))
_LIST = re.compile(rb'"annotations"\s*:\s*')


class _AnnotationText(msgspec.Struct):
    annotations: Raw


def replace_records(
    path: Path,
    data: bytes,
    raws: Sequence[Raw],
    new_records: Mapping[int, bytes],
    gone: Collection[int],
    added: Sequence[bytes],
) -> bytes:
    """Replace records of the list `annotations` in the text of the file, and nothing else."""
    start = _find_list(path, data)
    if not gone and not added:
        return b"".join(_iterate_pieces(data, start, raws, new_records))
    # Records come and go, so the list is written anew from the texts of its records.
    kept = [new_records.get(i, bytes(raw)) for i, raw in enumerate(raws) if i not in gone]
    end = start + len(
        bytes(msgspec.json.decode(data.removeprefix(_BOM), type=_AnnotationText).annotations)
    )
    return data[:start] + b"[" + b",\n".join([*kept, *added]) + b"]" + data[end:]


def _iterate_pieces(
    data: bytes, start: int, raws: Sequence[Raw], new_records: Mapping[int, bytes]
) -> Iterator[bytes]:
    position = done = start
    yield data[:start]
    for index, raw in enumerate(raws):
        while data[position : position + 1] in _BETWEEN:
            position += 1
        end = position + len(bytes(raw))
        if index in new_records:
            yield data[done:position]
            yield new_records[index]
            done = end
        position = end
    yield data[done:]


def _find_list(path: Path, data: bytes) -> int:
    """Return where the value of `annotations` begins."""
    text = bytes(msgspec.json.decode(data.removeprefix(_BOM), type=_AnnotationText).annotations)
    for match in _LIST.finditer(data):
        if data.startswith(text, match.end()):
            return match.end()
    raise InputError(str(path), "its list of annotations has an unusual key", "write it again")
