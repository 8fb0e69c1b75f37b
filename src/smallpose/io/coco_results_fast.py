"""Read COCO results fast: the file is mapped and scanned into arrays on all cores.

Only plain files are read here. Anything unusual, and every mistake, is left to
`coco_results_slow`, which gives the same table and explains the mistake; so this file decides how
long reading takes, never what is read.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import Skeleton
from smallpose.io import coco_results_slow, mapped_json
from smallpose.io.image_lookup import describe_doubtful_ids
from smallpose.io.joint_order_check import add_order_note
from smallpose.io.mapped_json import (
    WHITESPACE,
    MappedText,
    UnsupportedJson,
    compute_reciprocals,
    find_rows,
)
from smallpose.system.memory import get_free_memory
from smallpose.system.threads import count_cores, run_parts

CHUNK_BYTES = 1 << 24  # of a result file that a thread scans at a time


def exceeds_free_memory(path: Path | str) -> bool:
    """Return whether the columns of a result file would fill more than half of the free memory."""
    try:
        num_bytes = Path(path).stat().st_size
    except OSError:
        return False
    # A number of the text takes some 16 bytes, and 8 as a double.
    return num_bytes / 2 > get_free_memory() / 2


def read_results_fast(path: Path | str, truth: Instances) -> Predictions | None:
    """Read a plain result file; None when it has to be read by `read_results_slow`."""
    try:
        with MappedText(Path(path)) as text:
            named = _enter_named_list(text)
            skeleton, num_values, cuts = _cut_into_chunks(text, truth, named)
            predictions = _scan_chunks(text, cuts, num_values, skeleton, truth)
            return _order_joints(path, predictions, named, truth)
    except UnsupportedJson:
        return None


def stream_results(path: Path | str, truth: Instances) -> Iterator[Predictions]:
    """Read a result file in pieces, in the file's order; only one of them is in memory.

    A file that is not plain comes in one piece.
    """
    try:
        text = MappedText(Path(path))
    except UnsupportedJson:
        yield coco_results_slow.read_results_slow(path, truth)
        return
    with text:
        pieces: list[list[int]] = []
        named: Skeleton | None = None
        try:
            named = _enter_named_list(text)
            skeleton, num_values, cuts = _cut_into_chunks(text, truth, named)
            step = count_cores()
            pieces = [cuts[i : i + step + 1] for i in range(0, len(cuts) - 1, step)]
            # Every chunk must be plain before the first one goes out: afterwards it is too late
            # to read the file in another way.
            if len(pieces) > 1:
                for piece in pieces:
                    _scan_chunks(text, piece, num_values, skeleton, truth)
        except UnsupportedJson:
            pieces = []
        if not pieces:
            yield coco_results_slow.read_results_slow(path, truth)
        for index, piece in enumerate(pieces):
            predictions = _scan_chunks(text, piece, num_values, skeleton, truth)
            predictions = _order_joints(path, predictions, named, truth)
            yield predictions if index else add_order_note(truth, predictions)


def _enter_named_list(text: MappedText) -> Skeleton | None:
    """Narrow the text of a file that names its joints to its list, and return their skeleton.

    Returns: None for a plain list.
    """
    if text.stop > text.start and text[text.start] == ord("["):
        return None
    text.check_brackets(b"{}")
    members: dict[bytes, tuple[int, int]] = {}
    position = text.start + 1
    while True:
        member = mapped_json.EXTENSION.read_key(text.map, position)
        if member is None or member[0] in members:
            raise UnsupportedJson
        key, start = member
        end = mapped_json.EXTENSION.skip_value(text.map, start)
        members[key] = (start, end)
        position = end
        while 0 <= position < text.stop and text[position] in WHITESPACE:
            position += 1
        if end < 0 or position >= text.stop:
            raise UnsupportedJson
        if text[position] != ord(","):
            break
        position += 1
    if position != text.stop - 1 or set(members) != {b"keypoint_names", b"predictions"}:
        raise UnsupportedJson
    start, end = members[b"keypoint_names"]
    try:
        names = msgspec.json.decode(bytes(text.map[start:end]), type=list[str])
        skeleton = coco_results_slow.make_named_skeleton("", names)
    except (msgspec.DecodeError, UnicodeDecodeError, InputError):
        raise UnsupportedJson from None
    text.start, text.stop = members[b"predictions"]
    return skeleton


def _order_joints(
    path: Path | str, predictions: Predictions, named: Skeleton | None, truth: Instances
) -> Predictions:
    if named is None:
        return predictions
    return coco_results_slow.order_named_joints(path, predictions, truth.skeleton)


def _cut_into_chunks(
    text: MappedText, truth: Instances, named: Skeleton | None
) -> tuple[Skeleton, int, list[int]]:
    """Find the skeleton, the values per pose, and where the text may be cut between records."""
    text.check_brackets(b"[]")
    if truth.images.text_ids:
        raise UnsupportedJson
    first = text.map.find(b"{", text.start)
    if first < 0 or text.map[text.start + 1 : first].strip(WHITESPACE):
        raise UnsupportedJson
    num_values = text.count_keypoint_values(first)
    skeleton = named or coco_results_slow.match_skeleton(num_values, truth)
    if skeleton is None or num_values != 3 * len(skeleton):
        raise UnsupportedJson
    cuts = [first]
    for position in range(first + CHUNK_BYTES, text.stop - CHUNK_BYTES // 4, CHUNK_BYTES):
        cut = mapped_json.EXTENSION.find_cut(text.map, max(position, cuts[-1]), text.stop)
        if cut > cuts[-1]:
            cuts.append(cut)
    return skeleton, num_values, [*cuts, text.stop]


def _scan_chunks(
    text: MappedText, cuts: list[int], num_values: int, skeleton: Skeleton, truth: Instances
) -> Predictions:
    """Read the records between the first and the last cut, one chunk per thread."""
    workers = count_cores()

    def count_records(chunk: int) -> int:
        n = int(mapped_json.EXTENSION.count_braces(text.map, cuts[chunk], cuts[chunk + 1]))
        text.release_pages(cuts[chunk], cuts[chunk + 1])
        return n

    counts = run_parts(count_records, len(cuts) - 1, workers)
    starts = np.cumsum([0, *counts]).tolist()
    n = starts[-1]
    image_ids, category_ids = np.empty(n, np.int64), np.empty(n, np.int64)
    scores = np.empty(n)
    keypoints = np.empty((n, num_values // 3, 3))
    boxes = np.empty((n, 4))
    has_box = np.empty(n, np.bool_)
    columns = (image_ids, category_ids, scores, keypoints, boxes, has_box)
    reciprocals = compute_reciprocals()

    def scan_chunk(chunk: int) -> int:
        start, stop = cuts[chunk], cuts[chunk + 1]
        num_records = mapped_json.EXTENSION.scan_results(
            text.map, start, stop, starts[chunk], num_values, reciprocals, *columns
        )
        text.release_pages(start, stop)
        return int(num_records)

    if run_parts(scan_chunk, len(counts), workers) != counts:
        raise UnsupportedJson
    unique_categories = mapped_json.list_unique(category_ids)
    if not set(unique_categories) <= set(truth.category_ids) or not np.isfinite(scores).all():
        raise UnsupportedJson
    boxes[~has_box] = np.nan
    unique_ids, per_image = np.unique(image_ids, return_counts=True)
    find_rows(truth.images.ids, unique_ids)
    if per_image.max() > coco_results_slow.MAX_DETECTIONS_IN_IMAGE:
        raise UnsupportedJson
    return Predictions(
        skeleton=skeleton,
        image_ids=image_ids,
        keypoints=keypoints,
        scores=scores,
        boxes_xywh=boxes,
        notes=describe_doubtful_ids(truth.images, unique_ids.tolist()),
    )
