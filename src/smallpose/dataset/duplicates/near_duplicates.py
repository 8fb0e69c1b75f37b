"""Find near-duplicates: images that are crops, mirror images or recompressions of each other.

Two indexes propose candidates. Pairs of frequency hashes within 7 bits of each other are found by
a multi-index search, which misses none. Corner descriptors that share 32 bits are found by
sorting, and two images with several such corners in common are aligned by them. Then the aligned
thumbnails are correlated. The cost grows with the number of images and of candidates, not with the
number of pairs.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smallpose.dataset.duplicates.bits import count_bits
from smallpose.dataset.duplicates.corner_matches import find_shared_corners
from smallpose.dataset.duplicates.corners import Grey
from smallpose.dataset.duplicates.image_alignment import (
    DuplicatePair,
    Transform,
    compare_thumbnails,
    fit_transform,
)
from smallpose.dataset.duplicates.image_hash import Fingerprints, compute_fingerprints

Ints = NDArray[np.intp]

MAX_HASH_DISTANCE = 7  # of 64 bits; four bands with one bit flipped miss no pair up to here
_MAX_PAIRS_PER_BLOCK = 4_000_000


def find_near_duplicates(
    images: Sequence[Path | Grey] | Fingerprints,
    *,
    labels: Sequence[str] | None = None,
    workers: int = 1,
) -> list[DuplicatePair]:
    """Find all near-duplicates among files, arrays or fingerprints.

    Args:
        labels: (m,) images with the same label, unless it is "", are not compared; for frames of
            one video in the same split.
        workers: number of threads.
    Returns: pairs of image indices in ascending order. Among more than `MAX_NEIGHBOURS` images
        that are all similar some pairs are left out, but the others connect all the images.
    """
    prints = images
    if not isinstance(prints, Fingerprints):
        prints = compute_fingerprints(prints, workers)
    codes = _number_labels(labels, len(prints))
    best: dict[tuple[int, int], DuplicatePair] = {}
    for i, j, is_mirrored, transforms in _find_candidates(prints, codes):
        for transform in transforms:
            pair = compare_thumbnails(prints.thumbnails, i, j, is_mirrored, transform)
            if pair:
                best[i, j] = max(best.get((i, j), pair), pair, key=_rank_pair)
    return [best[key] for key in sorted(best)]


def _rank_pair(pair: DuplicatePair) -> tuple[float, bool]:
    return pair.similarity, not pair.is_mirrored


def _number_labels(labels: Sequence[str] | None, m: int) -> Ints:
    """Return (m,) codes that are equal where two images are not to be compared."""
    if labels is None:
        return np.arange(m)
    _, codes = np.unique(np.array(labels, dtype=str), return_inverse=True)
    is_unlabelled = np.array([label == "" for label in labels])
    return np.where(is_unlabelled, m + np.arange(m), codes)


def _find_candidates(
    prints: Fingerprints, labels: Ints
) -> Iterator[tuple[int, int, bool, list[Transform]]]:
    """Find pairs of images with similar hashes or shared corners, and how they may align."""
    identities: dict[bool, Transform] = {False: (1.0, 0.0, 1.0, 0.0), True: (-1.0, 1.0, 1.0, 0.0)}
    with_near_hashes = {}
    for is_mirrored in identities:
        pairs = find_near_hashes(prints.hashes[0], prints.hashes[int(is_mirrored)])
        pairs = pairs[labels[pairs[:, 0]] != labels[pairs[:, 1]]]
        with_near_hashes[is_mirrored] = {(i, j) if i < j else (j, i) for i, j in pairs.tolist()}
    for is_mirrored, (i, j, first, second) in find_shared_corners(prints, labels):
        transform = fit_transform(first, second, is_mirrored)
        transforms = [transform] if transform else []
        if (i, j) in with_near_hashes[is_mirrored]:
            with_near_hashes[is_mirrored].remove((i, j))
            transforms.append(identities[is_mirrored])
        yield i, j, is_mirrored, transforms
    for is_mirrored, identity in identities.items():
        for i, j in sorted(with_near_hashes[is_mirrored]):
            yield i, j, is_mirrored, [identity]


def find_near_hashes(
    hashes: NDArray[np.uint64], others: NDArray[np.uint64] | None = None
) -> NDArray[np.intp]:
    """Find the (p, 2) pairs i != j whose 64-bit hashes differ in at most `MAX_HASH_DISTANCE` bits.

    Two hashes that differ in 7 bits have a quarter in which they differ in at most one.

    Args:
        hashes, others: (m,); without `others`, pairs within `hashes`, each once with i < j.
            With them hashes[i] is compared with others[j].
    """
    targets = hashes if others is None else others
    parts = [np.zeros((0, 2), dtype=np.intp)]
    for band in range(4):
        shift = np.uint64(16 * band)
        queries = (hashes >> shift).astype(np.uint16)
        order = np.argsort((targets >> shift).astype(np.uint16), kind="stable")
        keys = (targets >> shift).astype(np.uint16)[order]
        for flip in (0, *(1 << bit for bit in range(16))):
            flipped = queries ^ np.uint16(flip)
            start = np.searchsorted(keys, flipped, side="left")
            count = np.searchsorted(keys, flipped, side="right") - start
            for rows in _split_into_blocks(count):
                i = np.repeat(rows, count[rows])
                within = np.arange(len(i)) - np.repeat(np.cumsum(count[rows]), count[rows])
                j = order[start[i] + within + count[i]]
                is_near = count_bits(hashes[i] ^ targets[j]) <= MAX_HASH_DISTANCE
                is_near &= (i < j) if others is None else (i != j)
                parts.append(np.stack([i[is_near], j[is_near]], axis=1))
    return np.unique(np.concatenate(parts), axis=0)


def _split_into_blocks(count: Ints) -> Iterator[Ints]:
    """Split rows into blocks of about `_MAX_PAIRS_PER_BLOCK` pairs, which bounds the memory."""
    block = np.cumsum(count) // _MAX_PAIRS_PER_BLOCK
    for number in np.unique(block).tolist():
        yield np.flatnonzero(block == number)
