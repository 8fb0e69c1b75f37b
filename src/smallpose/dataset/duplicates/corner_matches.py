"""Match corners of many images, and find the pairs of images that share several of them.

Corners that agree in 32 bits are found by sorting. By chance nearly all images share a few, so that
most pairs are dropped by counting before they are looked at.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from smallpose.dataset.duplicates.bits import count_row_bits, sort_stably
from smallpose.dataset.duplicates.corners import mirror_descriptors
from smallpose.dataset.duplicates.image_alignment import find_alignable
from smallpose.dataset.duplicates.image_hash import Fingerprints

Ints = NDArray[np.intp]

MAX_DESCRIPTOR_DISTANCE = 26  # of 256 bits
MIN_SHARED_CORNERS = 4  # different corners in common, before two images are aligned
IMAGES_PER_PASS = 50_000  # images whose matching corners are in memory at once, in pairs of 8 bytes
IMAGES_PER_PART = 2_000  # images whose shared corners are processed together; bounds the memory
MAX_NEIGHBOURS = 8  # of many equal corners, each is compared with so many random ones
_MAX_SLOPES_PER_BLOCK = 1_000_000
_SLOT_FACTOR = 0x9E3779B1  # spreads image pairs over the slots of a table
_CORNERS_PER_BLOCK = 1 << 15  # whose descriptors are compared together
_MAX_PAIRS_PER_BLOCK = 4_000_000

# Two images i < j and the (c, 2) positions of their shared corners in each.
_SharedCorners = tuple[int, int, NDArray[np.float32], NDArray[np.float32]]
# The (p, 2) pairs of matching corners of a part of the images, block by block, by `is_mirrored`.
_Matches = dict[bool, list[NDArray[np.int32]]]


def find_shared_corners(
    prints: Fingerprints, labels: Ints
) -> Iterator[tuple[bool, _SharedCorners]]:
    """Find the pairs of images with enough corners in common, and whether one is mirrored."""
    labels_of_corners = labels.astype(np.int32)[prints.image_index]
    for images in _split_into_passes(len(prints)):
        parts = _match_part_by_part(prints, labels_of_corners, images)
        while parts:
            for is_mirrored, blocks in parts.pop(0).items():
                pairs = _drop_rare_image_pairs(prints, np.concatenate(blocks))
                pairs = _sort_unique_pairs(pairs)
                for shared in _group_by_image_pair(prints, pairs, is_mirrored):
                    yield is_mirrored, shared


def _split_into_passes(m: int) -> Iterator[range]:
    """Split m images so that each pass has about as many pairs by their first image.

    All pairs of corners of 100,000 images take more than a gigabyte. Each pass finds them again and
    keeps its own.
    """
    num_passes = max(-(-m // IMAGES_PER_PASS), 1)
    edges = [round(m * (1 - (1 - n / num_passes) ** 0.5)) for n in range(num_passes + 1)]
    yield from map(range, edges[:-1], edges[1:])


def _match_part_by_part(
    prints: Fingerprints, labels: NDArray[np.int32], images: range
) -> list[_Matches]:
    """Match corners; return the pairs in parts by their first image, which is in `images`."""
    # The corners of an image follow each other, so those of a part do, too.
    part_edges = [*images[::IMAGES_PER_PART], images.stop]
    edges = np.searchsorted(prints.image_index, part_edges)
    none = np.zeros((0, 2), np.int32)
    parts: list[_Matches] = [{False: [none], True: [none]} for _ in edges[1:]]
    for band in range(8):
        for pairs, is_mirrored in _match_corners(prints, band, labels):
            # Both kinds of each part follow each other in this order.
            part = 2 * np.searchsorted(edges, pairs[:, 0], side="right") + is_mirrored
            part = part.astype(np.uint16)
            order = np.argsort(part, kind="stable")  # fast for 16 bits
            ends = np.cumsum(np.bincount(part, minlength=2 * len(edges) + 2))
            pairs = pairs.take(order, axis=0)
            for index, matches in enumerate(parts):
                for kind, blocks in matches.items():
                    end = 2 * (index + 1) + int(kind)
                    blocks.append(pairs[ends[end - 1] : ends[end]].copy())
    return parts


def _drop_rare_image_pairs(prints: Fingerprints, pairs: NDArray[np.int32]) -> NDArray[np.int32]:
    """Drop most pairs of corners whose images have too few in common, and no others.

    Image pairs are counted in a table in which some share a slot. Nearly all are by chance, and
    sorting them takes much longer.
    """
    images = prints.image_index[pairs].astype(np.int64)
    num_slots = 1 << (len(pairs).bit_length() + 1)
    slot = (images[:, 0] * _SLOT_FACTOR + images[:, 1]) % num_slots
    counts = np.bincount(slot, minlength=num_slots)
    return pairs.compress(counts[slot] >= MIN_SHARED_CORNERS, axis=0)


def _sort_unique_pairs(pairs: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return what `np.unique(pairs, axis=0)` returns, which is slower."""
    keys = np.sort((pairs[:, 0].astype(np.int64) << 32) | pairs[:, 1])
    keys = keys[np.diff(keys, prepend=-1) > 0]
    unique = np.empty((len(keys), 2), np.int32)
    unique[:, 0] = keys >> 32
    unique[:, 1] = keys & 0xFFFFFFFF
    return unique


def _group_by_image_pair(
    prints: Fingerprints, pairs: NDArray[np.int32], is_mirrored: bool
) -> Iterator[_SharedCorners]:
    """Group (p, 2) pairs of matching corners by their images, and keep images that may be aligned.

    Nearly all images share fewer corners than are needed, so these are dropped first.
    """
    images = prints.image_index[pairs]
    key = images[:, 0].astype(np.int64) * len(prints) + images[:, 1]
    order = sort_stably(key)
    key = key[order]
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    counts = np.diff(starts, append=len(key))
    is_enough = counts >= MIN_SHARED_CORNERS
    order, key = order[np.repeat(is_enough, counts)], key[starts[is_enough]]
    pairs = pairs.take(order, axis=0)
    counts = counts[is_enough]
    is_enough = _count_distinct_corners(pairs, counts) >= MIN_SHARED_CORNERS
    starts = np.cumsum(counts) - counts
    positions = prints.corner_positions
    may_align = np.zeros(len(counts), dtype=bool)
    for groups in _split_by_count(np.flatnonzero(is_enough), counts):
        rows = pairs[starts[groups, None] + np.arange(counts[groups[0]])]
        corners = positions[rows[..., 0]], positions[rows[..., 1]]
        may_align[groups] = find_alignable(*corners, is_mirrored)
    for group in np.flatnonzero(may_align).tolist():
        rows = pairs[starts[group] : starts[group] + counts[group]]
        first, second = divmod(int(key[group]), len(prints))
        yield first, second, positions[rows[:, 0]], positions[rows[:, 1]]


def _split_by_count(groups: Ints, counts: Ints) -> Iterator[Ints]:
    """Split groups into blocks of the same count, of which none needs much memory."""
    for count in np.unique(counts[groups]).tolist():
        same = groups[counts[groups] == count]
        size = max(_MAX_SLOPES_PER_BLOCK // count**2, 1)
        for start in range(0, len(same), size):
            yield same[start : start + size]


def _count_distinct_corners(pairs: NDArray[np.int32], counts: Ints) -> Ints:
    """Count the distinct corners of each group of pairs, in the image that has fewer.

    Corners of fences and windows match many others, and many matches of few corners fit any
    alignment.

    Args:
        counts: (g,) pairs in each group.
    """
    group = np.repeat(np.arange(len(counts)), counts)
    num_distinct = []
    for column in (0, 1):
        order = np.lexsort((pairs[:, column], group))
        sorted_group, corner = group[order], pairs[order, column]
        is_new = np.ones(len(sorted_group), dtype=bool)
        is_new[1:] = (sorted_group[1:] != sorted_group[:-1]) | (corner[1:] != corner[:-1])
        num_distinct.append(np.bincount(sorted_group[is_new], minlength=len(counts)))
    return np.minimum(*num_distinct)


def _match_corners(
    prints: Fingerprints, band: int, labels: NDArray[np.int32]
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.bool_]]]:
    """Match corners of different images that are equal in one band of 32 bits and close in all.

    Mirroring permutes the bits within each band. Of both versions of a corner the one with the
    smaller band is taken, so that one order serves for equal and for mirrored corners.

    Args:
        labels: (f,) label of each corner's image.
    Yields: (p, 2) corner indices, the smaller first, and (p,) whether one of them is mirrored.
    """
    f = len(labels)
    versions, keys = _choose_versions(prints.descriptors[:, band])
    # Among equal corners each is compared with the next few; shuffling makes these random.
    shuffled = np.random.default_rng(band).permutation(len(versions))
    order = versions[shuffled[sort_stably(keys[shuffled])]]
    parts: list[NDArray[np.int32]] = []
    flags: list[NDArray[np.bool_]] = []
    num_pairs = 0
    for start in range(0, len(order) - 1, _CORNERS_PER_BLOCK):
        # Neighbours in this order are compared, so that a block of descriptors stays in the cache.
        rows = order[start : start + _CORNERS_PER_BLOCK + MAX_NEIGHBOURS]
        is_mirrored = rows >= f
        corners = np.where(is_mirrored, rows - f, rows)
        codes = prints.descriptors.take(corners, axis=0)  # which is faster than an index
        codes[is_mirrored] = mirror_descriptors(codes[is_mirrored])
        keys, words = codes[:, band], codes.view(np.uint64)
        labels_of_rows = labels[corners]
        for step in range(1, MAX_NEIGHBOURS + 1):
            num = min(_CORNERS_PER_BLOCK, len(rows) - step)
            later = slice(step, step + num)
            is_equal = keys[:num] == keys[later]
            if not is_equal.any():
                break
            a = np.flatnonzero(is_equal & (labels_of_rows[:num] != labels_of_rows[later]))
            b = a + step
            is_close = (
                count_row_bits(words.take(a, axis=0) ^ words.take(b, axis=0))
                <= MAX_DESCRIPTOR_DISTANCE
            )
            a, b = a[is_close], b[is_close]
            pairs = np.stack([corners[a], corners[b]], axis=1).astype(np.int32)
            parts.append(np.sort(pairs, axis=1))
            flags.append(is_mirrored[a] != is_mirrored[b])
            num_pairs += len(a)
        if num_pairs > _MAX_PAIRS_PER_BLOCK // 4:
            yield np.concatenate(parts), np.concatenate(flags)
            parts.clear()
            flags.clear()
            num_pairs = 0
    if parts:
        yield np.concatenate(parts), np.concatenate(flags)


def _choose_versions(band: NDArray[np.uint32]) -> tuple[Ints, NDArray[np.uint32]]:
    """Choose the version of each of f corners whose band is smaller, or both if they are equal.

    Returns: indices of corners, plus f where mirrored, and the band of each.
    """
    f = len(band)
    mirrored = mirror_descriptors(band)
    smaller = np.arange(f) + f * (mirrored < band)
    both = np.flatnonzero(mirrored == band)
    keys = np.minimum(band, mirrored)
    return np.concatenate([smaller, f + both]), np.concatenate([keys, keys[both]])
