"""Rank suspect labels: people whose labels are worth checking, the most suspect first.

Every check scores a person; a person's score is the largest of these, and correct labels hardly
ever score above 1. A suspect label is not necessarily wrong, and geometry cannot detect all errors:
a person without a labelled face whose left and right are swapped entirely looks like a correct back
view.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.density import DENSITIES
from smallpose.core.instances import SOURCES, Instances
from smallpose.core.sizes import SIZES
from smallpose.core.skeleton import SMALLPOSE, map_joints
from smallpose.dataset.label_audit.hypotheses import HYPOTHESES
from smallpose.dataset.label_audit.label_checks import (
    find_farthest_joints,
    find_longest_limbs,
    score_labels,
)
from smallpose.dataset.label_audit.pose_network import PoseErrors, score_people
from smallpose.dataset.label_audit.prediction_evidence import PredictionEvidence
from smallpose.dataset.label_audit.repairs import name_joints

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

REASONS = {
    "sides": "left and right seem to be exchanged",
    "neighbours": "two neighbouring joints seem to be exchanged",
    "moved": "one joint seems to be in the wrong place",
    "two_people": "joints of two people seem to be in one label",
    "collapsed": "keypoints are at one position",
    "outside": "keypoints are far outside the box",
    "limbs": "a limb is impossibly long",
    "box": "the box does not fit the keypoints",
}
DENSE = DENSITIES.index("dense")
MAX_LOG_ODDS = 2.5  # of an error in the pose; a label above it is suspect
# Where more labels than this share are suspect, the poses are not those of people as we know them.
MAX_SUSPECT_SHARE = 0.25
MIN_PEOPLE = 40  # for that share to say something
_REASON_OF_KIND = {"arms": "sides", "legs": "sides", "face": "sides"}
_KINDS = [_REASON_OF_KIND.get(kind, kind) for kind, _ in HYPOTHESES]
_NETWORK_REASONS = ("sides", "neighbours", "moved", "two_people")


@dataclass(frozen=True)
class SuspectLabel:
    """A person whose label is worth checking.

    Args:
        row: row of the person.
        score: the largest of `scores`, above 1.
        reason: the check with that score, a key of `REASONS`.
        scores: all scores above 1, by check.
        joints: names of the joints that the reason is about; none where it is about the whole.
    """

    row: int
    score: float
    reason: str
    scores: dict[str, float]
    joints: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabelScores:
    """How suspect each label is.

    Args:
        scores: (n,) of each reason; above 1 a label is suspect.
        hypotheses: (n,) the most likely of `HYPOTHESES` but the first.
        num_judged: people whose pose was judged, not only their box and extent.
        notes: what was left out, as plain sentences.
    """

    scores: dict[str, Floats]
    hypotheses: Ints
    num_judged: int
    notes: tuple[str, ...]

    @property
    def total(self) -> Floats:
        """Return (n,) the largest score of each person."""
        return np.asarray(np.stack(list(self.scores.values())).max(axis=0, initial=0.0))


def score_all_checks(people: Instances, evidence: PredictionEvidence | None = None) -> LabelScores:
    """Score the people by their poses, by geometry and, where given, by predictions."""
    errors = score_people(people)
    is_judged = errors.is_judged & people.is_counted
    notes: tuple[str, ...] = ()
    share = float((errors.log_odds[is_judged] > MAX_LOG_ODDS).mean()) if is_judged.any() else 0.0
    if is_judged.sum() >= MIN_PEOPLE and share > MAX_SUSPECT_SHARE:
        what = f"{share:.0%} of the poses are unlike those of the people that the audit knows"
        notes = (f"{what}, so that only boxes, limbs and repeated people are checked.",)
        is_judged[:] = False
    gains = errors.gains if evidence is None else errors.gains + evidence.gains
    gains = np.where(is_judged[:, None], gains, 0.0)
    geometry = score_labels(people)
    scores = _score_kinds(PoseErrors(gains, is_judged))
    # The network judges sides and limbs better; both checks stay for poses that it cannot judge.
    scores["sides"] = np.where(is_judged, scores["sides"], geometry["mirrored"])
    for name in ("collapsed", "outside", "box"):
        scores[name] = geometry[name]
    scores["limbs"] = np.where(is_judged, 0.0, geometry["limbs"])
    hypotheses = np.where(is_judged, gains[:, 1:].argmax(axis=1) + 1, 1)
    return LabelScores(scores, hypotheses, int(is_judged.sum()), notes)


def _score_kinds(errors: PoseErrors) -> dict[str, Floats]:
    """Score each kind of error; the likeliest one gets the odds of any error at all."""
    by_kind = {
        reason: np.logaddexp.reduce(
            errors.gains[:, [n for n, kind in enumerate(_KINDS) if kind == reason]], axis=1
        )
        for reason in _NETWORK_REASONS
    }
    likeliest = np.array([_NETWORK_REASONS.index(k) for k in _KINDS[1:]])[
        errors.gains[:, 1:].argmax(axis=1)
    ]
    total = errors.log_odds
    return {
        reason: np.where(
            errors.is_judged,
            np.where(likeliest == number, total, by_kind[reason]) / MAX_LOG_ODDS,
            0.0,
        ).clip(0)
        for number, reason in enumerate(_NETWORK_REASONS)
    }


def rank_suspect_labels(
    people: Instances,
    evidence: PredictionEvidence | None = None,
    scores: LabelScores | None = None,
    *,
    dense_first: bool = True,
) -> list[SuspectLabel]:
    """Rank all people with a score above 1: dense small people first, then by score.

    Args:
        evidence: what predictions say, where there are any.
        scores: of `score_all_checks`, where they were computed already.
        dense_first: False to rank by score alone.
    """
    scores = scores or score_all_checks(people, evidence)
    names = list(scores.scores)
    table = np.stack([scores.scores[name] for name in names], axis=1)
    largest = table.max(axis=1, initial=0.0)
    is_late = (people.density_class != DENSE) & dense_first
    rows = np.flatnonzero(largest > 1)
    order = rows[np.lexsort([rows, -largest[rows], is_late[rows]])]
    reasons = [names[index] for index in table[order].argmax(axis=1).tolist()]
    joints = _name_all_joints(people, order, reasons, scores)
    return [
        SuspectLabel(
            row=int(row),
            score=round(float(largest[row]), 3),
            reason=reason,
            scores={
                name: round(float(score), 3)
                for name, score in zip(names, table[row], strict=True)
                if score > 1
            },
            joints=named,
        )
        for row, reason, named in zip(order.tolist(), reasons, joints, strict=True)
    ]


def _name_all_joints(
    people: Instances, rows: Ints, reasons: Sequence[str], scores: LabelScores
) -> list[tuple[str, ...]]:
    suspects = people.take(rows)
    keypoints = map_joints(suspects.keypoints, suspects.skeleton, SMALLPOSE)
    of_pose = name_joints(keypoints, suspects.boxes_xywh, scores.hypotheses[rows])
    of_reason = {
        "outside": find_farthest_joints(suspects),
        "limbs": find_longest_limbs(suspects),
    }
    spelled = dict(zip(people.skeleton.joints, people.skeleton.spelled_joints, strict=True))
    named = []
    for index, reason in enumerate(reasons):
        joints = of_pose[index] if reason in _NETWORK_REASONS else ()
        joints = of_reason[reason][index] if reason in of_reason else joints
        named.append(tuple(spelled.get(joint, joint) for joint in joints))
    return named


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
                "joints": list(suspect.joints),
                "score": suspect.score,
                "scores": suspect.scores,
                "bbox": people.boxes_xywh[suspect.row].tolist(),
            }
        )
    return records
