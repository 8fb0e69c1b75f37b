"""The compiled core, where there is one: arrays of the right types in, arrays out.

Whoever has a compiled twin asks `CORE` first; without it everything works and is slower. Both give
the same numbers to the last bit, because exponentials stay numpy's and sums keep numpy's order.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from smallpose.system.extension import load_extension
from smallpose.system.threads import count_cores, run_parts

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Mask = NDArray[np.bool_]
Bits = NDArray[np.uint16]


class Grouped(Protocol):
    """What is used of a `pairing.Pairing`, which itself uses this module."""

    @property
    def image_ids(self) -> NDArray[np.int64]: ...
    @property
    def people(self) -> Ints: ...
    @property
    def people_image(self) -> Ints: ...
    @property
    def people_start(self) -> Ints: ...
    @property
    def found(self) -> Ints: ...
    @property
    def found_image(self) -> Ints: ...


CORE: Any = load_extension("smallpose.evaluation.matching._native")
_ROOM = 1 << 19  # doubles of a thread's workbench, 4 MB
_ALONE = 20_000  # detections that are not worth a second thread


def floats(values: NDArray[Any]) -> Floats:
    """The same numbers as contiguous doubles."""
    return np.ascontiguousarray(values, dtype=np.float64)


def candidates(
    pairing: Grouped,
    found: Floats,
    keypoints: Floats,
    boxes_xywh: Floats,
    area: Floats,
    sigmas: Floats,
    lowest: float,
) -> tuple[Ints, Ints, Floats]:
    """As `oks.candidates`."""
    k = found.shape[1]
    variances = (sigmas * 2) ** 2
    nearness = -np.log(lowest) if lowest > 0 else np.inf
    limit = float(nearness * 2 * np.max(variances) * (1 + 1e-9))
    tables = [floats(t) for t in (found, keypoints, boxes_xywh, area, variances)]
    places = (pairing.found, pairing.found_image, pairing.people, pairing.people_start)
    d = len(pairing.found)
    workers = 1 if d < _ALONE else count_cores()
    most = int(np.diff(pairing.people_start).max(initial=0))

    def part(number: int) -> list[tuple[Ints, Ints, Floats]]:
        at, last = d * number // workers, d * (number + 1) // workers
        e = np.empty(max(_ROOM, most * k))
        room = max(_ROOM // 4, most)
        one, other = np.empty(room, np.intp), np.empty(room, np.intp)
        oks, count = np.empty(room), np.empty(room, np.int32)
        out = []
        while at < last:
            at, pairs, used = CORE.near(
                *tables, *places, at, last, k, limit, lowest, one, other, count, e
            )
            with np.errstate(over="ignore", under="ignore"):
                np.exp(np.negative(e[:used], out=e[:used]), out=e[:used])
            kept = CORE.keep(e, count, pairs, lowest, one, other, oks)
            out.append((one[:kept].copy(), other[:kept].copy(), oks[:kept].copy()))
        return out

    pieces = [piece for pieces in run_parts(part, workers, workers) for piece in pieces]
    if not pieces:
        return np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0)
    one, other, oks = (np.concatenate(column) for column in zip(*pieces, strict=True))
    return one, other, oks


def match(
    d: Ints,
    g: Ints,
    oks: Floats,
    found: int,
    people: Mask,
    crowd: Mask,
    needed: Floats,
) -> tuple[Bits, Bits, Bits]:
    """As `matching.match`: (c, d) hit, (c, d) absorbed, (n,) met."""
    classes, n = people.shape
    hit, absorbed = np.zeros((2, classes, found), np.uint16)
    met = np.zeros(n, np.uint16)
    members = member_bits(people)
    CORE.match(
        d,
        g,
        oks,
        len(d),
        members,
        np.ascontiguousarray(crowd),
        needed,
        classes,
        found,
        hit,
        absorbed,
        met,
    )
    return hit, absorbed, met


def member_bits(people: Mask) -> NDArray[np.uint32]:
    """(c, n) flags to (n,) numbers with a bit per class."""
    members = np.zeros(people.shape[1], np.uint32)
    for c, row in enumerate(people):
        members |= row.astype(np.uint32) << np.uint32(c)
    return members


def order(image: Ints, scores: Floats, start: Ints) -> Ints:
    """(d,) rows image by image, best score first."""
    rows = np.empty(len(image), np.intp)
    CORE.order(image, floats(scores), start, rows)
    return rows


def owners(pairing: Grouped, found_xywh: Floats, people_xywh: Floats, counted: Mask) -> Ints:
    """As `protocols.owners`."""
    owner = np.empty(len(pairing.found), np.intp)
    CORE.owners(
        pairing.found,
        pairing.found_image,
        pairing.people,
        pairing.people_start,
        floats(found_xywh),
        floats(people_xywh),
        np.ascontiguousarray(counted),
        owner,
    )
    return owner


def curve(
    order: Ints, hit: Bits, false: Bits, scores: Floats, people: int, recalls: Floats, levels: int
) -> tuple[Floats, Floats, Floats]:
    """As `precision_recall.curves`, for detections in the given order."""
    shape = (levels, len(recalls))
    precision, recall, at = np.empty(shape), np.empty(levels), np.empty(shape)
    CORE.curve(
        order,
        np.ascontiguousarray(hit),
        np.ascontiguousarray(false),
        scores,
        people,
        floats(recalls),
        levels,
        precision,
        recall,
        at,
    )
    return precision, recall, at


def resample(
    hit: Bits,
    false: Bits,
    image: Ints,
    weights: NDArray[np.uint16],
    people: NDArray[np.int64],
    levels: int,
    recalls: Floats,
) -> tuple[Floats, Floats]:
    """As `intervals.resampled`."""
    draws, images = weights.shape
    precision, recall = np.empty((draws, levels, len(recalls))), np.empty((draws, levels))
    columns = (hit, false, image.astype(np.int32), np.ascontiguousarray(weights), people, recalls)
    parts = min(draws, 4 * count_cores())

    def part(number: int) -> None:
        first, last = draws * number // parts, draws * (number + 1) // parts
        CORE.resample(*columns, levels, images, first, last, precision, recall)

    run_parts(part, parts, count_cores())
    return precision, recall


def extents(keypoints: Floats) -> Floats:
    """(d, k, 3) poses to (d, 4) boxes around all their joints."""
    boxes = np.empty((len(keypoints), 4))
    CORE.extents(floats(keypoints), keypoints.shape[1], boxes)
    return boxes


def per_image(
    pairing: Grouped, people: Mask, met: Bits, levels: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(m, c) people of each image, (m, c, t) those who were found."""
    shape = (len(pairing.image_ids), len(people), levels)
    total, found = np.zeros(shape[:2], np.int64), np.zeros(shape, np.int64)
    CORE.tally(
        pairing.people_image,
        pairing.people,
        member_bits(people),
        met,
        len(people),
        levels,
        total,
        found,
    )
    return total, found
