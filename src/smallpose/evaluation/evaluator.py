"""Evaluate in pieces: a validation loop, several ranks, a file that is scored while it is read.

What is kept of a detection is its score, its box and its candidate people, about a fifth of its
keypoints.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions, make_predictions
from smallpose.core.skeleton import Skeleton
from smallpose.evaluation.areas import get_detection_boxes, refuse_missing_boxes
from smallpose.evaluation.comparability import collect_data_facts
from smallpose.evaluation.config import ScoringConfig
from smallpose.evaluation.evaluate import (
    Evaluation,
    add_intervals,
    describe_settings,
    summarize_counts,
)
from smallpose.evaluation.matching.arrays import Candidates, Floats, ImageGroups, Ints
from smallpose.evaluation.matching.greedy import match_candidates
from smallpose.evaluation.matching.image_groups import group_rows, index_images, index_truth_images
from smallpose.evaluation.matching.keypoint_selection import (
    ScoredPoses,
    select_detections,
    select_keypoints,
)
from smallpose.evaluation.matching.native import concat_candidates
from smallpose.evaluation.matching.oks import find_candidates
from smallpose.evaluation.notes import (
    collect_notes,
    describe_undetected_images,
    describe_unlabelled_images,
)
from smallpose.evaluation.scoring.count_matches import count_matches
from smallpose.evaluation.scoring.detected_people import list_detected_people
from smallpose.evaluation.scoring.precision_recall import THRESHOLDS


@dataclass(frozen=True)
class Piece:
    """What is kept of some detections.

    Args:
        image, scores, boxes: (d,), (d,), (d, 4) of each.
        candidates: pairs that could match; their `detections` are rows of this piece.
    """

    image: Ints
    scores: Floats
    boxes: Floats
    candidates: Candidates


class Evaluator:
    """Takes predictions in pieces and returns the `Evaluation` of all of them.

    The detections of one image may come in several pieces, best in the order of their file: among
    equal scores the earlier one goes first, as in COCO.

    Args:
        truth: all people, also of images that other ranks process.
        options: as for `evaluate`.
    """

    def __init__(self, truth: Instances, **options: Any) -> None:
        self.truth = truth
        self.config = ScoringConfig(**options)
        self._image_ids, self._people_image = index_truth_images(truth)
        self._empty_groups = self._group(np.zeros(0, np.intp), np.zeros(0))
        self._pieces: list[Piece] = []
        self._notes: dict[str, None] = {}
        self._skeleton: Skeleton | None = None
        self._scored: ScoredPoses | None = None
        self._has_boxes = False

    def add(self, predictions: Predictions) -> None:
        """Add some detections.

        Raises: InputError when they have other joints than those before, or an unknown image.
        """
        if not len(predictions):
            return
        self.start(predictions)
        if self._has_boxes:
            refuse_missing_boxes(predictions)
        else:  # the first detection of all decides, as in COCO
            no_boxes = np.full((len(predictions), 4), np.nan)
            predictions = replace(predictions, boxes_xywh=no_boxes)
        self.add_piece(self.search(predictions))
        self.add_notes(predictions.notes)

    def start(self, predictions: Predictions) -> None:
        """Prepare the truth for the joints of some predictions, and remember if they have boxes.

        Raises: InputError when predictions before had other joints.
        """
        if self._scored is None:
            self._scored = self._select(predictions)
            self._skeleton, self._has_boxes = predictions.skeleton, predictions.has_boxes
        elif predictions.skeleton != self._skeleton:
            raise InputError(
                "results", "their joints changed on the way", "score each skeleton in its own run"
            )

    def search(self, predictions: Predictions) -> Piece:
        """Find the candidates of some predictions, after `start`; threads may call it together."""
        assert self._scored is not None
        image = index_images(self._image_ids, predictions.image_ids)
        rows = np.argsort(image, kind="stable")
        groups = replace(
            self._empty_groups,
            detections=rows,
            detection_image=image[rows],
            rank=np.zeros_like(rows),
        )
        detections = select_detections(predictions, self._scored.skeleton)
        poses = replace(self._scored.poses, detections=detections)
        candidates = find_candidates(groups, poses, float(THRESHOLDS.min()))
        boxes = get_detection_boxes(predictions)
        return Piece(
            image=image,
            scores=predictions.scores.copy(),
            # A copy, because the predictions may be rows of something larger.
            boxes=boxes.copy() if predictions.has_boxes else boxes,
            candidates=replace(candidates, detections=rows[candidates.detections]),
        )

    def add_piece(self, piece: Piece) -> None:
        """Add what `search` returned; earlier detections of the file first."""
        self._pieces.append(piece)

    def add_notes(self, notes: Iterable[str]) -> None:
        """Add notes on the predictions."""
        self._notes |= dict.fromkeys(notes)

    def merge(self, other: "Evaluator") -> None:
        """Add what another evaluator of the same truth was given."""
        if not other._pieces:
            return
        if not np.array_equal(other._image_ids, self._image_ids) or other.config != self.config:
            raise InputError("merge", "the truth or the settings differ", "evaluate all alike")
        if self._skeleton is None:
            self._skeleton, self._has_boxes = other._skeleton, other._has_boxes
            self._scored = other._scored
        if other._skeleton != self._skeleton or other._has_boxes != self._has_boxes:
            raise InputError(
                "merge",
                "only some results have boxes, or all joints",
                "write all results with the same fields and joints",
            )
        self._pieces += other._pieces
        self._notes |= other._notes

    def result(self, intervals: int = 0, seed: int = 0) -> Evaluation:
        """Evaluate all that was added so far; arguments as for `evaluate`."""
        scored = self._scored
        if scored is None:
            skeleton = self.truth.skeleton
            no_poses = np.zeros((0, len(skeleton), 3))
            scored = self._select(make_predictions(skeleton, [], no_poses, []))
        image = _concat_parts([piece.image for piece in self._pieces], np.zeros(0, np.intp))
        scores = _concat_parts([piece.scores for piece in self._pieces], np.zeros(0))
        boxes = _concat_parts([piece.boxes for piece in self._pieces], np.zeros((0, 4)))
        groups = self._group(image, scores, self.config.detection_limit)
        matches = match_candidates(
            _sort_candidates(groups, self._collect_candidates(), len(image)),
            groups.rank,
            scored.classes,
            self.truth.iscrowd,
            THRESHOLDS,
        )
        counts = count_matches(scored, groups, matches, boxes, scores, self.config)
        result = summarize_counts(
            counts,
            self.config.protocols,
            describe_settings(self.config, scored, self._has_boxes),
            [
                *collect_notes(scored, self._notes, self.config, boxes),
                *describe_unlabelled_images(counts, self.truth, self.config),
                *describe_undetected_images(counts, self._notes),
            ],
            list_detected_people(scored, groups, matches),
            collect_data_facts(scored, groups, boxes, self._has_boxes),
        )
        return add_intervals(result, intervals, seed) if intervals else result

    def _group(self, image: Ints, scores: Floats, max_detections: int | None = None) -> ImageGroups:
        return group_rows(self._image_ids, self._people_image, image, scores, max_detections)

    def _select(self, predictions: Predictions) -> ScoredPoses:
        scored = select_keypoints(self.truth, predictions, self.config)
        # A copy, because a view would keep the detections in memory.
        no_detections = scored.poses.detections[:0].copy()
        return replace(scored, poses=replace(scored.poses, detections=no_detections))

    def _collect_candidates(self) -> Candidates:
        """Return the candidates of all pieces, by row of all detections."""
        parts = []
        start = 0
        for piece in self._pieces:
            rows = piece.candidates.detections + start
            parts.append(replace(piece.candidates, detections=rows))
            start += len(piece.scores)
        return concat_candidates(parts)


def _concat_parts(parts: list[Any], empty: Any) -> Any:
    return np.concatenate(parts) if parts else empty


def _sort_candidates(groups: ImageGroups, candidates: Candidates, num_rows: int) -> Candidates:
    """Sort candidates by position in the groups, without detections beyond the limit."""
    position = np.full(num_rows, -1, dtype=np.intp)
    position[groups.detections] = np.arange(len(groups.detections))
    d = position[candidates.detections]
    kept = np.flatnonzero(d >= 0)
    kept = kept[np.argsort(d[kept], kind="stable")]
    return Candidates(d[kept], candidates.people[kept], candidates.oks[kept])
