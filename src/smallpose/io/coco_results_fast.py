"""Result files read fast: mapped, and scanned into arrays on all cores.

For plain files only. Anything unusual, and every mistake, goes to the ordinary reader of
`table.results_json`, which gives the same tables and good messages; so what stands here decides how
long reading takes, never what is read. Truths are read by `table.coco_json`, in the same way.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import COCO17, Skeleton
from smallpose.io import mapped_json
from smallpose.io.coco_annotations import read_coco
from smallpose.io.coco_results import MOST_IN_ONE_IMAGE, read_results
from smallpose.io.mapped_json import BLANKS, Text, Unusual, reciprocals, rows_of
from smallpose.system.memory import free_memory
from smallpose.system.threads import count_cores, run_parts

CHUNK = 1 << 24  # bytes of a result file that a thread takes at a time

read_truth = read_coco


def too_large(path: Path | str) -> bool:
    """Whether the columns of a result file would fill more than half of the free memory."""
    try:
        size = Path(path).stat().st_size
    except OSError:
        return False
    # A number of the text takes some 16 bytes, and 8 as a double.
    return size / 2 > free_memory() / 2


def read_found(path: Path | str, truth: Instances) -> Predictions:
    """As `read_results`, faster where that is possible."""
    try:
        with Text(Path(path)) as text:
            return _found(text, truth)
    except Unusual:
        return read_results(path, truth)


def stream_found(path: Path | str, truth: Instances) -> Iterator[Predictions]:
    """A result file in pieces, in the file's order; only one of them is in memory.

    A file that the scanner leaves to the ordinary reader comes in one piece.
    """
    try:
        text = Text(Path(path))
    except Unusual:
        yield read_results(path, truth)
        return
    with text:
        pieces: list[list[int]] = []
        try:
            skeleton, k3, cuts = _chunks(text, truth)
            step = count_cores()
            pieces = [cuts[i : i + step + 1] for i in range(0, len(cuts) - 1, step)]
            # Every chunk must be plain before the first one goes out: afterwards it is too late
            # to read the file in another way.
            if len(pieces) > 1:
                for piece in pieces:
                    _scan(text, piece, k3, skeleton, truth)
        except Unusual:
            pieces = []
        if not pieces:
            yield read_results(path, truth)
        for piece in pieces:
            yield _scan(text, piece, k3, skeleton, truth)


def _found(text: Text, truth: Instances) -> Predictions:
    skeleton, k3, cuts = _chunks(text, truth)
    return _scan(text, cuts, k3, skeleton, truth)


def _chunks(text: Text, truth: Instances) -> tuple[Skeleton, int, list[int]]:
    """The joints, values per pose, and places between records where the file may be cut."""
    text.opens_and_closes_with(b"[]")
    first = text.map.find(b"{", text.start)
    if first < 0 or text.map[text.start + 1 : first].strip(BLANKS):
        raise Unusual
    k3 = text.joints(first)
    skeleton = _skeleton(k3, truth)
    cuts = [first]
    for at in range(first + CHUNK, text.stop - CHUNK // 4, CHUNK):
        border = mapped_json.CORE.cut(text.map, max(at, cuts[-1]), text.stop)
        if border > cuts[-1]:
            cuts.append(border)
    return skeleton, k3, [*cuts, text.stop]


def _scan(
    text: Text, cuts: list[int], k3: int, skeleton: Skeleton, truth: Instances
) -> Predictions:
    """The records between the first and the last cut."""
    workers = count_cores()

    def count(part: int) -> int:
        n = int(mapped_json.CORE.count(text.map, cuts[part], cuts[part + 1]))
        text.forget(cuts[part], cuts[part + 1])
        return n

    counts = run_parts(count, len(cuts) - 1, workers)
    starts = np.cumsum([0, *counts]).tolist()
    n = starts[-1]
    table = reciprocals()
    image, category, score = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n)
    keypoints, boxes = np.empty((n, k3 // 3, 3)), np.empty((n, 4))
    boxed = np.empty(n, np.bool_)

    def scan(part: int) -> int:
        records = mapped_json.CORE.scan_found(
            text.map,
            cuts[part],
            cuts[part + 1],
            starts[part],
            k3,
            table,
            image,
            category,
            score,
            keypoints,
            boxes,
            boxed,
        )
        text.forget(cuts[part], cuts[part + 1])
        return int(records)

    if run_parts(scan, len(counts), workers) != counts:
        raise Unusual
    if (category != truth.category_id).any() or not np.isfinite(score).all():
        raise Unusual
    boxes[~boxed] = np.nan
    numbers = np.unique(image)
    rows_of(truth.images.ids, numbers)
    if np.bincount(np.searchsorted(numbers, image)).max() > MOST_IN_ONE_IMAGE:
        raise Unusual
    return Predictions(skeleton, image, keypoints, score, boxes)


def _skeleton(k3: int, truth: Instances) -> Skeleton:
    if k3 == 3 * len(truth.skeleton):
        return truth.skeleton
    if k3 == 51 and set(COCO17.joints) <= set(truth.skeleton.joints):
        return COCO17
    raise Unusual
