"""An evaluation that is fed piece by piece: a validation loop, several ranks, a file too large.

What is kept of a detection is its score, its box and whom it resembles, about a fifth of its
keypoints; so a result file larger than the memory can be scored as it is read.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import Skeleton, map_joints
from smallpose.evaluation.config import ScoringConfig, get_detection_boxes, refuse_missing_boxes
from smallpose.evaluation.evaluate import Evaluation, add_intervals, collect_notes, summarize_counts
from smallpose.evaluation.matching import native
from smallpose.evaluation.matching.greedy import MAX_OKS_THRESHOLD, match_candidates
from smallpose.evaluation.matching.image_groups import ImageGroups, group_rows, index_images
from smallpose.evaluation.matching.keypoint_selection import ScoredPoses, select_keypoints
from smallpose.evaluation.matching.oks import find_candidates
from smallpose.evaluation.scoring.count_matches import Side, count_matches, score_truth
from smallpose.evaluation.scoring.precision_recall import THRESHOLDS

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


@dataclass(frozen=True)
class _Sketch:
    """What is kept of some detections.

    Args:
        image, scores, boxes: (d,), (d,), (d, 4) of each.
        row, person, oks: (p,) pairs that could match; `row` is a place in this sketch.
    """

    image: Ints
    scores: Floats
    boxes: Floats
    row: Ints
    person: Ints
    oks: Floats


class Evaluator:
    """Takes predictions in pieces and gives the `Evaluation` of all of them.

    The detections of one image may come in several pieces, best in the order of their file: among
    equal scores the earlier one goes first, as in COCO.

    Args:
        truth: everybody, also of images that other ranks look at.
        rules: as for `evaluate`.
    """

    def __init__(self, truth: Instances, **rules: Any) -> None:
        self.truth, self.rules = truth, ScoringConfig(**rules)
        order = np.argsort(truth.images.ids, kind="stable")
        self._ids = truth.images.ids[order]
        number = np.empty(len(order), dtype=np.intp)
        number[order] = np.arange(len(order))
        self._people_image = number[truth.image_rows]
        nothing = np.zeros(0, np.intp)
        self._empty = group_rows(self._ids, self._people_image, nothing, np.zeros(0))
        self._sketches: list[_Sketch] = []
        self._notes: dict[str, None] = {}
        self._skeleton: Skeleton | None = None
        self._scored: ScoredPoses | None = None
        self._side: Side | None = None
        self._boxed = False

    def add(self, found: Predictions) -> None:
        """Take some more detections.

        Raises: InputError when they have other joints than those before, or an unknown image.
        """
        if not len(found):
            return
        scored, here = self._prepare(found)
        if self._boxed:
            refuse_missing_boxes(found)
        else:  # the first detection of all decides, as in COCO
            found = replace(found, boxes_xywh=np.full((len(found), 4), np.nan))
        self._notes |= dict.fromkeys(found.notes)
        poses = found.keypoints
        if found.skeleton.joints != scored.skeleton.joints:
            poses = map_joints(poses, found.skeleton, scored.skeleton)
        image = index_images(self._ids, found.image_ids)
        order = np.argsort(image, kind="stable")
        pairing = replace(
            self._empty, found=order, found_image=image[order], rank=np.zeros_like(order)
        )
        columns = (poses, here.keypoints, self.truth.boxes_xywh, here.scale, here.sigmas)
        pairs = find_candidates if native.CORE is None else native.candidates
        d, person, oks = pairs(pairing, *columns, min(float(THRESHOLDS.min()), MAX_OKS_THRESHOLD))
        self._sketches.append(
            _Sketch(image, found.scores.copy(), get_detection_boxes(found), order[d], person, oks)
        )

    def merge(self, other: "Evaluator") -> None:
        """Take what another evaluator of the same truth was fed with."""
        if not other._sketches:
            return
        if not np.array_equal(other._ids, self._ids) or other.rules != self.rules:
            raise InputError("merge", "the truth or the rules differ", "evaluate all alike")
        if self._skeleton is None:
            self._skeleton, self._boxed = other._skeleton, other._boxed
            self._scored, self._side = other._scored, other._side
        if other._skeleton != self._skeleton or other._boxed != self._boxed:
            raise InputError("merge", "only some results have boxes, or all joints", "mend them")
        self._sketches += other._sketches
        self._notes |= other._notes

    def result(self, intervals: int = 0, seed: int = 0) -> Evaluation:
        """The numbers of all that was added so far."""
        if self._scored is None or self._side is None:
            scored, here = self._start(_nothing(self.truth))
        else:
            scored, here = self._scored, self._side
        image, scores, boxes, row, person, oks = self._columns()
        pairing = group_rows(self._ids, self._people_image, image, scores, self.rules.looked_at)
        matches = match_candidates(
            *_in_order(pairing, len(image), row, person, oks),
            pairing.rank,
            here.people,
            self.truth.iscrowd,
            THRESHOLDS,
        )
        tally = count_matches(here, pairing, matches, boxes, scores, self.rules)
        result = summarize_counts(
            tally,
            self.rules.protocols,
            self.rules.max_detections,
            self.rules.settings(scored, self._boxed),
            collect_notes(self.truth, tuple(self._notes), scored),
        )
        return add_intervals(result, intervals, seed) if intervals else result

    def _prepare(self, found: Predictions) -> tuple[ScoredPoses, Side]:
        if self._scored is None or self._side is None:
            self._scored, self._side = self._start(found)
            self._skeleton, self._boxed = found.skeleton, found.has_boxes
        elif found.skeleton != self._skeleton:
            raise InputError("results", "their joints changed on the way", "score them apart")
        return self._scored, self._side

    def _start(self, found: Predictions) -> tuple[ScoredPoses, Side]:
        scored = select_keypoints(self.truth, found, self.rules.keypoints, self.rules.sigmas)
        # The poses themselves must not be kept alive.
        scored = replace(scored, found=scored.found[:0].copy())
        return scored, score_truth(self.truth, scored, self.rules)

    def _columns(self) -> tuple[Ints, Floats, Floats, Ints, Ints, Floats]:
        parts = self._sketches
        starts = np.cumsum([0, *(len(s.scores) for s in parts)])
        if not parts:
            none = np.zeros(0, np.intp)
            return none, np.zeros(0), np.zeros((0, 4)), none, none, np.zeros(0)
        return (
            np.concatenate([s.image for s in parts]),
            np.concatenate([s.scores for s in parts]),
            np.concatenate([s.boxes for s in parts]),
            np.concatenate([s.row + start for s, start in zip(parts, starts, strict=False)]),
            np.concatenate([s.person for s in parts]),
            np.concatenate([s.oks for s in parts]),
        )


def _in_order(
    pairing: ImageGroups, found: int, row: Ints, person: Ints, oks: Floats
) -> tuple[Ints, Ints, Floats]:
    """Candidates by place in the pairing; those of detections beyond the cap are left out."""
    place = np.full(found, -1, dtype=np.intp)
    place[pairing.found] = np.arange(len(pairing.found))
    d = place[row]
    kept = np.flatnonzero(d >= 0)
    kept = kept[np.argsort(d[kept], kind="stable")]
    return d[kept], person[kept], oks[kept]


def _nothing(truth: Instances) -> Predictions:
    k = len(truth.skeleton)
    none = np.zeros(0)
    return Predictions(
        truth.skeleton, np.zeros(0, np.int64), np.zeros((0, k, 3)), none, np.zeros((0, 4))
    )


def evaluate_stream(truth: Instances, parts: Iterable[Predictions], **rules: Any) -> Evaluation:
    """Score predictions that come piece by piece; what was scored is forgotten."""
    evaluator = Evaluator(truth, **rules)
    for part in parts:
        evaluator.add(part)
    return evaluator.result()
