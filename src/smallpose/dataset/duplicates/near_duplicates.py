"""Which pictures are near-duplicates: one is a crop, a mirror image, a recompression of another.

Two indexes raise suspicions, and one look confirms them. Frequency hashes within 7 bits of each
other are found by a multi-index search that misses none. Corner descriptors that share 32 bits
meet by sorting, and pictures with several such corners in common are aligned by them. Then the
aligned thumbnails are correlated. Work grows with the number of pictures and of suspicions, not
with the number of pairs.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smallpose.dataset.duplicates.image_alignment import (
    DuplicatePair,
    ThumbnailComparison,
    Transform,
    fit_transform,
)
from smallpose.dataset.duplicates.image_hash import Fingerprints, Grey, compute_fingerprints

Ints = NDArray[np.intp]

MAX_HASH_DISTANCE = (
    7  # of 64; four bands, each searched with one bit flipped, miss no pair up to here
)
MAX_DESCRIPTOR_DISTANCE = 64  # of 256, for corners that met
MIN_SHARED_CORNERS = 4  # in common, different ones, or two pictures are not laid on each other
IMAGES_PER_PART = (
    2_000  # pictures whose meetings are looked at together, so that memory stays bounded
)
MAX_NEIGHBOURS = 8  # of a crowd of equal corners, each is compared with so many, drawn at random


def find_near_duplicates(
    images: Sequence[Path | Grey] | Fingerprints,
    *,
    labels: Sequence[str] | None = None,
    workers: int = 1,
) -> list[DuplicatePair]:
    """All near-duplicates among files, arrays or fingerprints, by number.

    Args:
        apart: (m,) labels; two pictures with the same label, unless it is "", are not compared.
            Frames of one video that stand on the same side need not be told from each other.
        jobs: threads.
    Returns: pairs in order. In a crowd of more than `NEIGHBOURS` that all resemble each other
        some pairs are left out, but the crowd hangs together by the others.
    """
    prints = images if isinstance(images, Fingerprints) else compute_fingerprints(images, workers)
    numbers = _number_labels(labels, len(prints))
    look = ThumbnailComparison(prints)
    best: dict[tuple[int, int], DuplicatePair] = {}
    for first, second, mirrored, transforms in _find_candidates(prints, numbers):
        for transform in transforms:
            pair = look.compare(first, second, mirrored, transform)
            known = best.get((first, second))
            if pair and (known is None or pair.similarity > known.similarity):
                best[first, second] = pair
    return [best[key] for key in sorted(best)]


def _number_labels(apart: Sequence[str] | None, m: int) -> Ints:
    """(m,) numbers that are equal where two pictures are not to be compared."""
    if apart is None:
        return np.arange(m)
    _, number = np.unique(np.array(apart, dtype=str), return_inverse=True)
    alone = np.array([a == "" for a in apart])
    return np.where(alone, m + np.arange(m), number)


def _find_candidates(
    prints: Fingerprints, labels: Ints
) -> Iterator[tuple[int, int, bool, list[Transform]]]:
    for mirrored in (False, True):
        straight: Transform = (-1.0, 1.0, 1.0, 0.0) if mirrored else (1.0, 0.0, 1.0, 0.0)
        pairs = find_near_hashes(prints.hashes[0], prints.hashes[int(mirrored)])
        pairs = pairs[labels[pairs[:, 0]] != labels[pairs[:, 1]]]
        alike = {(i, j) if i < j else (j, i) for i, j in pairs.tolist()}
        for i, j, here, there in _find_shared_corners(prints, mirrored, labels):
            transforms = [fit] if (fit := fit_transform(here, there, mirrored)) else []
            if (i, j) in alike:
                alike.remove((i, j))
                transforms.append(straight)
            yield i, j, mirrored, transforms
        for i, j in sorted(alike):
            yield i, j, mirrored, [straight]


def find_near_hashes(
    hashes: NDArray[np.uint64], others: NDArray[np.uint64] | None = None
) -> NDArray[np.intp]:
    """(p, 2) pairs i, j, i not j, whose 64-bit hashes differ in at most `NEAR_BITS` bits.

    Args:
        hashes, others: (m,); without `others`, pairs within `hashes`, each once with i < j.
            With them hashes[i] is compared with others[j].

    Two numbers that differ in 7 bits have a quarter in which they differ in one at most.
    """
    theirs = hashes if others is None else others
    found = [np.zeros((0, 2), dtype=np.intp)]
    for band in range(4):
        shift = np.uint64(16 * band)
        mine = (hashes >> shift).astype(np.uint16)
        order = np.argsort((theirs >> shift).astype(np.uint16), kind="stable")
        keys = (theirs >> shift).astype(np.uint16)[order]
        for flip in (0, *(1 << bit for bit in range(16))):
            wanted = mine ^ np.uint16(flip)
            start = np.searchsorted(keys, wanted, side="left")
            count = np.searchsorted(keys, wanted, side="right") - start
            for rows in _split_into_blocks(count):
                i = np.repeat(rows, count[rows])
                within = np.arange(len(i)) - np.repeat(np.cumsum(count[rows]), count[rows])
                j = order[start[i] + within + count[i]]
                near = np.bitwise_count(hashes[i] ^ theirs[j]) <= MAX_HASH_DISTANCE
                near &= (i < j) if others is None else (i != j)
                found.append(np.stack([i[near], j[near]], axis=1))
    return np.unique(np.concatenate(found), axis=0)


def _split_into_blocks(count: Ints, most: int = 4_000_000) -> Iterator[Ints]:
    """Row numbers in runs whose counts add up to about `most`, so that memory stays bounded."""
    block = np.cumsum(count) // most
    for edge in np.unique(block).tolist():
        yield np.flatnonzero(block == edge)


def _find_shared_corners(
    prints: Fingerprints, mirrored: bool, labels: Ints
) -> Iterator[tuple[int, int, NDArray[np.float32], NDArray[np.float32]]]:
    """Pictures with corners in common, i < j, and where these lie in each, (c, 2) and (c, 2)."""
    parts = max(-(-len(prints) // IMAGES_PER_PART), 1)
    met: list[list[NDArray[np.int32]]] = [[] for _ in range(parts)]
    for band in range(8):
        pairs = _match_corners(prints, mirrored, band, labels)
        part = prints.image_numbers[pairs].min(axis=1) // IMAGES_PER_PART
        order = np.argsort(part, kind="stable")
        edges = np.searchsorted(part[order], np.arange(1, parts))
        for own, some in zip(met, np.split(pairs[order], edges), strict=True):
            own.append(some)
    for number in range(parts):
        pairs, met[number] = np.concatenate(met[number]), []
        yield from _group_by_image_pair(prints, np.unique(pairs, axis=0))


def _group_by_image_pair(
    prints: Fingerprints, pairs: NDArray[np.int32]
) -> Iterator[tuple[int, int, NDArray[np.float32], NDArray[np.float32]]]:
    """The same of some pictures, from the pairs of their corners that met."""
    i, j = prints.image_numbers[pairs[:, 0]], prints.image_numbers[pairs[:, 1]]
    pairs = np.where((i < j)[:, None], pairs, pairs[:, ::-1])
    key = np.minimum(i, j).astype(np.int64) * len(prints) + np.maximum(i, j)
    order = np.argsort(key, kind="stable")
    key, pairs = key[order], pairs[order]
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    counts = np.diff(starts, append=len(key))
    enough = _count_distinct_corners(pairs, counts) >= MIN_SHARED_CORNERS
    for start, n in zip(starts[enough].tolist(), counts[enough].tolist(), strict=True):
        rows = pairs[start : start + n]
        one, other = divmod(int(key[start]), len(prints))
        yield one, other, prints.corner_positions[rows[:, 0]], prints.corner_positions[rows[:, 1]]


def _count_distinct_corners(pairs: NDArray[np.int32], counts: Ints) -> Ints:
    """(g,) different corners of the poorer side among the pairs of each group.

    Corners of fences and windows meet many of their like, and many meetings of few corners align
    with anything.
    """
    group = np.repeat(np.arange(len(counts)), counts)
    sides = []
    for side in (0, 1):
        order = np.lexsort((pairs[:, side], group))
        g, corner = group[order], pairs[order, side]
        fresh = np.ones(len(g), dtype=bool)
        fresh[1:] = (g[1:] != g[:-1]) | (corner[1:] != corner[:-1])
        sides.append(np.bincount(g[fresh], minlength=len(counts)))
    return np.minimum(*sides)


def _match_corners(
    prints: Fingerprints, mirrored: bool, band: int, labels: Ints
) -> NDArray[np.int32]:
    """(p, 2) corners of different pictures that agree in one band and are close in all.

    The first of each is a plain corner, the second a mirrored one where `mirrored`.
    """
    f = len(prints.image_numbers)
    plain, other = prints.descriptors[0], prints.descriptors[int(mirrored)]
    # In a crowd of equal corners everyone meets the next few; in a random order these are random.
    shuffled = np.random.default_rng(band).permutation(f * (2 if mirrored else 1))
    keys = plain[:, band] if not mirrored else np.concatenate([plain[:, band], other[:, band]])
    order = shuffled[np.argsort(keys[shuffled], kind="stable")].astype(np.int64)
    keys = keys[order]
    alive = np.arange(len(keys) - 1) if len(keys) else np.zeros(0, dtype=np.int64)
    found = [np.zeros((0, 2), dtype=np.int32)]
    for step in range(1, MAX_NEIGHBOURS + 1):
        alive = alive[alive + step < len(keys)]
        alive = alive[keys[alive] == keys[alive + step]]
        if not len(alive):
            break
        a, b = order[alive], order[alive + step]
        if mirrored:
            mixed = (a < f) != (b < f)
            a, b = np.where(a < f, a, b)[mixed], np.where(a < f, b, a)[mixed] - f
        apart = labels[prints.image_numbers[a]] != labels[prints.image_numbers[b]]
        a, b = a[apart], b[apart]
        close = (
            np.bitwise_count(plain[a] ^ other[b]).sum(axis=1, dtype=np.int64)
            <= MAX_DESCRIPTOR_DISTANCE
        )
        found.append(np.stack([a[close], b[close]], axis=1).astype(np.int32))
    return np.concatenate(found)
