"""Read COCO results fast: the text is scanned into arrays on all cores, a chunk per thread.

Only plain files are read here. Anything unusual, and every mistake, is left to
`coco_results_slow`, which gives the same table and explains the mistake; so this file decides how
long reading takes, never what is read.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from smallpose.core.distinct import count_distinct, is_member
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import Skeleton
from smallpose.io import coco_results_slow, json_text
from smallpose.io.id_rows import find_rows, list_unique
from smallpose.io.image_lookup import describe_doubtful_ids, list_stem_numbers
from smallpose.io.json_text import (
    WHITESPACE,
    JsonText,
    UnsupportedJson,
    compute_reciprocals,
    count_keypoint_values,
    open_text,
)
from smallpose.io.unknown_images import UnknownImages, describe_left_out
from smallpose.system.threads import count_cores, run_parts

T = TypeVar("T")

CHUNK_BYTES = 1 << 24  # of a result file that a thread scans at a time
PIECE_BYTES = 1 << 24  # the same where the chunk is dropped afterwards
_HEAD_BYTES = 1 << 16  # in which the first record begins
_CUT_BYTES = 1 << 16  # in which a place between two records is searched
_SHORTEST_RECORD = b'{"keypoints":[],"score":0,"image_id":0}'


def read_results_fast(
    path: Path | str,
    truth: Instances,
    data: bytes | None = None,
    unknown_images: UnknownImages = "refuse",
) -> Predictions | None:
    """Read plain results; None when they have to be read by `read_results_slow`.

    Args:
        data: the content of the file, where it was read already.
        unknown_images: as for `read_results`.
    """
    try:
        with open_text(path, data) as text:
            named = _enter_named_list(text)
            skeleton, num_values, cuts = _cut_into_chunks(text, truth, named, CHUNK_BYTES)
            predictions = _scan_chunks(text, cuts, num_values, skeleton, truth)
            left_out: tuple[str, ...] = ()
            if unknown_images == "drop":
                predictions, left_out = _drop_unknown_images(path, predictions, truth)
            notes = left_out + _describe_images(truth, _count_images(predictions))
            return _order_joints(path, replace(predictions, notes=notes), named, truth)
    except UnsupportedJson:
        return None


def _drop_unknown_images(
    path: Path | str, predictions: Predictions, truth: Instances
) -> tuple[Predictions, tuple[str, ...]]:
    """Leave out the results whose ids no image has; return the note on them, too.

    Raises: UnsupportedJson where such a number is the name of an image, InputError where none is
        left.
    """
    counts = _count_images(predictions)
    is_unknown = ~is_member(counts.ids, truth.images.ids)
    if not is_unknown.any():
        return predictions, ()
    unknown = counts.ids[is_unknown].tolist()
    if not list_stem_numbers(truth.images).isdisjoint(unknown):
        raise UnsupportedJson
    num_left_out = dict(zip(unknown, counts.num_results[is_unknown].tolist(), strict=True))
    kept = predictions.take(is_member(predictions.image_ids, truth.images.ids))
    known_ids = set(counts.ids[~is_unknown].tolist())
    return kept, describe_left_out(path, truth.images, known_ids, num_left_out, len(kept))


class ChunkResults(NamedTuple, Generic[T]):
    """What `map_results` computed of each chunk of a result file, in the file's order.

    Args:
        values: of the chunks.
        notes: on all results, as `read_results` has them without that on the order of joints.
    """

    values: list[T]
    notes: tuple[str, ...]


def map_results(
    path: Path | str,
    truth: Instances,
    work: Callable[[Predictions], T],
    positions_only: bool = False,
) -> ChunkResults[T] | None:
    """Call `work` on the results chunk by chunk, in threads; None for results that are not plain.

    Only a chunk per thread is in memory, which the next one overwrites: `work` copies what it
    keeps. It may raise UnsupportedJson where what it sees has to be read as a whole.

    Args:
        positions_only: the third value of each keypoint is 0, which is faster than reading it.
    """
    try:
        with open_text(path, None) as text:
            named = _enter_named_list(text)
            skeleton, num_values, cuts = _cut_into_chunks(text, truth, named, PIECE_BYTES)
            max_bytes = int(np.diff(cuts).max())
            capacity = max_bytes // _get_shortest_record(num_values) + 1
            image_ids = np.sort(truth.images.ids)
            if not len(image_ids):
                raise UnsupportedJson
            unused: list[_ResultColumns] = []  # columns of chunks that are done

            def work_on_chunk(chunk: int) -> tuple[T, tuple[str, ...], _ImageCounts]:
                try:
                    columns = unused.pop()
                except IndexError:
                    columns = _create_columns(capacity, num_values // 3)
                start, stop = cuts[chunk], cuts[chunk + 1]
                n = columns.scan(text, start, stop, 0, positions_only)
                predictions = _build_predictions(columns.take(n), skeleton, truth)
                counts = _count_images(predictions)
                rows = np.searchsorted(image_ids, counts.ids)
                if (image_ids[rows.clip(max=len(image_ids) - 1)] != counts.ids).any():
                    raise UnsupportedJson
                predictions = _order_joints(path, predictions, named, truth)
                result = work(predictions), predictions.notes, counts
                unused.append(columns)
                return result

            parts = run_parts(work_on_chunk, len(cuts) - 1, count_cores())
        notes = _describe_images(truth, _merge_counts([counts for _, _, counts in parts]))
        return ChunkResults([value for value, _, _ in parts], (*notes, *parts[0][1]))
    except UnsupportedJson:
        return None


def _enter_named_list(text: JsonText) -> Skeleton | None:
    """Narrow the text of a file that names its joints to its list, and return their skeleton.

    Returns: None for a plain list.
    """
    if text.stop > text.start and text[text.start] == ord("["):
        return None
    text.check_brackets(b"{}")
    members: dict[bytes, tuple[int, int]] = {}
    end = text.start
    while end < text.stop - 1:
        member = json_text.EXTENSION.read_key(text.buffer, end + 1)
        if member is None or member[0] in members:
            raise UnsupportedJson
        key, start = member
        end = json_text.EXTENSION.skip_value(text.buffer, start)
        if end < 0 or (end < text.stop - 1 and text[end] != ord(",")):
            raise UnsupportedJson
        members[key] = (start, end)
    if end != text.stop - 1 or set(members) != {b"keypoint_names", b"predictions"}:
        raise UnsupportedJson
    text.narrow(*members[b"predictions"])
    return _decode_names(text.read(*members[b"keypoint_names"]))


def _decode_names(names: bytes) -> Skeleton:
    try:
        decoded = msgspec.json.decode(names, type=list[str])
        return coco_results_slow.make_named_skeleton("", decoded)
    except (msgspec.DecodeError, UnicodeDecodeError, InputError):
        raise UnsupportedJson from None


def _order_joints(
    path: Path | str, predictions: Predictions, named: Skeleton | None, truth: Instances
) -> Predictions:
    if named is None:
        return predictions
    return coco_results_slow.order_named_joints(path, predictions, truth.skeleton)


def _cut_into_chunks(
    text: JsonText, truth: Instances, named: Skeleton | None, chunk_bytes: int
) -> tuple[Skeleton, int, list[int]]:
    """Find the skeleton, the values per pose, and where the text may be cut between records."""
    text.check_brackets(b"[]")
    if truth.images.text_ids:
        raise UnsupportedJson
    head = text.read(text.start, min(text.start + _HEAD_BYTES, text.stop))
    brace = head.find(b"{")
    if brace < 0 or head[1:brace].strip(WHITESPACE):
        raise UnsupportedJson
    if b'"box"' in head[: head.find(b"}")]:  # AlphaPose's name for bbox
        raise UnsupportedJson
    num_values = count_keypoint_values(text, text.start + brace)
    skeleton = named or coco_results_slow.match_skeleton(num_values, truth)
    if skeleton is None or num_values != 3 * len(skeleton):
        raise UnsupportedJson
    first = text.start + brace
    cuts = [first]
    for position in range(first + chunk_bytes, text.stop - chunk_bytes // 4, chunk_bytes):
        start = max(position, cuts[-1])
        window = text.read(start, min(start + _CUT_BYTES, text.stop))
        cut = json_text.EXTENSION.find_cut(window, 0, len(window))
        if start + cut > max(cuts[-1], start):
            cuts.append(start + cut)
    return skeleton, num_values, [*cuts, text.stop]


def _scan_chunks(
    text: JsonText, cuts: list[int], num_values: int, skeleton: Skeleton, truth: Instances
) -> Predictions:
    """Read the records between the first and the last cut, one chunk per thread."""
    workers = count_cores()
    shortest = _get_shortest_record(num_values)

    def count_records(chunk: int) -> int:
        start, stop = cuts[chunk], cuts[chunk + 1]
        num_braces = int(json_text.EXTENSION.count_braces(text.buffer, start, stop))
        text.release_pages(start, stop)
        # Braces that have no room for a record do not decide how much memory is asked for.
        if num_braces * shortest > stop - start:
            raise UnsupportedJson
        return num_braces

    counts = run_parts(count_records, len(cuts) - 1, workers)
    starts = np.cumsum([0, *counts]).tolist()
    columns = _create_columns(starts[-1], num_values // 3)

    def scan_chunk(chunk: int) -> int:
        return columns.scan(text, cuts[chunk], cuts[chunk + 1], starts[chunk])

    if run_parts(scan_chunk, len(counts), workers) != counts:
        raise UnsupportedJson
    return _build_predictions(columns, skeleton, truth)


def _get_shortest_record(num_values: int) -> int:
    """Return the bytes of the shortest record with that many values per pose."""
    return len(_SHORTEST_RECORD) + 2 * num_values - 1


class _ResultColumns(NamedTuple):
    """Records as the extension fills them in."""

    image_ids: NDArray[np.int64]
    category_ids: NDArray[np.int64]
    scores: NDArray[np.float64]
    keypoints: NDArray[np.float64]
    boxes: NDArray[np.float64]
    has_box: NDArray[np.bool_]

    def scan(
        self, text: JsonText, start: int, stop: int, row: int, positions_only: bool = False
    ) -> int:
        """Read the records of a chunk from `row` on; return how many there are.

        Raises: UnsupportedJson when something is unusual.
        """
        num_records = json_text.EXTENSION.scan_results(
            text.buffer,
            start,
            stop,
            row,
            3 * self.keypoints.shape[1],
            positions_only,
            compute_reciprocals(),
            *self,
        )
        text.release_pages(start, stop)
        if num_records < 0:
            raise UnsupportedJson
        return int(num_records)

    def take(self, n: int) -> "_ResultColumns":
        """Return the first n records."""
        columns: list[Any] = [column[:n] for column in self]
        return _ResultColumns(*columns)


def _create_columns(n: int, k: int) -> _ResultColumns:
    """Create columns for n records of k joints."""
    return _ResultColumns(
        image_ids=np.empty(n, np.int64),
        category_ids=np.empty(n, np.int64),
        scores=np.empty(n),
        keypoints=np.empty((n, k, 3)),
        boxes=np.empty((n, 4)),
        has_box=np.empty(n, np.bool_),
    )


def _build_predictions(
    columns: _ResultColumns, skeleton: Skeleton, truth: Instances
) -> Predictions:
    """Build the table of all records that were filled in."""
    unique_categories = list_unique(columns.category_ids)
    is_known = set(unique_categories) <= set(truth.category_ids)
    if not is_known or not np.isfinite(columns.scores).all():
        raise UnsupportedJson
    return Predictions(
        skeleton=skeleton,
        image_ids=columns.image_ids,
        keypoints=columns.keypoints,
        scores=columns.scores,
        boxes_xywh=columns.boxes,
    )


class _ImageCounts(NamedTuple):
    """The (m,) distinct images of some results, rising, and how many results each has."""

    ids: NDArray[np.int64]
    num_results: NDArray[np.intp]


def _count_images(predictions: Predictions) -> _ImageCounts:
    return _ImageCounts(*count_distinct(predictions.image_ids))


def _merge_counts(parts: Sequence[_ImageCounts]) -> _ImageCounts:
    ids = np.concatenate([part.ids for part in parts])
    distinct = count_distinct(ids)[0]
    total = np.zeros(len(distinct), np.intp)
    np.add.at(total, np.searchsorted(distinct, ids), np.concatenate([p.num_results for p in parts]))
    return _ImageCounts(distinct, total)


def _describe_images(truth: Instances, counts: _ImageCounts) -> tuple[str, ...]:
    """Return the notes on the image ids, unless an image is unknown or has too many results."""
    find_rows(truth.images.ids, counts.ids)
    if counts.num_results.max() > coco_results_slow.MAX_DETECTIONS_IN_IMAGE:
        raise UnsupportedJson
    return describe_doubtful_ids(truth.images, counts.ids.tolist())
