"""Scan COCO annotations into columns of bytes, also in a thread while NumPy is being imported.

`coco_annotations_fast` makes a table of them.
"""

import threading
from pathlib import Path
from typing import NamedTuple

from smallpose.core.record_words import BOX_RULES, SOURCES
from smallpose.io import json_text
from smallpose.io.json_text import JsonFile, JsonText, UnsupportedJson
from smallpose.system.threads import count_cores

Members = dict[str, tuple[int, int]]  # where the value of each key of the file starts and ends
_RECORDS_PER_SCAN = 1 << 14  # then the pages of the text that was read are released
_COUNTED_BYTES = 1 << 24  # of the text in which records are counted, likewise
_SAMPLED_BYTES = 1 << 20  # of the text in which they are counted to guess how many there are
_MORE_RECORDS = 1.25  # times as many rows as guessed; rows that are not filled take no memory
_SHORTEST_RECORD = b'{"keypoints":[],"bbox":[0,0,0,0],"id":0,"image_id":0,"num_keypoints":0}'
_MIN_AHEAD_BYTES = 1 << 20  # of a file that is scanned ahead: a thread is not free, either
# Of these lists, the fields that are read: none may occur twice in a record.
RECORD_FIELDS = {
    "images": (
        "id",
        "file_name",
        "width",
        "height",
        "source",
        "source_id",
        "source_split",
        "group",
        "crowdIndex",
    ),
    "categories": ("id", "name", "keypoints", "skeleton", "swap"),
}

Column = bytearray | memoryview


class AnnotationBytes(NamedTuple):
    """The columns as the extension fills them in: its arguments, in this order.

    Args:
        visibility: of each joint where keypoints are packed; else empty.
        keypoints: packed, or doubles.
    """

    visibility: Column
    ids: Column
    image_ids: Column
    category_ids: Column
    num_keypoints: Column
    iscrowd: Column
    file_area: Column
    boxes_xywh: Column
    keypoints: Column
    segmentation_area: Column
    source: Column
    box_rule: Column


class AnnotationScan(NamedTuple):
    """What was scanned of a file.

    Args:
        columns: of at least `num_records` people with k joints each.
        records: the text of the images and, if there are any, of the categories.
    """

    columns: AnnotationBytes
    num_records: int
    k: int
    is_packed: bool
    records: dict[str, bytes]


class ScanAhead:
    """A scan with packed keypoints that runs in a thread until it is asked for.

    Use `begin`. What cannot be scanned is read again by whoever asks, who explains why.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._scan: AnnotationScan | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    @classmethod
    def begin(cls, path: Path) -> "ScanAhead | None":
        """Begin to scan a file; None where that saves no time, or it is no ordinary file."""
        try:
            is_worth_it = path.is_file() and path.stat().st_size >= _MIN_AHEAD_BYTES
        except (OSError, ValueError):
            return None
        if not is_worth_it or json_text.EXTENSION is None or count_cores() < 2:
            return None
        ahead = cls(path)
        try:
            ahead._thread.start()
        except RuntimeError:  # no thread can be started
            return None
        return ahead

    def _run(self) -> None:
        try:
            with JsonFile(self._path) as text:
                self._scan = scan_annotations(text, packed=True)
        except Exception:  # every mistake is explained by whoever reads the file again
            self._scan = None

    def finish(self, path: Path | str) -> AnnotationScan | None:
        """Wait for the scan, and return it once; None for another file or an unusual one."""
        self._thread.join()
        scan, self._scan = self._scan, None
        return scan if self._path == Path(path) else None


def scan_annotations(text: JsonText, *, packed: bool) -> AnnotationScan:
    """Find the members of the file's object and scan its annotations.

    Args:
        packed: scan the keypoints as integers, unless their coordinates have too many decimals.

    Raises: UnsupportedJson for anything unusual.
    """
    text.check_brackets(b"{}")
    members: Members = {}
    scanned: _ScannedColumns | None = None
    position = text.start + 1
    while True:
        member = json_text.EXTENSION.read_key(text.buffer, position)
        if member is None:
            raise UnsupportedJson
        key, start = member[0].decode(), member[1]
        if key in members:
            raise UnsupportedJson
        if key == "annotations":
            scanned = _scan_list(text, start, packed)
            end = scanned.end
        elif key in RECORD_FIELDS:
            fields = json_text.encode_words(RECORD_FIELDS[key])
            end = json_text.EXTENSION.skip_records(text.buffer, start, fields)
        else:
            end = json_text.EXTENSION.skip_value(text.buffer, start)
        if not 0 <= end < text.stop:
            raise UnsupportedJson
        members[key] = (start, end)
        if text[end] == ord("}") and end == text.stop - 1:
            break
        if text[end] != ord(","):
            raise UnsupportedJson
        position = end + 1
    if scanned is None or "images" not in members:
        raise UnsupportedJson
    records = {key: text.read(*members[key]) for key in RECORD_FIELDS if key in members}
    return AnnotationScan(
        scanned.columns, scanned.num_records, scanned.k, scanned.is_packed, records
    )


class _ScannedColumns(NamedTuple):
    """The columns of the list of annotations, and where it ends in the text."""

    columns: AnnotationBytes
    num_records: int
    k: int
    is_packed: bool
    end: int


def _scan_list(text: JsonText, start: int, packed: bool) -> _ScannedColumns:
    """Scan the list that begins at `start`."""
    num_values = json_text.count_keypoint_values(text, start)
    if num_values % 3:
        raise UnsupportedJson
    if packed:
        try:
            return _scan_columns(text, start, num_values // 3, packed=True)
        except UnsupportedJson:  # a coordinate may have more decimals than are packed
            pass
    return _scan_columns(text, start, num_values // 3, packed=False)


def _scan_columns(text: JsonText, start: int, k: int, *, packed: bool) -> _ScannedColumns:
    # No more records than braces, or than have room for their values: the text alone does not
    # decide how much memory is asked for.
    max_records = (text.stop - start) // (len(_SHORTEST_RECORD) + 6 * k - 1)
    # Counting takes a tenth of the time of reading: guess, and count where that was too low.
    for count in (_guess_records, _count_braces):
        n = min(count(text, start, text.stop), max_records)
        try:
            return _fill_columns(text, start, n, k, packed=packed)
        except _TooManyRecords:
            continue
    raise UnsupportedJson


class _TooManyRecords(Exception):
    """Raised where columns have not enough rows."""


def _guess_records(text: JsonText, start: int, stop: int) -> int:
    """Return a number of records that is rarely exceeded; it is exact in a small text."""
    end = min(start + _SAMPLED_BYTES, stop)
    count = int(json_text.EXTENSION.count_braces(text.buffer, start, end))
    return count if end == stop else int(count * (stop - start) / (end - start) * _MORE_RECORDS)


def _count_braces(text: JsonText, start: int, stop: int) -> int:
    """Count opening braces, without having all pages of a mapped text in memory at once."""
    count = 0
    for first in range(start, stop, _COUNTED_BYTES):
        last = min(first + _COUNTED_BYTES, stop)
        count += json_text.EXTENSION.count_braces(text.buffer, first, last)
        text.release_pages(first, last)
    return count


def _create_columns(n: int, k: int, *, packed: bool) -> AnnotationBytes:
    """Create columns for at most n records of k joints."""
    return AnnotationBytes(
        visibility=_allocate(n * k if packed else 0),
        ids=_allocate(8 * n),
        image_ids=_allocate(8 * n),
        category_ids=_allocate(8 * n),
        num_keypoints=_allocate(8 * n),
        iscrowd=_allocate(n),
        file_area=_allocate(8 * n),
        boxes_xywh=_allocate(8 * 4 * n),
        keypoints=_allocate(4 * 2 * n * k if packed else 8 * 3 * n * k),
        segmentation_area=_allocate(8 * n),
        source=_allocate(n),
        box_rule=_allocate(n),
    )


def _allocate(num_bytes: int) -> Column:
    memory = json_text.allocate(num_bytes)
    return memory if isinstance(memory, bytearray) else memoryview(memory)


def _fill_columns(text: JsonText, start: int, n: int, k: int, *, packed: bool) -> _ScannedColumns:
    """Scan the list that begins at `start` into columns of at most n records."""
    columns = _create_columns(n, k, packed=packed)
    words = [json_text.encode_words(known) for known in (SOURCES, BOX_RULES)]
    reciprocals = json_text.compute_reciprocals()
    num_records = 0
    is_open = True
    while is_open:
        if num_records == n:
            raise _TooManyRecords
        last = min(num_records + _RECORDS_PER_SCAN, n)
        for column in columns:
            json_text.populate(column, num_records / n, last / n)
        num_read, end, is_open = json_text.EXTENSION.scan_annotations(
            text.buffer, start, text.stop, num_records, last, 3 * k, reciprocals, *words, *columns
        )
        if num_read <= 0:
            raise UnsupportedJson
        text.release_pages(start, end)
        num_records += num_read
        start = end
    return _ScannedColumns(columns, num_records, k, packed, start)
