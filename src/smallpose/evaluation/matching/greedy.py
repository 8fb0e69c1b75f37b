"""COCO's greedy matching: each detection, best score first, matches the person it fits best.

It is done at several thresholds and for several classes of people at once. People outside a class
are *ignored* there: they may still be matched, and such a detection counts neither way.
"""

from dataclasses import replace

import numpy as np

from smallpose.evaluation.matching import native, native_matching
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
from smallpose.evaluation.matching.native_matching import MAX_OKS_THRESHOLD
from smallpose.evaluation.matching.oks import find_candidates

MAX_THRESHOLDS = 16  # one bit each


@native.prefer_compiled(native_matching.match_detections)
def match_detections(
    groups: ImageGroups, poses: Poses, classes: Mask, thresholds: Floats
) -> Matches:
    """Match every detection with the people of its image.

    Candidates are matched range by range, so that the memory does not depend on their number.

    Args:
        classes: (c, n) members of each class.
        thresholds: (t,) OKS that makes a match, at most 16.
    """
    min_oks = min(float(thresholds.min()), MAX_OKS_THRESHOLD)
    num_classes, n = classes.shape
    is_taken = np.zeros((num_classes, len(thresholds), n), dtype=bool)
    true_positives = np.zeros((num_classes, len(groups.detections)), np.uint16)
    ignored = np.zeros_like(true_positives)
    matched_people = np.zeros(n, np.uint16)
    for part in groups.iterate_ranges():
        some = replace(
            groups,
            detections=groups.detections[part],
            detection_image=groups.detection_image[part],
            rank=groups.rank[part],
        )
        candidates = find_candidates(some, poses, min_oks)
        matches = match_greedily(
            candidates, some.rank, classes, poses.is_crowd, thresholds, is_taken=is_taken
        )
        true_positives[:, part] = matches.true_positives
        ignored[:, part] = matches.ignored
        matched_people = matches.matched_people
    return Matches(true_positives, ignored, matched_people)


@native.prefer_compiled(native_matching.match_candidates)
def match_candidates(
    candidates: Candidates, rank: Ints, classes: Mask, is_crowd: Mask, thresholds: Floats
) -> Matches:
    """Match pairs that are near enough, those at the lowest threshold at least.

    Args:
        rank: (d,) position of each detection in its image by falling score.
        classes: (c, n) members of each class.
        is_crowd: (n,) regions that match any number of detections.
        thresholds: (t,) OKS that makes a match, at most 16.
    """
    return match_greedily(candidates, rank, classes, is_crowd, thresholds)


@native.prefer_compiled(native_matching.find_ranked_candidates)
def find_ranked_candidates(
    groups: ImageGroups, poses: Poses, thresholds: Floats
) -> RankedCandidates:
    """Find all pairs of an image that match at one of the thresholds, to match them later.

    Args:
        thresholds: (t,) OKS that makes a match, rising, at most 16.
    """
    needed = np.minimum(thresholds, MAX_OKS_THRESHOLD)
    candidates = find_candidates(groups, poses, float(needed.min()))
    d, oks = candidates.detections, candidates.oks
    # Of equally good people the last in the file is first, as in pycocotools.
    order = np.lexsort((-np.arange(len(d)), -oks, d))
    bits = (1 << np.arange(len(needed))).astype(np.uint16)[:, None]
    return RankedCandidates(
        counts=np.bincount(d, minlength=len(groups.detections)).astype(np.int32),
        people=candidates.people[order].astype(np.int32),
        levels=_pack_thresholds(oks[order] >= needed[:, None], bits),
    )


@native.prefer_compiled(native_matching.match_ranked)
def match_ranked(
    ranked: RankedCandidates,
    groups: ImageGroups,
    classes: Mask,
    is_crowd: Mask,
    num_thresholds: int,
) -> Matches:
    """Match detections with the candidates that were found for all of them.

    Args:
        groups: whose `detections` are rows of `ranked`.
        classes: (c, n) members of each class.
        is_crowd: (n,) regions that match any number of detections.
        num_thresholds: for which they were found.
    """
    rows = groups.detections
    counts = ranked.counts[rows]
    place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    pairs = np.repeat((np.cumsum(ranked.counts) - ranked.counts)[rows], counts) + place
    # Any numbers in the same order and on the same side of thresholds match as the OKS do.
    num_reached = ((ranked.levels[pairs, None] >> np.arange(num_thresholds)) & 1).sum(axis=1)
    order = 1 - (place + 1) / (np.repeat(counts, counts) + 1)
    scale = num_thresholds + 2
    return match_greedily(
        Candidates(
            detections=np.repeat(np.arange(len(rows)), counts),
            people=ranked.people[pairs].astype(np.intp),
            oks=(num_reached + order) / scale,
        ),
        groups.rank,
        classes,
        is_crowd,
        np.arange(1, num_thresholds + 1) / scale,
    )


def match_greedily(
    candidates: Candidates,
    rank: Ints,
    classes: Mask,
    is_crowd: Mask,
    thresholds: Floats,
    partner: Ints | None = None,
    is_taken: Mask | None = None,
) -> Matches:
    """Match as `match_candidates` does, and record the matched people.

    Args:
        partner: (c, t, d) to be filled with the row of the person that each detection matched.
        is_taken: (c, t, n) people that better detections have matched; changed in place.
    """
    num_classes, n = classes.shape
    needed = np.minimum(thresholds, MAX_OKS_THRESHOLD)
    if is_taken is None:
        is_taken = np.zeros((num_classes, len(needed), n), dtype=bool)
    true_positives = np.zeros((num_classes, len(rank)), dtype=np.uint16)
    ignored = np.zeros_like(true_positives)
    bits = (1 << np.arange(len(needed))).astype(np.uint16)[:, None]
    # The k-th detections of all images go together: no two of them compete for a person. Within a
    # detection the pairs rise in OKS and then in file order, so the last one that may win wins;
    # pycocotools lets the last of several equally good people win, too.
    d, g, oks = candidates.detections, candidates.people, candidates.oks
    order = np.lexsort((g, oks, d, rank[d]))
    d, g, oks = d[order], g[order], oks[order]
    for pairs in np.split(np.arange(len(d)), np.flatnonzero(np.diff(rank[d])) + 1):
        if not len(pairs):
            continue
        a, b = d[pairs], g[pairs]
        starts = np.flatnonzero(np.diff(a, prepend=-1))
        may_match = (oks[pairs] >= needed[:, None]) & (~is_taken[:, :, b] | is_crowd[b])
        # People of the class before ignored ones, whatever their OKS.
        preference = np.arange(len(pairs)) + len(pairs) * classes[:, None, b]
        best = np.maximum.reduceat(np.where(may_match, preference, -1), starts, axis=2)
        is_matched = best >= 0
        is_in_class = best >= len(pairs)
        c, t, i = np.nonzero(is_matched)
        person = b[best[is_matched] % len(pairs)]
        is_taken[c, t, person] = True
        if partner is not None:
            partner[c, t, a[starts][i]] = person
        true_positives[:, a[starts]] = _pack_thresholds(is_in_class, bits)
        ignored[:, a[starts]] = _pack_thresholds(is_matched & ~is_in_class, bits)
    matched_people = np.zeros(n, np.uint16)
    if num_classes:
        matched_people = _pack_thresholds(is_taken[0], bits)
    return Matches(true_positives, ignored, matched_people)


def _pack_thresholds(flags: Mask, bits: Bits) -> Bits:
    """Pack (…, t, d) flags into (…, d) numbers with a bit per threshold."""
    return np.asarray(np.sum(flags * bits, axis=-2, dtype=np.uint16))
