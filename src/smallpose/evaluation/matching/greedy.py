"""Who was found: each detection, best score first, takes the person it fits best.

COCO's greedy rule at several thresholds and for several classes of people at once. A class makes
everybody outside it *ignored*: he may still take up a detection, which then counts neither way.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.evaluation.matching import native
from smallpose.evaluation.matching.image_groups import ImageGroups
from smallpose.evaluation.matching.oks import find_candidates

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Mask = NDArray[np.bool_]
Bits = NDArray[np.uint16]
MAX_THRESHOLDS = 16  # one bit each
MAX_CLASSES = 32  # likewise, in the compiled twin
MAX_OKS_THRESHOLD = 1 - 1e-10  # pycocotools asks for no more than this


@dataclass(frozen=True)
class Matches:
    """What became of detections and people; bit t of each number stands for threshold t.

    Args:
        hit: (c, d) the detection found a person of the class.
        absorbed: (c, d) it was taken up by somebody ignored.
        met: (n,) the person was found, in the first class's matching (which has everybody).
    """

    hit: Bits
    absorbed: Bits
    met: Bits


def match_detections(
    pairing: ImageGroups,
    found: Floats,
    keypoints: Floats,
    boxes_xywh: Floats,
    area: Floats,
    crowd: Mask,
    sigmas: Floats,
    people: Mask,
    thresholds: Floats,
) -> Matches:
    """Match every detection of `pairing` with the people of its image.

    Args:
        found: (·, k, 3) of all predictions.
        keypoints, boxes_xywh, area, crowd: (n, …) of all people.
        people: (c, n) who counts in each class.
        thresholds: (t,) OKS that makes a match.
    """
    columns = (found, keypoints, boxes_xywh, area, sigmas)
    pairs = find_candidates if native.CORE is None else native.candidates
    near = pairs(pairing, *columns, min(float(thresholds.min()), MAX_OKS_THRESHOLD))
    return match_candidates(*near, pairing.rank, people, crowd, thresholds)


def match_candidates(
    d: Ints, g: Ints, oks: Floats, rank: Ints, people: Mask, crowd: Mask, thresholds: Floats
) -> Matches:
    """Match pairs that are near enough; `d` rises and is a position in `rank`."""
    if native.CORE is not None and len(people) <= MAX_CLASSES:
        needed = np.minimum(thresholds, MAX_OKS_THRESHOLD)
        return Matches(*native.match(d, g, oks, len(rank), people, crowd, needed))
    return match_greedily(d, g, oks, rank, ~people, crowd, thresholds)


def match_greedily(
    d: Ints,
    g: Ints,
    oks: Floats,
    rank: Ints,
    ignored: Mask,
    crowd: Mask,
    thresholds: Floats,
    partner: Ints | None = None,
) -> Matches:
    """Match greedily, in all images, classes and thresholds at once.

    Args:
        d, g, oks: (p,) candidate pairs, at least those with OKS at the lowest threshold; `d` is
            a position in `rank`, `g` a row of `crowd`.
        rank: (d,) each detection's place in its image by falling score.
        ignored: (c, n) who does not count in each class.
        crowd: (n,) regions that take up any number of detections.
        thresholds: (t,) OKS that makes a match, at most 16.
        partner: (c, t, d) to be filled with the row of whom each detection took, where it did.
    """
    classes, n = ignored.shape
    needed = np.minimum(thresholds, MAX_OKS_THRESHOLD)
    taken = np.zeros((classes, len(needed), n), dtype=bool)
    hit = np.zeros((classes, len(rank)), dtype=np.uint16)
    absorbed = np.zeros_like(hit)
    bits = (1 << np.arange(len(needed))).astype(np.uint16)[:, None]
    # The k-th detections of all images go together: no two of them compete for anybody. Within a
    # detection the pairs rise in OKS and then in file order, so the last one that may win wins;
    # pycocotools lets the last of several equally good people have it, too.
    order = np.lexsort((g, oks, d, rank[d]))
    d, g, oks = d[order], g[order], oks[order]
    step = rank[d]
    for pairs in np.split(np.arange(len(d)), np.flatnonzero(np.diff(step)) + 1):
        if not len(pairs):
            continue
        a, b = d[pairs], g[pairs]
        starts = np.flatnonzero(np.diff(a, prepend=-1))
        free = (oks[pairs] >= needed[:, None]) & (~taken[:, :, b] | crowd[b])
        # People of the class before ignored ones, whatever their OKS.
        place = np.arange(len(pairs)) + len(pairs) * ~ignored[:, None, b]
        best = np.maximum.reduceat(np.where(free, place, -1), starts, axis=2)
        own = best >= len(pairs)
        matched = best >= 0
        c, t, i = np.nonzero(matched)
        who = b[best[matched] % len(pairs)]
        taken[c, t, who] = True
        hit[:, a[starts]] = _pack(own, bits)
        absorbed[:, a[starts]] = _pack(matched & ~own, bits)
        if partner is not None:
            partner[c, t, a[starts][i]] = who
    met = _pack(taken[0], bits) if classes else np.zeros(n, np.uint16)
    return Matches(hit, absorbed, met)


def _pack(flags: Mask, bits: Bits) -> Bits:
    """(…, t, d) flags to (…, d) numbers with a bit per threshold."""
    return np.asarray(np.sum(flags * bits, axis=-2, dtype=np.uint16))
