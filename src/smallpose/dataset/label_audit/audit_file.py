"""Audit the labels of one file: suspect poses, people labelled twice, people without a label."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import box_around_keypoints
from smallpose.core.counts import format_count
from smallpose.core.instances import Instances
from smallpose.core.joint_order import match_joint_order
from smallpose.core.predictions import Predictions
from smallpose.core.table import build_text_table, wrap_text
from smallpose.dataset.corrections.correction_list import (
    DEFAULT_IMAGE_PREFIX,
    CorrectionList,
)
from smallpose.dataset.corrections.people import Box, ListedPerson
from smallpose.dataset.label_audit.prediction_evidence import (
    PredictionEvidence,
    mark_predicted,
    weigh_predictions,
)
from smallpose.dataset.label_audit.ranking import (
    REASONS,
    LabelScores,
    SuspectLabel,
    describe_suspects,
    rank_suspect_labels,
    score_all_checks,
)
from smallpose.dataset.label_audit.repeated_people import (
    MAX_REPEATED_OKS,
    RepeatedPeople,
    find_repeated_people,
)

Ints = NDArray[np.intp]

TWICE = "seems to be labelled twice"
MISSING = "a person without a label"


@dataclass(frozen=True)
class FileAudit:
    """What an audit found.

    Args:
        file: the annotations.
        people: all of them.
        suspects: by score.
        scores: of all people.
        repeated: (p, 2) rows of people who are labelled twice, the one with fewer joints first.
        similarity: (p,) OKS of each of these pairs.
        predictions: in the joints of the file; None where none were given.
        evidence: what the predictions say.
        notes: of reading and of the audit.
    """

    file: Path
    people: Instances
    suspects: Sequence[SuspectLabel]
    scores: LabelScores
    repeated: Ints
    similarity: NDArray[np.float64]
    predictions: Predictions | None
    evidence: PredictionEvidence | None
    notes: tuple[str, ...]

    def to_json(self) -> str:
        """Return all findings."""
        counts = {
            "people": int(self.people.is_counted.sum()),
            "judged": self.scores.num_judged,
            "not_labelled": int((~self.people.is_counted).sum()),
            "suspect": len(self.suspects),
            "repeated": len(self.repeated),
            "missing": None if self.evidence is None else len(self.evidence.missing),
        }
        content = {
            "file": str(self.file),
            "counts": counts,
            "labels": describe_suspects(self.people, self.suspects),
            "repeated": [self._describe_pair(n) for n in range(len(self.repeated))],
            "missing": None if self.evidence is None else self._describe_missing(),
            "notes": list(self.notes),
        }
        return msgspec.json.format(msgspec.json.encode(content)).decode() + "\n"

    def _describe_pair(self, number: int) -> dict[str, Any]:
        first, second = self.repeated[number].tolist()
        image = int(self.people.image_rows[first])
        return {
            "id": self.people.file_ids[first],
            "other_id": self.people.file_ids[second],
            "image_id": self.people.images.file_ids[image],
            "file_name": self.people.images.file_names[image],
            "oks": round(float(self.similarity[number]), 3),
        }

    def _describe_missing(self) -> list[dict[str, Any]]:
        return [
            {
                "image_id": person.image_id,
                "file_name": person.file_name,
                "bbox": [round(value, 2) for value in person.box_xywh],
                "score": person.score,
                "keypoints": [value for joint in person.keypoints.tolist() for value in joint],
            }
            for person in self._list_missing()
        ]

    def list_people(self, max_people: int | None = None) -> list[ListedPerson]:
        """List all suspects for a correction list: poses, then repeated, then missing people."""
        people = [
            self._list_person(s.row, REASONS[s.reason], s.joints, s.score) for s in self.suspects
        ]
        listed = {suspect.row for suspect in self.suspects}
        for (row, other), oks in zip(self.repeated.tolist(), self.similarity.tolist(), strict=True):
            if row not in listed:
                reason = f"{TWICE}, also as {self.people.file_ids[other]}"
                people.append(self._list_person(row, reason, (), round(oks / MAX_REPEATED_OKS, 3)))
        return [*people, *self._list_missing()][:max_people]

    def _list_person(
        self, row: int, reason: str, joints: tuple[str, ...], score: float
    ) -> ListedPerson:
        images, image = self.people.images, int(self.people.image_rows[row])
        return ListedPerson(
            id=self.people.file_ids[row],
            image_id=images.file_ids[image],
            file_name=images.file_names[image],
            width=int(images.width[image]),
            height=int(images.height[image]),
            box_xywh=_to_box(self.people.boxes_xywh[row]),
            keypoints=self.people.keypoints[row],
            reason=reason,
            suspect_joints=joints,
            score=score,
        )

    def _list_missing(self) -> list[ListedPerson]:
        if self.evidence is None or self.predictions is None:
            return []
        images = self.people.images
        columns = match_joint_order(self.predictions.skeleton, self.people.skeleton)
        listed = []
        for detection, score in zip(
            self.evidence.missing.tolist(), self.evidence.missing_scores.tolist(), strict=True
        ):
            pose = mark_predicted(self.predictions.keypoints[[detection]])
            keypoints = np.zeros((len(self.people.skeleton), 3))
            places = self.people.skeleton.joint_indices(columns.skeleton.joints)
            keypoints[places] = columns.apply(pose)[0].round(2)
            image = images.row_of[int(self.predictions.image_ids[detection])]
            listed.append(
                ListedPerson(
                    id=None,
                    image_id=images.file_ids[image],
                    file_name=images.file_names[image],
                    width=int(images.width[image]),
                    height=int(images.height[image]),
                    box_xywh=_to_box(box_around_keypoints(pose)[0]),
                    keypoints=keypoints,
                    reason=MISSING,
                    suspect_joints=(),
                    score=round(score, 3),
                )
            )
        return listed

    def to_text(self, max_rows: int) -> str:
        """Return the findings as tables."""
        parts = [f"# Audit of {self.file}", self._describe_counts(), *map(wrap_text, self.notes)]
        parts += self._format_suspects(max_rows) + self._format_repeated(max_rows)
        return "\n\n".join([*parts, *self._format_missing(max_rows)]) + "\n"

    def _describe_counts(self) -> str:
        counted = int(self.people.is_counted.sum())
        others = len(self.people) - counted
        unjudged = counted - self.scores.num_judged
        text = (
            f"{format_count(counted, 'person', 'people')} with joints, {len(self.suspects):,} of "
            f"them suspect; {format_count(others, 'annotation')} without joints or of crowds were "
            "not checked."
        )
        if unjudged:
            text += (
                f" {format_count(unjudged, 'pose has', 'poses have')} too few known joints and "
                "were checked by size alone."
            )
        return wrap_text(text)

    def _format_suspects(self, max_rows: int) -> list[str]:
        cells = [
            (
                str(self.people.file_ids[s.row]),
                self.people.images.file_names[int(self.people.image_rows[s.row])],
                REASONS[s.reason],
                _list_briefly(s.joints),
                f"{s.score:.1f}",
            )
            for s in self.suspects[:max_rows]
        ]
        if not cells:
            return []
        heading = f"## Suspect poses{_count_rows(len(cells), len(self.suspects))}"
        table = build_text_table(("id", "image", "reason", "joints", "score"), cells)
        return [heading, table.to_text()]

    def _format_repeated(self, max_rows: int) -> list[str]:
        pairs = [self._describe_pair(n) for n in range(min(len(self.repeated), max_rows))]
        cells = [
            (str(p["id"]), str(p["other_id"]), p["file_name"], f"{p['oks']:.2f}") for p in pairs
        ]
        if not cells:
            return []
        heading = f"## People labelled twice{_count_rows(len(cells), len(self.repeated))}"
        return [heading, build_text_table(("id", "other id", "image", "OKS"), cells).to_text()]

    def _format_missing(self, max_rows: int) -> list[str]:
        people = self._list_missing()
        cells = [
            (p.file_name, ", ".join(f"{value:.0f}" for value in p.box_xywh), f"{p.score:.2f}")
            for p in people[:max_rows]
        ]
        if not cells:
            return []
        heading = f"## People without a label{_count_rows(len(cells), len(people))}"
        return [heading, build_text_table(("image", "box", "score"), cells).to_text()]


def audit_file(file: Path, people: Instances, predictions: Predictions | None) -> FileAudit:
    """Audit the labels of a table, with predictions where there are any."""
    evidence = None if predictions is None else weigh_predictions(people, predictions)
    scores = score_all_checks(people, evidence)
    repeated, similarity = _list_repeated(people, find_repeated_people(people))
    notes = (*people.notes, *(predictions.notes if predictions else ()), *scores.notes)
    return FileAudit(
        file=file,
        people=people,
        suspects=rank_suspect_labels(people, scores=scores, dense_first=False),
        scores=scores,
        repeated=repeated,
        similarity=similarity,
        predictions=predictions,
        evidence=evidence,
        notes=notes,
    )


def make_correction_list(
    audit: FileAudit, max_people: int | None = None, image_prefix: str | None = None
) -> CorrectionList:
    """Make the list of all suspects, or of the first ones, for a labelling tool."""
    skeleton = audit.people.skeleton
    return CorrectionList(
        file=audit.file,
        joints=skeleton.spelled_joints,
        edges=skeleton.edges,
        people=audit.list_people(max_people),
        image_prefix=DEFAULT_IMAGE_PREFIX if image_prefix is None else image_prefix,
    )


def _list_repeated(people: Instances, nearest: RepeatedPeople) -> tuple[Ints, NDArray[np.float64]]:
    """List each pair once, the most similar first; the one with fewer joints comes first."""
    count = people.num_labelled
    pairs = {}
    for row in np.flatnonzero(nearest.oks > MAX_REPEATED_OKS).tolist():
        other = int(nearest.other[row])
        first, second = sorted((row, other), key=lambda one: (int(count[one]), -one))
        pairs[first, second] = float(nearest.oks[row])
    ordered = sorted(pairs, key=lambda pair: (-pairs[pair], pair))
    rows = np.array(ordered, dtype=np.intp).reshape(-1, 2)
    return rows, np.array([pairs[pair] for pair in ordered])


def _to_box(values: NDArray[np.float64]) -> Box:
    x, y, w, h = values.tolist()
    return (x, y, w, h)


def _list_briefly(joints: Sequence[str]) -> str:
    more = f" and {len(joints) - 4} more" if len(joints) > 4 else ""
    return ", ".join(joints[:4]) + more


def _count_rows(shown: int, total: int) -> str:
    return f" ({shown:,} of {total:,})" if shown < total else ""
