"""Labels that look wrong: which people a second look is worth, the most suspicious first.

Every test gives a person a number of which 1 means "hardly ever seen in sound labels"; a person's
suspicion is his worst number. Dense small people stand first, because one slip of the hand costs
most there. Nothing here says that a label is wrong, and geometry cannot see everything: a person
without a labelled face whose left and right are wholly exchanged is a perfect back view.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from smallpose.core.density import DENSITIES
from smallpose.core.instances import SOURCES, Instances
from smallpose.core.sizes import SIZES
from smallpose.dataset.label_audit.label_checks import score_labels

REASONS = {
    "collapsed": "keypoints lie on one spot",
    "outside": "keypoints lie far outside the box",
    "mirrored": "left and right seem exchanged",
    "limbs": "a limb is impossibly long",
    "box": "the box does not fit the keypoints",
}
DENSE = DENSITIES.index("dense")


@dataclass(frozen=True)
class SuspectLabel:
    """A person worth a second look.

    Args:
        row: of the table.
        score: the worst of `scores`; above 1.
        reason: what it is of, one of `REASONS`.
        scores: every reason above 1 with its number.
    """

    row: int
    score: float
    reason: str
    scores: dict[str, float]


def rank_suspect_labels(people: Instances) -> list[SuspectLabel]:
    """Everybody with a suspicion above 1: dense small people first, then by suspicion."""
    scores = score_labels(people)
    names = list(scores)
    table = np.stack([scores[n] for n in names], axis=1)
    worst = table.max(axis=1, initial=0.0)
    dense = people.density_class == DENSE
    rows = np.flatnonzero(worst > 1)
    order = rows[np.lexsort([rows, -worst[rows], ~dense[rows]])]
    return [
        SuspectLabel(
            int(row),
            round(float(worst[row]), 3),
            names[int(table[row].argmax())],
            {n: round(float(s), 3) for n, s in zip(names, table[row], strict=True) if s > 1},
        )
        for row in order.tolist()
    ]


def describe_suspects(people: Instances, suspects: Sequence[SuspectLabel]) -> list[dict[str, Any]]:
    """The suspects as records, for JSON, tables and contact sheets."""
    rows = []
    for s in suspects:
        image = int(people.image_rows[s.row])
        size, density = int(people.size_class[s.row]), int(people.density_class[s.row])
        rows.append(
            {
                "id": int(people.ids[s.row]),
                "image_id": int(people.images.ids[image]),
                "file_name": people.images.file_names[image],
                "source": SOURCES[people.source[s.row]],
                "size": SIZES[size] if size >= 0 else None,
                "density": DENSITIES[density] if density >= 0 else None,
                "reason": s.reason,
                "score": s.score,
                "scores": s.scores,
                "bbox": people.boxes_xywh[s.row].tolist(),
            }
        )
    return rows
