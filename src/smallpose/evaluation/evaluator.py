"""Evaluate in pieces: a validation loop, several ranks, a file that is scored while it is read.

What is kept of a detection is its score, its box and its candidate people, about a tenth of its
keypoints.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.packed_keypoints import PackedKeypoints
from smallpose.core.predictions import Predictions, concat_predictions, make_predictions
from smallpose.core.skeleton import Skeleton
from smallpose.evaluation.areas import get_detection_boxes, refuse_missing_boxes
from smallpose.evaluation.comparability import collect_data_facts
from smallpose.evaluation.config import ScoringConfig, refuse_other_tables, refuse_other_truth
from smallpose.evaluation.evaluate import (
    Evaluation,
    add_intervals,
    describe_settings,
    summarize_counts,
)
from smallpose.evaluation.matching.arrays import Floats, RankedCandidates
from smallpose.evaluation.matching.greedy import find_ranked_candidates, match_ranked
from smallpose.evaluation.matching.image_groups import (
    group_detections,
    group_rows,
    index_images,
    index_truth_images,
)
from smallpose.evaluation.matching.keypoint_selection import (
    ScoredPoses,
    select_detections,
    select_keypoints,
)
from smallpose.evaluation.notes import (
    collect_notes,
    describe_no_match,
    describe_unlabelled_images,
)
from smallpose.evaluation.scoring.count_matches import count_matches
from smallpose.evaluation.scoring.detected_people import (
    list_detected_people,
    measure_share_outside,
)
from smallpose.evaluation.scoring.precision_recall import THRESHOLDS
from smallpose.evaluation.undetected_images import describe_undetected_images
from smallpose.io.label_faults import describe_label_faults
from smallpose.io.mismatch import have_odd_boxes
from smallpose.system.threads import begin

_MIN_PEOPLE_FOR_THREADS = 20_000
_MAX_SAMPLED = 200  # detections whose boxes are looked at
MIN_RELEASED_BYTES = 1 << 26  # of keypoints; fewer may still be read while others are matched


class Piece(NamedTuple):
    """What is kept of some detections, which are in the order of their file within an image.

    Args:
        image, scores, boxes: (d,), (d,), (d, 4) of each.
        candidates: pairs that could match.
    """

    image: NDArray[np.int32]
    scores: Floats
    boxes: Floats
    candidates: RankedCandidates


class _LabelFacts(NamedTuple):
    """What `measure_share_outside` and `describe_label_faults` say of the labels."""

    outside: Floats
    faults: tuple[str, ...]


class Evaluator:
    """Takes predictions in pieces and returns the `Evaluation` of all of them.

    The detections of one image may come in several pieces, best in the order of their file: among
    equal scores the earlier one goes first, as in COCO.

    Args:
        truth: all people, also of images that other ranks process.
        options: as for `evaluate`.

    Attributes:
        covers_images: every image with labelled people is known to have been predicted.
    """

    def __init__(self, truth: Instances, **options: Any) -> None:
        refuse_other_truth(truth)
        self.truth = truth
        self.covers_images = False
        self.config = ScoringConfig(**options)
        self._image_ids, people_image = index_truth_images(truth)
        self._empty_groups = group_rows(
            self._image_ids, people_image, np.zeros(0, np.intp), np.zeros(0)
        )
        self._pieces: list[Piece] = []
        self._notes: dict[str, None] = {}
        self._later_notes: list[Callable[[], Iterable[str]]] = []
        self._skeleton: Skeleton | None = None
        self._scored: ScoredPoses | None = None
        self._has_boxes = False
        self._sampled: list[Predictions] = []
        self._label_facts: _LabelFacts | None = None  # where keypoints were released

    def add(self, predictions: Predictions) -> None:
        """Add some detections.

        Raises: InputError when they have other joints than those before, or an unknown image.
        """
        refuse_other_tables(self.truth, predictions)
        if not len(predictions):
            return
        self.start(predictions)
        if self._has_boxes:
            refuse_missing_boxes(predictions)
        else:  # the first detection of all decides, as in COCO
            no_boxes = np.full((len(predictions), 4), np.nan)
            predictions = replace(predictions, boxes_xywh=no_boxes)
        self.add_piece(self.search(predictions))
        self._sample_boxes(predictions)
        self.add_notes(predictions.notes)
        self.covers_images |= predictions.covers_images

    def _sample_boxes(self, predictions: Predictions) -> None:
        """Keep some detections, whose boxes may turn out to be in another form."""
        num_wanted = _MAX_SAMPLED - sum(map(len, self._sampled))
        if num_wanted > 0 and predictions.has_boxes:
            kept = predictions.take(np.arange(min(num_wanted, len(predictions))))
            self._sampled.append(replace(kept, notes=()))

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
        # Columns are copied, because the predictions may be overwritten by others.
        return Piece(
            image=groups.detection_image.astype(np.int32),
            scores=predictions.scores[rows],
            boxes=get_detection_boxes(predictions)[rows],
            candidates=find_ranked_candidates(groups, poses, THRESHOLDS),
        )

    def add_piece(self, piece: Piece) -> None:
        """Add what `search` returned; earlier detections of the file first."""
        self._pieces.append(piece)

    def add_notes(self, notes: Iterable[str]) -> None:
        """Add notes on the predictions."""
        self._notes |= dict.fromkeys(notes)

    def add_later_notes(self, get_notes: Callable[[], Iterable[str]]) -> None:
        """Add notes that need not be known before the matching is done."""
        self._later_notes.append(get_notes)

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
        for sampled in other._sampled:
            self._sample_boxes(sampled)
        self._notes |= other._notes
        self._later_notes += other._later_notes
        self.covers_images |= other.covers_images

    def result(self, intervals: int = 0, seed: int = 0) -> Evaluation:
        """Evaluate all that was added so far; arguments as for `evaluate`."""
        result = self._evaluate(self._pieces)
        return add_intervals(result, intervals, seed) if intervals else result

    def finish(self, intervals: int = 0, seed: int = 0) -> Evaluation:
        """Evaluate as `result`, and forget all that was added, for less memory."""
        pieces, self._pieces = self._pieces, []
        result = self._evaluate(pieces)
        return add_intervals(result, intervals, seed) if intervals else result

    def release_labels(self) -> None:
        """Forget the keypoints of the truth where they are packed and take much memory.

        Only `finish` may follow, and nobody else may need them.
        """
        keypoints: Any = self.truth.keypoints
        if self._scored is None or not isinstance(keypoints, PackedKeypoints):
            return
        if keypoints.positions.nbytes < MIN_RELEASED_BYTES:
            return
        self._label_facts = self._collect_notes_on_labels()
        poses = replace(self._scored.poses, keypoints=np.zeros((0, 0, 3)))
        self._scored = replace(self._scored, poses=poses)
        keypoints.release()

    def _collect_notes_on_labels(self) -> _LabelFacts:
        """Collect the notes left for later, and what is said of the labels."""
        while self._later_notes:
            self.add_notes(self._later_notes.pop(0)())
        if self._label_facts is not None:
            return self._label_facts
        return _LabelFacts(
            outside=measure_share_outside(self.truth.boxes_xywh, self.truth.keypoints),
            faults=tuple(describe_label_faults(self.truth)),
        )

    def _evaluate(self, pieces: list[Piece]) -> Evaluation:
        scored = self._scored
        if scored is None:
            skeleton = self.truth.skeleton
            no_poses = np.zeros((0, len(skeleton), 3))
            scored = self._select(make_predictions(skeleton, [], no_poses, []))
        # All that needs no matches, while another thread looks for them.
        get_label_facts = self._collect_notes_on_labels
        if len(self.truth) >= _MIN_PEOPLE_FOR_THREADS:
            get_label_facts = begin(get_label_facts)
        total = _concat_pieces(pieces)
        if pieces is not self._pieces:
            pieces.clear()
        scores, boxes = total.scores, total.boxes
        groups = group_detections(
            self._empty_groups, total.image.astype(np.intp), scores, self.config.detection_limit
        )
        matches = match_ranked(
            total.candidates, groups, scored.classes, self.truth.iscrowd, len(THRESHOLDS)
        )
        del total
        counts = count_matches(scored, groups, matches, boxes, scores, self.config)
        facts = collect_data_facts(scored, groups, boxes, self._has_boxes, self.covers_images)
        label_facts = get_label_facts()
        detected = list_detected_people(scored, groups, matches, label_facts.outside)
        notes = [
            *collect_notes(scored, self._notes, self.config, boxes, label_facts.faults),
            *describe_unlabelled_images(counts, self.truth, self.config),
            *describe_undetected_images(counts, detected, self._notes, self.covers_images),
        ]
        notes += self._describe_boxes()
        notes += describe_no_match(counts, groups, self.truth, boxes, notes)
        del scores, boxes, groups, matches  # accumulating needs about as much memory
        return summarize_counts(
            counts,
            self.config.protocols,
            describe_settings(self.config, scored, self._has_boxes),
            notes,
            detected,
            facts,
        )

    def _describe_boxes(self) -> list[str]:
        """Say that boxes are in another form, where they were added piece by piece."""
        sampled = concat_predictions(self._sampled) if self._sampled else None
        if sampled is None or not have_odd_boxes(sampled):
            return []
        # Imported here, because most boxes fit and evaluations should start fast.
        from smallpose.io.result_boxes import describe_odd_boxes

        note = describe_odd_boxes(self.truth, sampled)
        return [note] if note else []

    def _select(self, predictions: Predictions) -> ScoredPoses:
        scored = select_keypoints(self.truth, predictions, self.config)
        # A copy, because a view would keep the detections in memory.
        no_detections = scored.poses.detections[:0].copy()
        return replace(scored, poses=replace(scored.poses, detections=no_detections))


def _concat_pieces(pieces: list[Piece]) -> Piece:
    """Join all pieces into one, which replaces them: a second copy would be large."""
    if len(pieces) != 1:
        nothing = np.zeros(0, np.int32)
        columns: list[list[NDArray[Any]]] = [
            [np.zeros((0, 4)), *(piece.boxes for piece in pieces)],
            [np.zeros(0), *(piece.scores for piece in pieces)],
            [nothing, *(piece.image for piece in pieces)],
            [nothing, *(piece.candidates.counts for piece in pieces)],
            [nothing, *(piece.candidates.people for piece in pieces)],
            [np.zeros(0, np.uint16), *(piece.candidates.levels for piece in pieces)],
        ]
        pieces.clear()
        joined: list[Any] = []
        while columns:  # one after the other, so that only one is in memory twice
            joined.append(np.concatenate(columns.pop(0)))
        boxes, scores, image, *candidates = joined
        pieces.append(Piece(image, scores, boxes, RankedCandidates(*candidates)))
    return pieces[0]
