"""The compiled search for candidates and the matching, block by block.

A block has a few thousand pairs of a detection and a person: its exponentials are numpy's, what
comes before and after is compiled. Matching takes up each block at once, so that the memory does
not depend on the number of pairs; 20,000 people and 5,000 detections in one image have 100 million.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from smallpose.evaluation.matching.arrays import (
    Bits,
    Candidates,
    Floats,
    ImageGroups,
    Ints,
    Mask,
    Matches,
    Poses,
    RankedCandidates,
)
from smallpose.evaluation.matching.native import (
    CORE,
    concat_candidates,
    pack_classes,
    split_keypoints,
    to_doubles,
)
from smallpose.system.threads import count_cores, run_parts

T = TypeVar("T")

MAX_CLASSES = 32  # one bit each
MAX_OKS_THRESHOLD = 1 - 1e-10  # pycocotools requires no more than this
BUFFER_SIZE = 1 << 16  # doubles of a thread's buffer: 512 kB, which caches hold
_MIN_DETECTIONS_PER_THREAD = 20_000


class _MatchState(NamedTuple):
    """What the matching of earlier blocks says of people; empty where nothing is matched.

    Args:
        members: (n,) bits of the classes that a person belongs to.
        taken: (n, c) bits of the thresholds at which a person has been matched.
        used: (n,) 1 where a person has been matched, 3 where nothing can match them again.
        stamp: (n,) the last block in which a person was a candidate.
    """

    members: NDArray[np.uint32]
    taken: Bits
    used: NDArray[np.uint8]
    stamp: NDArray[np.int32]


def _create_match_state(classes: Mask) -> _MatchState:
    """Create the state before the first block, for at most 32 classes."""
    num_classes, n = classes.shape
    return _MatchState(
        members=pack_classes(classes),
        taken=np.zeros((n, num_classes), np.uint16),
        used=np.zeros(n, np.uint8),
        stamp=np.zeros(n, np.int32),
    )


_NOTHING_MATCHED = _create_match_state(np.zeros((0, 0), dtype=bool))


def find_candidates(groups: ImageGroups, poses: Poses, min_oks: float) -> Candidates:
    """Run the compiled `oks.find_candidates` in threads."""
    find_blocks = _prepare_search(groups, poses, min_oks)

    def find_part(first: int, last: int) -> list[Candidates]:
        return [
            Candidates(block.detections.copy(), block.people.copy(), block.oks.copy())
            for block in find_blocks(first, last, _NOTHING_MATCHED)
        ]

    parts = _run_ranges(find_part, len(groups.detections))
    return concat_candidates([block for blocks in parts for block in blocks])


def find_ranked_candidates(
    groups: ImageGroups, poses: Poses, thresholds: Floats
) -> RankedCandidates:
    """Run the compiled `greedy.find_ranked_candidates` in threads."""
    d = len(groups.detections)
    needed = np.minimum(thresholds, MAX_OKS_THRESHOLD)
    find_blocks = _prepare_search(groups, poses, float(needed.min()))
    counts = np.zeros(d, np.int32)

    def find_part(first: int, last: int) -> list[_RankedPairs]:
        return [
            _rank_block(block, needed, counts)
            for block in find_blocks(first, last, _NOTHING_MATCHED)
        ]

    blocks = [block for blocks in _run_ranges(find_part, d) for block in blocks]
    if not blocks:
        return RankedCandidates(counts, np.zeros(0, np.int32), np.zeros(0, np.uint16))
    people, levels = (np.concatenate(column) for column in zip(*blocks, strict=True))
    return RankedCandidates(counts, people, levels)


_RankedPairs = tuple[NDArray[np.int32], Bits]


def _rank_block(block: Candidates, needed: Floats, counts: NDArray[np.int32]) -> _RankedPairs:
    """Sort the pairs of each detection, and count them in the (d,) counts of all."""
    people = np.empty(len(block.people), np.int32)
    levels = np.empty(len(block.people), np.uint16)
    CORE.rank_candidates(
        block.detections, block.people, block.oks, len(people), needed, counts, people, levels
    )
    return people, levels


def _run_ranges(work: Callable[[int, int], T], num_detections: int) -> list[T]:
    """Call `work` on ranges of detections in threads."""
    parts = _count_threads(num_detections)

    def work_on_part(part: int) -> T:
        return work(num_detections * part // parts, num_detections * (part + 1) // parts)

    return run_parts(work_on_part, parts, parts)


def _count_threads(num_detections: int) -> int:
    return 1 if num_detections < _MIN_DETECTIONS_PER_THREAD else count_cores()


def _prepare_search(
    groups: ImageGroups, poses: Poses, min_oks: float
) -> Callable[[int, int, _MatchState], Iterator[Candidates]]:
    """Return a function that yields the candidates of a range of detections in blocks.

    A block is valid until the next one. In a crowd, a person is left out to whom earlier
    detections or better candidates of the same classes leave nothing, as far as `state` tells.
    """
    k = poses.detections.shape[1]
    variances = (poses.sigmas * 2) ** 2
    nearness = -np.log(min_oks) if min_oks > 0 else np.inf
    limit = float(nearness * 2 * np.max(variances) * (1 + 1e-9))
    columns = (poses.boxes_xywh, poses.area, variances)
    tables = [
        to_doubles(poses.detections),
        *split_keypoints(poses.keypoints),
        *(to_doubles(column) for column in columns),
    ]
    rows = (groups.detections, groups.detection_image, groups.people, groups.people_start)
    max_people = int(np.diff(groups.people_start).max(initial=0))

    def find_blocks(first: int, last: int, state: _MatchState) -> Iterator[Candidates]:
        # A crowd is packed anew for each block, so that some detections of it should fit in.
        max_pairs = max(BUFFER_SIZE // 4, 8 * max_people)
        exponents = np.empty(max(BUFFER_SIZE, 8 * max_people * k))
        detections = np.empty(max_pairs, np.intp)
        people = np.empty(max_pairs, np.intp)
        oks = np.empty(max_pairs)
        num_joints = np.empty(max_pairs, np.int32)
        for block in itertools.count(1):
            if first >= last:
                return
            first, num_pairs, used = CORE.find_near_pairs(
                *tables,
                *rows,
                first,
                last,
                k,
                limit,
                min_oks,
                detections,
                people,
                num_joints,
                exponents,
                state.members,
                state.used,
                state.stamp,
                block,
            )
            with np.errstate(over="ignore", under="ignore"):
                np.exp(np.negative(exponents[:used], out=exponents[:used]), out=exponents[:used])
            kept = CORE.keep_candidates(
                exponents, num_joints, num_pairs, min_oks, detections, people, oks
            )
            yield Candidates(detections[:kept], people[:kept], oks[:kept])

    return find_blocks


def match_detections(
    groups: ImageGroups, poses: Poses, classes: Mask, thresholds: Floats
) -> Matches:
    """Run the compiled `greedy.match_detections` in threads, each with images of its own."""
    d = len(groups.detections)
    num_threads = _count_threads(d)
    find_blocks = _prepare_search(groups, poses, min(float(thresholds.min()), MAX_OKS_THRESHOLD))
    batches = _prepare_batches(classes, d)
    state = batches[0].state if len(batches) == 1 else _NOTHING_MATCHED
    starts = np.flatnonzero(np.diff(groups.detection_image, prepend=-1))
    shares = np.searchsorted(starts, [d * part // num_threads for part in range(num_threads)])
    edges = [*np.append(starts, d)[shares].tolist(), d]

    def match_part(part: int) -> None:
        for block in find_blocks(edges[part], edges[part + 1], state):
            for batch in batches:
                _match_block(block, batch, poses.is_crowd, thresholds)

    run_parts(match_part, num_threads, num_threads)
    return _join_batches(batches)


class _Batch(NamedTuple):
    """The matching of at most 32 classes.

    Args:
        true_positives, ignored: (c, d) as in `Matches`, to be filled.
    """

    state: _MatchState
    true_positives: Bits
    ignored: Bits


def _prepare_batches(classes: Mask, num_detections: int) -> list[_Batch]:
    """Prepare the matching of all classes, as many at a time as have bits."""
    batches = []
    for first in range(0, max(len(classes), 1), MAX_CLASSES):
        some = classes[first : first + MAX_CLASSES]
        true_positives, ignored = np.zeros((2, len(some), num_detections), np.uint16)
        batches.append(_Batch(_create_match_state(some), true_positives, ignored))
    return batches


def _match_block(block: Candidates, batch: _Batch, is_crowd: Mask, thresholds: Floats) -> None:
    num_classes, num_detections = batch.true_positives.shape
    CORE.match_candidates(
        block.detections,
        block.people,
        block.oks,
        len(block.oks),
        batch.state.members,
        np.ascontiguousarray(is_crowd),
        np.minimum(thresholds, MAX_OKS_THRESHOLD),
        num_classes,
        num_detections,
        batch.true_positives,
        batch.ignored,
        batch.state.taken,
        batch.state.used,
    )


def _join_batches(batches: list[_Batch]) -> Matches:
    taken = batches[0].state.taken
    matched = taken[:, 0].copy() if taken.shape[1] else np.zeros(len(taken), np.uint16)
    if len(batches) == 1:
        return Matches(batches[0].true_positives, batches[0].ignored, matched)
    return Matches(
        true_positives=np.concatenate([batch.true_positives for batch in batches]),
        ignored=np.concatenate([batch.ignored for batch in batches]),
        matched_people=matched,
    )


def match_candidates(
    candidates: Candidates, rank: Ints, classes: Mask, is_crowd: Mask, thresholds: Floats
) -> Matches:
    """Run the compiled `greedy.match_candidates`."""
    batches = _prepare_batches(classes, len(rank))
    for batch in batches:
        _match_block(candidates, batch, is_crowd, thresholds)
    return _join_batches(batches)


def match_ranked(
    ranked: RankedCandidates,
    groups: ImageGroups,
    classes: Mask,
    is_crowd: Mask,
    num_thresholds: int,
) -> Matches:
    """Run the compiled `greedy.match_ranked`."""
    batches = _prepare_batches(classes, len(groups.detections))
    first = np.cumsum(ranked.counts, dtype=np.intp) - ranked.counts
    for batch in batches:
        CORE.match_ranked(
            groups.detections,
            first,
            ranked.counts,
            ranked.people,
            ranked.levels,
            batch.state.members,
            np.ascontiguousarray(is_crowd),
            num_thresholds,
            len(batch.true_positives),
            batch.true_positives,
            batch.ignored,
            batch.state.taken,
        )
    return _join_batches(batches)
