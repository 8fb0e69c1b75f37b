"""Rank suspect labels: people whose labels are worth checking, the most suspect first.

Every check scores a person; a person's score is the largest of these, and correct labels hardly
ever score above 1. Dense small people come first, because small errors cost most there. A suspect
label is not necessarily wrong, and geometry cannot detect all errors: a person without a labelled
face whose left and right are swapped entirely looks like a correct back view.
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
    "collapsed": "keypoints are at one position",
    "outside": "keypoints are far outside the box",
    "mirrored": "left and right seem to be swapped",
    "limbs": "a limb is impossibly long",
    "box": "the box does not fit the keypoints",
}
DENSE = DENSITIES.index("dense")


@dataclass(frozen=True)
class SuspectLabel:
    """A person whose label is worth checking.

    Args:
        row: row of the person.
        score: the largest of `scores`, above 1.
        reason: the check with that score, a key of `REASONS`.
        scores: all scores above 1, by check.
    """

    row: int
    score: float
    reason: str
    scores: dict[str, float]


def rank_suspect_labels(people: Instances) -> list[SuspectLabel]:
    """Rank all people with a score above 1: dense small people first, then by score."""
    scores = score_labels(people)
    names = list(scores)
    table = np.stack([scores[name] for name in names], axis=1)
    largest = table.max(axis=1, initial=0.0)
    is_dense = people.density_class == DENSE
    rows = np.flatnonzero(largest > 1)
    order = rows[np.lexsort([rows, -largest[rows], ~is_dense[rows]])]
    return [
        SuspectLabel(
            row=int(row),
            score=round(float(largest[row]), 3),
            reason=names[int(table[row].argmax())],
            scores={
                name: round(float(score), 3)
                for name, score in zip(names, table[row], strict=True)
                if score > 1
            },
        )
        for row in order.tolist()
    ]


def describe_suspects(people: Instances, suspects: Sequence[SuspectLabel]) -> list[dict[str, Any]]:
    """Describe the suspect labels as records, for JSON, tables and contact sheets."""
    records = []
    for suspect in suspects:
        image = int(people.image_rows[suspect.row])
        size = int(people.size_class[suspect.row])
        density = int(people.density_class[suspect.row])
        records.append(
            {
                "id": people.file_ids[suspect.row],
                "image_id": people.images.file_ids[image],
                "file_name": people.images.file_names[image],
                "source": SOURCES[people.source[suspect.row]],
                "size": SIZES[size] if size >= 0 else None,
                "density": DENSITIES[density] if density >= 0 else None,
                "reason": suspect.reason,
                "score": suspect.score,
                "scores": suspect.scores,
                "bbox": people.boxes_xywh[suspect.row].tolist(),
            }
        )
    return records
