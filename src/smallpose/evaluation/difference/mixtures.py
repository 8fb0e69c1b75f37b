"""Results that are mixed from two, such as the people of one with the joints of the other.

A mixture is scored like any other result. Scores of two methods have no common scale, so that only
their order is used: a detection without a counterpart stays between the paired detections that
were ranked above and below it in its own result.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from smallpose.core.boxes import box_area
from smallpose.evaluation.config import ScoringConfig
from smallpose.evaluation.difference.correspondence import RANKING, Correspondence
from smallpose.evaluation.difference.two_results import TwoResults
from smallpose.evaluation.matching.arrays import Candidates, Floats, Ints, Mask
from smallpose.evaluation.matching.greedy import match_candidates
from smallpose.evaluation.matching.image_groups import group_rows
from smallpose.evaluation.matching.oks import find_candidates
from smallpose.evaluation.protocols import (
    CLASSES,
    assign_coco_classes,
    assign_owned_classes,
    find_owners,
)
from smallpose.evaluation.scoring.count_matches import count_people, find_unmatched, sort_groups
from smallpose.evaluation.scoring.match_counts import MatchCounts
from smallpose.evaluation.scoring.precision_recall import THRESHOLDS


@dataclass(frozen=True)
class Mixer:
    """Mix two results and count the matches of the mixture.

    Args:
        class_indices: of `CLASSES`, those that are counted.
        config: of one protocol, `coco` or `owned`.
    """

    results: TwoResults
    correspondence: Correspondence
    class_indices: Sequence[int]
    config: ScoringConfig

    @cached_property
    def classes(self) -> Mask:
        """Return (c, n) members of the classes that are counted."""
        return self.results.scored.classes[list(self.class_indices)]

    @cached_property
    def false_positive_classes(self) -> Mask:
        """Return (c, d) the classes in which each unmatched detection is a false positive."""
        results, limits = self.results, self.config.size_limits
        areas = box_area(results.boxes_xywh)
        if self.config.protocols[0] == "coco":
            return assign_coco_classes(areas, limits)[list(self.class_indices)]
        scored = results.scored
        groups = group_rows(results.image_ids, results.people_image, results.image, -areas)
        owners = np.full(len(areas), -1, dtype=np.intp)
        owners[groups.detections] = find_owners(
            groups, results.boxes_xywh, scored.poses.boxes_xywh, scored.is_counted
        )
        classes = assign_owned_classes(owners, scored.classes, areas, limits)
        return classes[list(self.class_indices)]

    @cached_property
    def ranks(self) -> Floats:
        """Return (2, d) the place of each detection in the order of either result."""
        position = self.results.position.astype(np.float64)
        paired = np.sort(self.results.position[self.correspondence.pairs], axis=0)
        ranks = np.stack([position, position])
        is_base = np.arange(len(position)) < self.results.num_base
        ranks[0, ~is_base] = _map_ranks(position[~is_base], paired[:, 1], paired[:, 0])
        ranks[1, is_base] = _map_ranks(position[is_base], paired[:, 0], paired[:, 1])
        return ranks

    def list_active_causes(self) -> list[int]:
        """List the causes that differ between the two results; the others change nothing."""
        pairs, causes = self.correspondence.pairs, self.correspondence.pair_causes
        poses, boxes = self.results.scored.poses.detections, self.results.boxes_xywh
        is_moved = (poses[pairs[:, 0], :, :2] != poses[pairs[:, 1], :, :2]).any(axis=(1, 2))
        is_moved |= (boxes[pairs[:, 0]] != boxes[pairs[:, 1]]).any(axis=1)
        active = {*causes[is_moved].tolist(), *self.correspondence.single_causes.tolist()}
        first, second = np.argsort(self.results.position[pairs], axis=0).T
        if not np.array_equal(first, second):
            active.add(RANKING)
        return sorted(active)

    def count_matches(self, is_other: Sequence[bool]) -> MatchCounts:
        """Count the matches of a mixture.

        Args:
            is_other: for each of `CAUSES`, whether it is taken from the second result.
        """
        results, scored = self.results, self.results.scored
        rows, ranks = self._select_rows(is_other)
        groups = group_rows(results.image_ids, results.people_image, results.image[rows], ranks)
        mixed = replace(groups, detections=rows[groups.detections])
        matches = match_candidates(
            self._select_candidates(mixed.detections),
            mixed.rank,
            self.classes,
            scored.poses.is_crowd,
            THRESHOLDS,
        )
        is_unmatched = find_unmatched(matches, len(THRESHOLDS))
        num_people, num_matched = count_people(mixed, self.classes, matches.matched_people, 0)
        return MatchCounts(
            classes=tuple(CLASSES[i].name for i in self.class_indices),
            image_ids=results.image_ids,
            groups=sort_groups(scored.truth),
            num_detections=mixed.num_detections,
            num_people=num_people,
            num_matched=num_matched,
            image=mixed.detection_image,
            rank=mixed.rank,
            scores=ranks[groups.detections],
            true_positives=matches.true_positives,
            false_positives={
                self.config.protocols[0]: is_unmatched
                * self.false_positive_classes[:, mixed.detections]
            },
            thresholds=THRESHOLDS,
        )

    @cached_property
    def _candidates(self) -> tuple[Candidates, Ints]:
        """Return the people near each detection of both results, and (d + 1,) where they start.

        Mixtures differ in which detections there are and in their order, not in whom they are near.
        """
        results, poses = self.results, self.results.scored.poses
        no_order = np.zeros(len(results.image))
        groups = group_rows(results.image_ids, results.people_image, results.image, no_order)
        near = find_candidates(groups, poses, float(THRESHOLDS[0]))
        row = groups.detections[near.detections]
        order = np.argsort(row, kind="stable")
        starts = np.searchsorted(row[order], np.arange(len(results.image) + 1))
        return Candidates(row[order], near.people[order], near.oks[order]), starts

    def _select_candidates(self, rows: Ints) -> Candidates:
        """Return the people near some detections, in the order of these."""
        near, starts = self._candidates
        counts = starts[rows + 1] - starts[rows]
        detections = np.repeat(np.arange(len(rows)), counts)
        first = np.repeat(starts[rows] - np.cumsum(counts) + counts, counts)
        chosen = first + np.arange(len(detections))
        return Candidates(detections, near.people[chosen], near.oks[chosen])

    def _select_rows(self, is_other: Sequence[bool]) -> tuple[Ints, Floats]:
        """Return the rows of a mixture and their places in its order."""
        both, choice = self.correspondence, np.array(is_other, dtype=np.intp)
        pair = np.arange(len(both.pairs))
        poses = both.pairs[pair, choice[both.pair_causes]]
        scores = both.pairs[pair, choice[RANKING]]
        result_of_row = (both.single_rows >= self.results.num_base).astype(np.intp)
        single = both.single_rows[result_of_row == choice[both.single_causes]]
        rows = np.concatenate([poses, single])
        ranks = self.ranks[choice[RANKING], np.concatenate([scores, single])]
        return rows, ranks


def _map_ranks(ranks: Floats, from_paired: Ints, to_paired: Ints) -> Floats:
    """Map ranks of one result into the order of another.

    Args:
        from_paired, to_paired: (p,) rising ranks of the paired detections in both. A rank between
            two of the first goes between the same two of the second.
    """
    if not len(from_paired):
        return ranks
    mapped = np.interp(ranks, from_paired, to_paired)
    below = np.minimum(ranks - from_paired[0], 0)
    above = np.maximum(ranks - from_paired[-1], 0)
    return np.asarray(mapped + below + above)
