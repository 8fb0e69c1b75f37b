"""Compute the metrics of many slices of people together, to the last bit those of each alone.

Most false positives under `coco` are those of every slice. They are counted once, along falling
scores; a slice adds its true positives and what else it changes.
"""

from collections.abc import Sequence

import numpy as np

from smallpose.evaluation.matching.arrays import Bits, Floats, Ints, Mask
from smallpose.evaluation.metric_names import Metrics, name_curve_metrics, name_recall_metrics
from smallpose.evaluation.scoring.match_counts import MatchCounts, divide_matched
from smallpose.evaluation.scoring.precision_recall import (
    RECALLS,
    THRESHOLDS,
    Curves,
    accumulate_changes,
    compute_curves,
    count_up_to,
)
from smallpose.evaluation.slices.slice_matching import SliceMatches, SliceMatching
from smallpose.system.threads import count_cores, run_parts


def compute_slice_metrics(
    matching: SliceMatching,
    counts: MatchCounts,
    matches: Sequence[SliceMatches],
    is_member: Sequence[Mask],
) -> list[dict[str, Metrics]]:
    """Compute the metrics of each slice by protocol.

    Args:
        counts: of all people; only the detections' scores and ranks are used.
        matches: of each slice.
        is_member: (n,) who belongs to each slice.
    """
    metrics: list[dict[str, Metrics]] = [{} for _ in matches]
    for protocol in matching.config.protocols:
        if protocol == "recall":
            for by_protocol, one in zip(metrics, matches, strict=True):
                recall = divide_matched(one.count_matched(), one.num_people)
                by_protocol[protocol] = name_recall_metrics(recall, THRESHOLDS)
            continue
        if protocol == "coco":
            curves = _compute_coco_curves(matching, counts, matches)
        else:
            curves = _compute_owned_curves(matching, counts, matches, is_member)
        for by_protocol, of_classes in zip(metrics, curves, strict=True):
            by_protocol[protocol] = name_curve_metrics(of_classes, THRESHOLDS)
    return metrics


def _locate_detections(order: Ints, num_detections: int) -> Ints:
    """Return the (d,) positions of the detections in an order; -1 for those left out."""
    position = np.full(num_detections, -1, np.intp)
    position[order] = np.arange(len(order))
    return position


def _compute_coco_curves(
    matching: SliceMatching, counts: MatchCounts, matches: Sequence[SliceMatches]
) -> list[list[Curves]]:
    """Return the curves of each slice and class under `coco`."""
    order = counts.select_best(matching.config.max_detections)
    position = _locate_detections(order, len(counts.scores))
    chosen = [_sort_positions(position[one.detections]) for one in matches]
    is_false = matching.false_positive_classes["coco"]

    def score_class(c: int) -> list[Curves]:
        common = matching.unmatched * is_false[c]
        common_counts = count_up_to(common[order], len(THRESHOLDS))
        curves = []
        for one, kept in zip(matches, chosen, strict=True):
            detections = one.detections[kept]
            curves.append(
                _compute_curve(
                    position[detections],
                    one.true_positives[c, kept],
                    one.unmatched[c, kept] * is_false[c, detections],
                    common[detections],
                    common_counts,
                    int(one.num_people[c]),
                )
            )
        return curves

    by_class = run_parts(score_class, len(is_false), count_cores())
    return [list(curves) for curves in zip(*by_class, strict=True)] or [[] for _ in matches]


def _sort_positions(position: Ints) -> Ints:
    """Return the indices of positions that are not -1, sorted by position."""
    order = np.argsort(position, kind="stable")
    return order[np.count_nonzero(position < 0) :]


def _compute_curve(
    position: Ints,
    true_positives: Bits,
    false_positives: Bits,
    common: Bits,
    common_counts: np.ndarray,
    num_people: int,
) -> Curves:
    if num_people == 0:
        return _take_curves(
            np.full((len(THRESHOLDS), len(RECALLS)), -1.0), np.full(len(THRESHOLDS), -1.0)
        )
    precision, recall = accumulate_changes(
        position, true_positives, false_positives, common, common_counts, num_people, RECALLS
    )
    return _take_curves(precision, recall)


def _take_curves(precision: Floats, recall: Floats) -> Curves:
    """Return curves whose scores are not known."""
    return Curves(precision, recall, np.full_like(precision, np.nan))


def _compute_owned_curves(
    matching: SliceMatching,
    counts: MatchCounts,
    matches: Sequence[SliceMatches],
    is_member: Sequence[Mask],
) -> list[list[Curves]]:
    """Return the curves of each slice and class under `owned`.

    Only detections that belong to a person of the slice, or match one, count.
    """
    position = _locate_detections(counts.order, len(counts.scores))
    is_false = matching.false_positive_classes["owned"]
    num_detections = len(position)

    def score_slice(part: int) -> list[Curves]:
        one = matches[part]
        is_owned = np.append(is_member[part], False)[matching.owners]
        has_changed = np.zeros(num_detections, dtype=bool)
        has_changed[one.detections] = True
        detections = np.flatnonzero(is_owned | has_changed)
        changed = np.flatnonzero(has_changed[detections])
        true_positives = np.zeros((len(is_false), len(detections)), np.uint16)
        true_positives[:, changed] = one.true_positives
        unmatched = np.tile(matching.unmatched[detections], (len(is_false), 1))
        unmatched[:, changed] = one.unmatched
        false_positives = unmatched * (is_false[:, detections] & is_owned[detections])
        order = np.argsort(position[detections], kind="stable")
        return [
            compute_curves(
                order,
                counts.scores[detections],
                true_positives=true_positives[c],
                false_positives=false_positives[c],
                num_people=int(num_people),
            )
            for c, num_people in enumerate(one.num_people)
        ]

    return run_parts(score_slice, len(matches), count_cores())
