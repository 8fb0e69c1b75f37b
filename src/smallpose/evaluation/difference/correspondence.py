"""Which detections of two results belong together, and what each difference is a matter of.

1. The same pose in both results is one detection, whose score may differ.
2. Two detections of the same person belong together; their joints may differ.
3. Two similar detections that belong to no person are one false positive.

What is left has no counterpart in the other result. It is a matter of finding people if it belongs
to a person, else it is a false positive.
"""

from dataclasses import dataclass

import numpy as np

from smallpose.evaluation.difference.two_results import (
    SAME_OKS,
    TwoResults,
    find_similar_pairs,
    pair_greedily,
    sort_by_image,
)
from smallpose.evaluation.matching.arrays import Ints, Mask

CAUSES = ("found", "placed", "ranking", "false_positives")
FOUND, PLACED, RANKING, FALSE_POSITIVES = range(len(CAUSES))


@dataclass(frozen=True)
class Correspondence:
    """Detections of two results that belong together, and those without a counterpart.

    Args:
        pairs: (p, 2) rows of `TwoResults`.
        pair_causes: (p,) PLACED for poses of a person, FALSE_POSITIVES for others: what it is a
            matter of whose pose is taken. Whose score is taken is always a matter of RANKING.
        single_rows: (s,) rows without a counterpart.
        single_causes: (s,) FOUND for detections of people, FALSE_POSITIVES for others.
        is_found: (2, n) whether each result found each person.
    """

    pairs: Ints
    pair_causes: Ints
    single_rows: Ints
    single_causes: Ints
    is_found: Mask


def pair_detections(results: TwoResults) -> Correspondence:
    """Pair the detections of two results."""
    base_rows = sort_by_image(results, results.list_rows(is_other=False))
    other_rows = sort_by_image(results, results.list_rows(is_other=True))
    oks, similar = find_similar_pairs(results, base_rows, other_rows)
    same = np.array(pair_greedily(similar[oks >= SAME_OKS].tolist()), np.intp).reshape(-1, 2)

    is_free = results.position >= 0
    is_free[same] = False
    of_people = _pair_people(results, is_free)
    is_free[of_people] = False
    is_false = is_free & (results.person < 0)
    wrong = similar[is_false[similar].all(axis=1)].tolist()
    false_pairs = np.array(pair_greedily(wrong), np.intp).reshape(-1, 2)
    is_free[false_pairs] = False

    is_found = np.zeros((2, len(results.scored.truth)), dtype=bool)
    for i in range(2):
        person = results.person[results.list_rows(is_other=bool(i))]
        is_found[i, person[person >= 0]] = True
    pairs = np.concatenate([same, of_people, false_pairs])
    has_person = (results.person[pairs] >= 0).any(axis=1)
    single_rows = np.flatnonzero(is_free)
    return Correspondence(
        pairs=pairs,
        pair_causes=np.where(has_person, PLACED, FALSE_POSITIVES),
        single_rows=single_rows,
        single_causes=np.where(results.person[single_rows] >= 0, FOUND, FALSE_POSITIVES),
        is_found=is_found,
    )


def _pair_people(results: TwoResults, is_free: Mask) -> Ints:
    """Return the (p, 2) free rows of the same people."""
    rows = np.full((2, len(results.scored.truth)), -1, dtype=np.intp)
    for i in range(2):
        some = results.list_rows(is_other=bool(i))
        some = some[is_free[some] & (results.person[some] >= 0)]
        rows[i, results.person[some]] = some
    return rows.T[(rows >= 0).all(axis=0)]
