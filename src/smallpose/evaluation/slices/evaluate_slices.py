"""Evaluate slices: each as if its images, or its people, were scored alone.

A slice of images has their counts. In a slice of people the others are ignored, as people outside a
size class are: a detection that matches one of them counts neither way. An unmatched detection is a
false positive in every slice under `coco`, as in every density class; under `owned` in the slice of
the person it belongs to.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Instances
from smallpose.core.interval import Interval
from smallpose.evaluation.analysis.labelled_images import evaluate_images
from smallpose.evaluation.evaluate import Evaluation, add_intervals, summarize_counts
from smallpose.evaluation.matching.arrays import Mask
from smallpose.evaluation.metric_names import Metrics
from smallpose.evaluation.protocols import CLASSES
from smallpose.evaluation.scoring.bootstrap import list_ends
from smallpose.evaluation.scoring.count_matches import count_people
from smallpose.evaluation.scoring.precision_recall import THRESHOLDS
from smallpose.evaluation.slices.slice_matching import (
    SliceMatches,
    SliceMatching,
)
from smallpose.evaluation.slices.slice_metrics import compute_slice_metrics
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
    return _sort_scores(slicings, parts, scored)


def _sort_scores(
    slicings: Sequence[Slicing],
    parts: Sequence[tuple[Slicing, int]],
    scored: Sequence[SliceScore],
) -> SliceScores:
    """Return the scores by slicing and value."""
    scores: SliceScores = {slicing.name: {} for slicing in slicings}
    for (slicing, code), score in zip(parts, scored, strict=True):
        scores[slicing.name][slicing.values[code]] = score
    return scores


def evaluate_person_slices(
    matching: SliceMatching,
    result: Evaluation,
    slicings: Sequence[Slicing],
    *,
    num_resamples: int = 0,
    seed: int = 0,
) -> SliceScores:
    """Evaluate slices of people, by slicing and value.

    Args:
        result: of all people.
        num_resamples: of the bootstrap for 95 % intervals; 0 for none.
    """
    matching.prepare()
    parts = [(slicing, code) for slicing in slicings for code in range(len(slicing.values))]
    is_member = [slicing.codes == code for slicing, code in parts]
    matches = run_parts(lambda part: matching.match(is_member[part]), len(parts), count_cores())
    if num_resamples:
        scored = [
            _take_score(_expand_slice(matching, result, *one), num_resamples, seed)
            for one in zip(matches, is_member, strict=True)
        ]
    else:
        metrics = compute_slice_metrics(matching, result.match_counts, matches, is_member)
        scored = [
            SliceScore(by_protocol, _name_people(one.num_people), {})
            for by_protocol, one in zip(metrics, matches, strict=True)
        ]
    return _sort_scores(slicings, parts, scored)


def _name_people(num_people: NDArray[np.int64]) -> dict[str, int]:
    return dict(zip((one.name for one in CLASSES), num_people.tolist(), strict=True))


def _expand_slice(
    matching: SliceMatching, result: Evaluation, matches: SliceMatches, is_member: Mask
) -> Evaluation:
    """Evaluate a slice with the counts of every image, from which intervals are drawn."""
    shape = (len(CLASSES), len(matching.unmatched))
    true_positives = np.zeros(shape, np.uint16)
    true_positives[:, matches.detections] = matches.true_positives
    unmatched = np.broadcast_to(matching.unmatched, shape).copy()
    unmatched[:, matches.detections] = matches.unmatched
    matched = np.zeros(len(is_member), np.uint16)
    matched[matches.members] = matches.matched
    num_thresholds = len(THRESHOLDS) if "recall" in matching.config.protocols else 0
    num_people, num_matched = count_people(
        matching.groups, matching.scored.classes & is_member, matched, num_thresholds
    )
    false_positives = {}
    for protocol, by_class in matching.false_positive_classes.items():
        if protocol == "owned":
            by_class = by_class & np.append(is_member, False)[matching.owners]
        false_positives[protocol] = unmatched * by_class
    return summarize_counts(
        result.match_counts.replace_matches(
            num_people, num_matched, true_positives, false_positives
        ),
        tuple(result.protocols),
        result.settings,
        notes=(),
        detected=result.detected,
        facts=result.facts,
    )
