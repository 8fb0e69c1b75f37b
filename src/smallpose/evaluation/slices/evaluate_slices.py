"""Evaluate slices: each as if its images, or its people, were scored alone.

A slice of images has their counts. In a slice of people the others are ignored, as people outside a
size class are: a detection that matches one of them counts neither way. An unmatched detection is a
false positive in every slice under `coco`, as in every density class; under `owned` in the slice of
the person it belongs to.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from smallpose.core.boxes import box_area
from smallpose.core.instances import Instances
from smallpose.core.interval import Interval
from smallpose.core.predictions import Predictions
from smallpose.evaluation.analysis.labelled_images import evaluate_images
from smallpose.evaluation.areas import get_detection_boxes
from smallpose.evaluation.config import ScoringConfig
from smallpose.evaluation.evaluate import Evaluation, add_intervals, summarize_counts
from smallpose.evaluation.matching.arrays import Candidates, ImageGroups, Mask, Matches
from smallpose.evaluation.matching.greedy import match_candidates
from smallpose.evaluation.matching.image_groups import group_by_image
from smallpose.evaluation.matching.keypoint_selection import ScoredPoses, select_keypoints
from smallpose.evaluation.matching.oks import find_candidates
from smallpose.evaluation.metric_names import Metrics
from smallpose.evaluation.protocols import (
    assign_coco_classes,
    assign_owned_classes,
    find_owners,
)
from smallpose.evaluation.scoring.bootstrap import list_ends
from smallpose.evaluation.scoring.count_matches import count_people, find_unmatched
from smallpose.evaluation.scoring.detected_people import DetectedPeople
from smallpose.evaluation.scoring.precision_recall import THRESHOLDS
from smallpose.evaluation.slices.slicing import Slicing
from smallpose.system.threads import count_cores, run_parts


@dataclass(frozen=True)
class SliceScore:
    """The metrics of a slice, without the counts that they were computed from.

    Args:
        protocols, people, intervals: as those of an `Evaluation`.
    """

    protocols: dict[str, Metrics]
    people: dict[str, int]
    intervals: dict[str, dict[str, Interval | None]]

    def to_dict(self) -> dict[str, Any]:
        """Return the slice for JSON."""
        content: dict[str, Any] = {"protocols": self.protocols, "people": self.people}
        if self.intervals:
            content["intervals"] = {
                protocol: {name: list_ends(interval) for name, interval in intervals.items()}
                for protocol, intervals in self.intervals.items()
            }
        return content


SliceScores = dict[str, dict[str, SliceScore]]  # by slicing and value


def _take_score(evaluation: Evaluation, num_resamples: int, seed: int) -> SliceScore:
    if num_resamples:
        evaluation = add_intervals(evaluation, num_resamples, seed)
    return SliceScore(evaluation.protocols, evaluation.people, evaluation.intervals)


def evaluate_image_slices(
    truth: Instances,
    result: Evaluation,
    slicings: Sequence[Slicing],
    *,
    num_resamples: int = 0,
    seed: int = 0,
) -> SliceScores:
    """Evaluate slices of images, by slicing and value.

    Args:
        result: of all images.
        num_resamples: of the bootstrap for 95 % intervals; 0 for none.
    """
    order = np.argsort(truth.images.ids, kind="stable")

    def score_slice(slicing: Slicing, code: int) -> SliceScore:
        evaluation = evaluate_images(result, slicing.codes[order] == code)
        return _take_score(evaluation, num_resamples, seed)

    return _score_in_threads(slicings, score_slice)


def _score_in_threads(
    slicings: Sequence[Slicing], score_slice: Callable[[Slicing, int], SliceScore]
) -> SliceScores:
    """Score every value of every slicing."""
    parts = [(slicing, code) for slicing in slicings for code in range(len(slicing.values))]
    scored = run_parts(lambda part: score_slice(*parts[part]), len(parts), count_cores())
    scores: SliceScores = {slicing.name: {} for slicing in slicings}
    for (slicing, code), score in zip(parts, scored, strict=True):
        scores[slicing.name][slicing.values[code]] = score
    return scores


def evaluate_person_slices(
    truth: Instances,
    predictions: Predictions,
    result: Evaluation,
    slicings: Sequence[Slicing],
    *,
    num_resamples: int = 0,
    seed: int = 0,
    **options: Any,
) -> SliceScores:
    """Evaluate slices of people, by slicing and value.

    Args:
        result: of all people, with the same options.
        num_resamples: of the bootstrap for 95 % intervals; 0 for none.
        options: as for `evaluate`.
    """
    config = ScoringConfig(**options)
    scored = select_keypoints(truth, predictions, config)
    matching = _SliceMatching(
        result=result,
        config=config,
        scored=scored,
        groups=group_by_image(truth, predictions, config.detection_limit),
        boxes_xywh=get_detection_boxes(predictions),
    )
    matching.prepare()

    def score_slice(slicing: Slicing, code: int) -> SliceScore:
        return _take_score(matching.evaluate(slicing.codes == code), num_resamples, seed)

    return _score_in_threads(slicings, score_slice)


@dataclass(frozen=True)
class _SliceMatching:
    """What the slices of people have in common.

    Args:
        result: of all people.
        boxes_xywh: of all detections.
    """

    result: Evaluation
    config: ScoringConfig
    scored: ScoredPoses
    groups: ImageGroups
    boxes_xywh: Any

    @cached_property
    def candidates(self) -> Candidates:
        """Return the pairs that may match at the lowest threshold."""
        return find_candidates(self.groups, self.scored.poses, float(THRESHOLDS[0]))

    @cached_property
    def without_people(self) -> Matches:
        """Return the matches where no person counts: those of images without people of a slice."""
        return self._match(self.candidates, np.zeros((1, len(self.scored.truth)), dtype=bool))

    @cached_property
    def false_positive_classes(self) -> dict[str, Mask]:
        """Return by protocol the (c, d) classes where an unmatched detection is a false positive.

        That of its person decides under `owned`, whatever the slice.
        """
        areas = box_area(self.boxes_xywh)[self.groups.detections]
        limits = self.config.size_limits
        classes = {}
        if "coco" in self.config.protocols:
            classes["coco"] = assign_coco_classes(areas, limits)
        if "owned" in self.config.protocols:
            owned = assign_owned_classes(self.owners, self.scored.classes, areas, limits)
            classes["owned"] = owned & (self.owners >= 0)
        return classes

    @cached_property
    def owners(self) -> Any:
        """Return the (d,) person that each detection belongs to, -1 for none."""
        return find_owners(
            self.groups, self.boxes_xywh, self.scored.poses.boxes_xywh, self.scored.is_counted
        )

    def prepare(self) -> None:
        """Compute what is shared, before threads ask for it."""
        _ = self.without_people, self.false_positive_classes, self.result.match_counts.order

    def evaluate(self, is_member: Mask) -> Evaluation:
        """Evaluate the people of a slice.

        Args:
            is_member: (n,) who belongs to it.
        """
        classes = self.scored.classes & is_member
        matches = self._match_slice(classes)
        is_unmatched = find_unmatched(matches, len(THRESHOLDS))
        num_thresholds = len(THRESHOLDS) if "recall" in self.config.protocols else 0
        num_people, num_matched = count_people(
            self.groups, classes, matches.matched_people, num_thresholds
        )
        false_positives = {}
        for protocol, by_class in self.false_positive_classes.items():
            if protocol == "owned":
                by_class = by_class & np.append(is_member, False)[self.owners]
            false_positives[protocol] = is_unmatched * by_class
        return summarize_counts(
            self.result.match_counts.replace_matches(
                num_people, num_matched, matches.true_positives, false_positives
            ),
            tuple(self.result.protocols),
            self.result.settings,
            notes=(),
            detected=self._select_detected(is_member, matches),
            facts=self.result.facts,
        )

    def _select_detected(self, is_member: Mask, matches: Matches) -> DetectedPeople:
        """Return the people of a slice who count, and who of them was detected."""
        people = self.groups.people[self.scored.is_counted[self.groups.people]]
        is_selected = is_member[people]
        return replace(
            self.result.detected.take(is_selected),
            is_detected=(matches.matched_people[people[is_selected]] & 1).astype(bool),
        )

    def _match_slice(self, classes: Mask) -> Matches:
        """Match for the classes of a slice; only where it has people are there differences."""
        has_member = np.zeros(len(self.groups.image_ids), dtype=bool)
        has_member[self.groups.people_image[classes[0][self.groups.people]]] = True
        is_near = has_member[self.groups.detection_image]
        kept = is_near[self.candidates.detections]
        some = Candidates(
            self.candidates.detections[kept],
            self.candidates.people[kept],
            self.candidates.oks[kept],
        )
        matches = self._match(some, classes)
        return replace(
            matches,
            ignored=np.where(is_near, matches.ignored, self.without_people.ignored),
        )

    def _match(self, candidates: Candidates, classes: Mask) -> Matches:
        return match_candidates(
            candidates, self.groups.rank, classes, self.scored.poses.is_crowd, THRESHOLDS
        )
