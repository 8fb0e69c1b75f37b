"""COCO's JSON read fast: mapped files, scanned into arrays on all cores.

For plain files only. Anything unusual, and every mistake, goes to the ordinary reader of
`table.coco_json`, which gives the same tables and good messages; so what stands here decides how
long reading takes, never what is read.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import BOX_RULES
from smallpose.core.memory import free_memory
from smallpose.core.skeleton import COCO17, Skeleton
from smallpose.evaluation import compiled
from smallpose.table import coco_json
from smallpose.table.instances import SOURCES, Instances
from smallpose.table.predictions import Predictions
from smallpose.table.records import guess_skeleton
from smallpose.table.results_json import MOST_IN_ONE_IMAGE, read_results

CHUNK = 1 << 24  # bytes of a result file that a thread takes at a time
POWERS = 60  # of 5, whose reciprocals the scanner gets; numbers with more decimals are unusual
_BLANKS = b" \t\r\n"


class _Unusual(Exception):
    """Leave this file to the ordinary reader."""


def reciprocals(powers: int = POWERS) -> NDArray[np.uint64]:
    """(powers, 2) upper and lower half of floor(2^(127 + bits of 5^k) / 5^k), k = 1 …"""
    halves = []
    for k in range(1, powers + 1):
        five = 5**k
        inverse = (1 << (127 + five.bit_length())) // five
        halves.append((inverse >> 64, inverse & (2**64 - 1)))
    return np.array(halves, dtype=np.uint64)


def too_large(path: Path | str) -> bool:
    """Whether the columns of a result file would fill more than half of the free memory."""
    try:
        size = Path(path).stat().st_size
    except OSError:
        return False
    # A number of the text takes some 16 bytes, and 8 as a double.
    return size / 2 > free_memory() / 2


def read_truth(path: Path | str) -> Instances:
    """As `read_coco`, faster where that is possible."""
    try:
        with _Text(Path(path)) as text:
            return _truth(path, text)
    except _Unusual:
        return coco_json.read_coco(path)


def read_found(path: Path | str, truth: Instances) -> Predictions:
    """As `read_results`, faster where that is possible."""
    try:
        with _Text(Path(path)) as text:
            return _found(text, truth)
    except _Unusual:
        return read_results(path, truth)


class _Text:
    """A mapped file whose last byte is a bracket, or `_Unusual`."""

    def __init__(self, path: Path) -> None:
        if compiled.CORE is None:
            raise _Unusual
        try:
            with path.open("rb") as file:
                self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError):  # missing, a folder, a pipe, empty
            raise _Unusual from None
        self.stop = len(self.map)
        while self.stop and self.map[self.stop - 1] in _BLANKS:
            self.stop -= 1
        self.start = 0
        while self.start < self.stop and self.map[self.start] in _BLANKS:
            self.start += 1

    def __enter__(self) -> "_Text":
        return self

    def __exit__(self, *_: object) -> None:
        self.map.close()

    def opens_and_closes_with(self, pair: bytes) -> None:
        if self.stop - self.start < 2 or bytes((self[self.start], self[self.stop - 1])) != pair:
            raise _Unusual

    def __getitem__(self, at: int) -> int:
        return self.map[at]

    def forget(self, start: int, stop: int) -> None:
        """Give pages back that were read: a file need not fit into memory."""
        start += -start % mmap.PAGESIZE
        stop -= stop % mmap.PAGESIZE
        if stop > start and hasattr(self.map, "madvise"):
            self.map.madvise(mmap.MADV_DONTNEED, start, stop - start)

    def joints(self, start: int) -> int:
        """How many values the first list of keypoints after `start` has."""
        at = self.map.find(b'"keypoints"', start)
        first, last = self.map.find(b"[", at), self.map.find(b"]", at)
        if at < 0 or not 0 <= first < last or last - first > 1 << 16:
            raise _Unusual
        return self.map[first:last].count(b",") + 1


def _truth(path: Path | str, text: _Text) -> Instances:
    text.opens_and_closes_with(b"{}")
    parts: dict[str, tuple[int, int]] = {}
    columns: _People | None = None
    at = text.start + 1
    while True:
        member = compiled.CORE.key(text.map, at)
        if member is None:
            raise _Unusual
        key, start = member[0].decode("latin-1"), member[1]
        if key in parts:
            raise _Unusual
        if key == "annotations":
            columns, end = _scan_people(text, start)
        else:
            end = compiled.CORE.skip(text.map, start)
        parts[key] = (start, end)
        at = end
        while 0 <= at < text.stop and text[at] in _BLANKS:
            at += 1
        if end < 0 or at >= text.stop:
            raise _Unusual
        if text[at] == ord("}") and at == text.stop - 1:
            break
        if text[at] != ord(","):
            raise _Unusual
        at += 1
    if columns is None or "images" not in parts:
        raise _Unusual
    return _instances(path, text, parts, columns)


class _People(NamedTuple):
    """The annotation columns as the scanner fills them."""

    id: NDArray[np.int64]
    image: NDArray[np.int64]
    category: NDArray[np.int64]
    said: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    area: NDArray[np.float64]
    bbox: NDArray[np.float64]
    keypoints: NDArray[np.float64]
    mask: NDArray[np.float64]
    source: NDArray[np.int8]
    rule: NDArray[np.int8]


def _scan_people(text: _Text, start: int) -> tuple[_People, int]:
    k3 = text.joints(start)
    n = compiled.CORE.count(text.map, start, text.stop)
    if k3 % 3 or n == 0:
        raise _Unusual
    columns = _People(
        id=np.empty(n, np.int64),
        image=np.empty(n, np.int64),
        category=np.empty(n, np.int64),
        said=np.empty(n, np.int64),
        crowd=np.empty(n, np.bool_),
        area=np.empty(n),
        bbox=np.empty((n, 4)),
        keypoints=np.empty((n, k3 // 3, 3)),
        mask=np.empty(n),
        source=np.empty(n, np.int8),
        rule=np.empty(n, np.int8),
    )
    words = [compiled.joined([w.encode() for w in known]) for known in (SOURCES, BOX_RULES)]
    records, end = compiled.CORE.scan_people(
        text.map, start, text.stop, k3, reciprocals(), *words, *columns
    )
    if records <= 0:
        raise _Unusual
    text.forget(start, end)
    used: list[Any] = [column[:records] for column in columns]
    return _People(*used), end


def _instances(
    path: Path | str, text: _Text, parts: dict[str, tuple[int, int]], columns: _People
) -> Instances:
    """The table, if nothing in it needs merging, counting anew or an error message."""

    def decode(key: str, kind: Any) -> Any:
        start, end = parts[key]
        try:
            return msgspec.json.decode(text.map[start:end], type=kind)
        except (msgspec.DecodeError, RecursionError):
            raise _Unusual from None

    kinds = decode("categories", list[coco_json.Category]) if "categories" in parts else []
    file = coco_json.CocoFile(annotations=[], categories=kinds)
    category, skeleton = coco_json.person_category(path, file)
    notes: list[str] = []
    images = coco_json.image_columns(path, decode("images", list[coco_json.ImageRecord]), notes)
    k = columns.keypoints.shape[1]
    if skeleton is None:
        skeleton = guess_skeleton(path, [3 * k])
    v = columns.keypoints[:, :, 2]
    if (
        skeleton is None
        or len(skeleton) != k
        or (category is not None and (columns.category != category).any())
        or not ((v == 0) | (v == 1) | (v == 2)).all()
        or (np.diff(np.sort(columns.id)) == 0).any()
        or (columns.said < 0).any()
    ):
        raise _Unusual
    rows = _rows(images.ids, columns.image)
    return Instances(
        *(skeleton, images, rows, columns.id, columns.bbox, columns.keypoints, columns.said),
        *(columns.crowd, columns.area, columns.source, columns.rule, columns.mask),
        *(1 if category is None else category, tuple(notes)),
    )


def _rows(ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.intp]:
    """Row of each wanted image; `_Unusual` when one is not there."""
    order = np.argsort(ids, kind="stable")
    place = np.searchsorted(ids, wanted, sorter=order)
    if len(wanted) and (len(ids) == 0 or place.max() >= len(ids)):
        raise _Unusual
    rows = order[place]
    if (ids[rows] != wanted).any():
        raise _Unusual
    return rows


def stream_found(path: Path | str, truth: Instances) -> Iterator[Predictions]:
    """A result file in pieces, in the file's order; only one of them is in memory.

    A file that the scanner leaves to the ordinary reader comes in one piece.
    """
    try:
        text = _Text(Path(path))
    except _Unusual:
        yield read_results(path, truth)
        return
    with text:
        pieces: list[list[int]] = []
        try:
            skeleton, k3, cuts = _chunks(text, truth)
            step = compiled.threads()
            pieces = [cuts[i : i + step + 1] for i in range(0, len(cuts) - 1, step)]
            # Every chunk must be plain before the first one goes out: afterwards it is too late
            # to read the file in another way.
            if len(pieces) > 1:
                for piece in pieces:
                    _scan(text, piece, k3, skeleton, truth)
        except _Unusual:
            pieces = []
        if not pieces:
            yield read_results(path, truth)
        for piece in pieces:
            yield _scan(text, piece, k3, skeleton, truth)


def _found(text: _Text, truth: Instances) -> Predictions:
    skeleton, k3, cuts = _chunks(text, truth)
    return _scan(text, cuts, k3, skeleton, truth)


def _chunks(text: _Text, truth: Instances) -> tuple[Skeleton, int, list[int]]:
    """The joints, values per pose, and places between records where the file may be cut."""
    text.opens_and_closes_with(b"[]")
    first = text.map.find(b"{", text.start)
    if first < 0 or text.map[text.start + 1 : first].strip(_BLANKS):
        raise _Unusual
    k3 = text.joints(first)
    skeleton = _skeleton(k3, truth)
    cuts = [first]
    for at in range(first + CHUNK, text.stop - CHUNK // 4, CHUNK):
        border = compiled.CORE.cut(text.map, max(at, cuts[-1]), text.stop)
        if border > cuts[-1]:
            cuts.append(border)
    return skeleton, k3, [*cuts, text.stop]


def _scan(
    text: _Text, cuts: list[int], k3: int, skeleton: Skeleton, truth: Instances
) -> Predictions:
    """The records between the first and the last cut."""
    workers = compiled.threads()

    def count(part: int) -> int:
        n = int(compiled.CORE.count(text.map, cuts[part], cuts[part + 1]))
        text.forget(cuts[part], cuts[part + 1])
        return n

    counts = compiled.in_threads(count, len(cuts) - 1, workers)
    starts = np.cumsum([0, *counts]).tolist()
    n = starts[-1]
    table = reciprocals()
    image, category, score = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n)
    keypoints, boxes = np.empty((n, k3 // 3, 3)), np.empty((n, 4))
    boxed = np.empty(n, np.bool_)

    def scan(part: int) -> int:
        records = compiled.CORE.scan_found(
            *(text.map, cuts[part], cuts[part + 1], starts[part], k3, table),
            *(image, category, score, keypoints, boxes, boxed),
        )
        text.forget(cuts[part], cuts[part + 1])
        return int(records)

    if compiled.in_threads(scan, len(counts), workers) != counts:
        raise _Unusual
    if (category != truth.category_id).any() or not np.isfinite(score).all():
        raise _Unusual
    boxes[~boxed] = np.nan
    numbers = np.unique(image)
    _rows(truth.images.ids, numbers)
    if np.bincount(np.searchsorted(numbers, image)).max() > MOST_IN_ONE_IMAGE:
        raise _Unusual
    return Predictions(skeleton, image, keypoints, score, boxes)


def _skeleton(k3: int, truth: Instances) -> Skeleton:
    if k3 == 3 * len(truth.skeleton):
        return truth.skeleton
    if k3 == 51 and set(COCO17.joints) <= set(truth.skeleton.joints):
        return COCO17
    raise _Unusual
