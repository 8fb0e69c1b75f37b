"""Match the people of slices; the others are ignored, as people outside a size class are.

A slice changes only what competes with its people: the detections and people that are connected
with them by pairs near enough to match. Everything else is matched once for all slices, as if
nobody counted.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import box_area
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.areas import get_detection_boxes, refuse_missing_boxes
from smallpose.evaluation.config import ScoringConfig
from smallpose.evaluation.evaluate import Evaluation, summarize_matches
from smallpose.evaluation.matching.arrays import (
    Bits,
    Candidates,
    Floats,
    ImageGroups,
    Ints,
    Mask,
)
from smallpose.evaluation.matching.components import find_components
from smallpose.evaluation.matching.greedy import match_candidates
from smallpose.evaluation.matching.image_groups import group_by_image
from smallpose.evaluation.matching.keypoint_selection import ScoredPoses, select_keypoints
from smallpose.evaluation.matching.oks import find_candidates
from smallpose.evaluation.protocols import (
    assign_coco_classes,
    assign_owned_classes,
    find_owners,
)
from smallpose.evaluation.scoring.count_matches import find_unmatched
from smallpose.evaluation.scoring.precision_recall import THRESHOLDS


@dataclass(frozen=True)
class SliceMatches:
    """What a slice changes; bit t stands for OKS threshold t.

    Args:
        members: (s,) rows of its people who count.
        classes: (c, s) the classes of these.
        matched: (s,) at which thresholds they were matched.
        detections: (e,) positions in the groups of the detections that compete for them, rising.
        true_positives: (c, e) of these detections.
        unmatched: (c, e) the detection matched no person, of the slice or not.
    """

    members: Ints
    classes: Mask
    matched: Bits
    detections: Ints
    true_positives: Bits
    unmatched: Bits

    @property
    def num_people(self) -> NDArray[np.int64]:
        """Return the (c,) people of each class."""
        return np.asarray(np.count_nonzero(self.classes, axis=1))

    def count_matched(self) -> NDArray[np.int64]:
        """Return the (c, t) people of each class who were matched."""
        flags = self.matched[:, None] >> np.arange(len(THRESHOLDS), dtype=np.uint16) & 1
        # Products of doubles are fast and, for counts, exact.
        counts = self.classes.astype(np.float64) @ flags.astype(np.float64)
        return np.asarray(counts.astype(np.int64))


@dataclass(frozen=True)
class SliceMatching:
    """What the slices of people of a file have in common.

    Args:
        boxes_xywh: (·, 4) px of all detections.
    """

    config: ScoringConfig
    scored: ScoredPoses
    groups: ImageGroups
    boxes_xywh: Floats

    @cached_property
    def candidates(self) -> Candidates:
        """Return the pairs that may match at the lowest threshold."""
        return find_candidates(self.groups, self.scored.poses, float(THRESHOLDS[0]))

    @cached_property
    def component(self) -> Ints:
        """Return the (n + d,) component of each person and, after them, of each detection.

        Crowds connect nobody: they match any number of detections.
        """
        num_people = len(self.scored.truth)
        is_exclusive = ~self.scored.poses.is_crowd[self.candidates.people]
        return find_components(
            self.candidates.people[is_exclusive],
            self.candidates.detections[is_exclusive] + num_people,
            num_people + len(self.groups.detections),
        )

    @cached_property
    def pair_component(self) -> Ints:
        """Return the (p,) component of each candidate."""
        return np.asarray(self.component[self.candidates.detections + len(self.scored.truth)])

    @cached_property
    def unmatched(self) -> Bits:
        """Return (d,) bits of the thresholds without a match where no person counts."""
        nobody = np.zeros((1, len(self.scored.truth)), dtype=bool)
        matches = match_candidates(
            self.candidates, self.groups.rank, nobody, self.scored.poses.is_crowd, THRESHOLDS
        )
        return np.asarray(find_unmatched(matches, len(THRESHOLDS))[0])

    @cached_property
    def owners(self) -> Ints:
        """Return the (d,) person that each detection belongs to, -1 for none."""
        return find_owners(
            self.groups, self.boxes_xywh, self.scored.poses.boxes_xywh, self.scored.is_counted
        )

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

    def prepare(self) -> None:
        """Compute what is shared, before threads ask for it."""
        _ = self.pair_component, self.unmatched, self.false_positive_classes

    def evaluate_all(self, predictions: Predictions) -> Evaluation:
        """Evaluate all people, as `evaluate` does."""
        matches = match_candidates(
            self.candidates,
            self.groups.rank,
            self.scored.classes,
            self.scored.poses.is_crowd,
            THRESHOLDS,
        )
        owners = self.owners if "owned" in self.config.protocols else None
        return summarize_matches(
            self.scored, self.groups, matches, predictions, self.config, owners
        )

    def match(self, is_member: Mask) -> SliceMatches:
        """Match the people of a slice.

        Args:
            is_member: (n,) who belongs to it.
        """
        members = np.flatnonzero(is_member & self.scored.classes[0])
        has_member = np.zeros(len(self.component), dtype=bool)
        has_member[self.component[members]] = True
        kept = np.flatnonzero(has_member[self.pair_component])
        # Only people and detections of these pairs take part, in their order.
        is_person = np.zeros(len(is_member), dtype=bool)
        is_person[self.candidates.people[kept]] = True
        people = np.flatnonzero(is_person)
        index = np.cumsum(is_person) - 1
        is_first = np.diff(self.candidates.detections[kept], prepend=-1) != 0
        detections = self.candidates.detections[kept[is_first]]
        matches = match_candidates(
            Candidates(
                detections=np.cumsum(is_first) - 1,
                people=index[self.candidates.people[kept]],
                oks=self.candidates.oks[kept],
            ),
            self.groups.rank[detections],
            self.scored.classes[:, people] & is_member[people],
            self.scored.poses.is_crowd[people],
            THRESHOLDS,
        )
        matched = np.zeros(len(is_member), np.uint16)
        matched[people] = matches.matched_people
        return SliceMatches(
            members=members,
            classes=self.scored.classes[:, members],
            matched=matched[members],
            detections=detections,
            true_positives=matches.true_positives,
            unmatched=find_unmatched(matches, len(THRESHOLDS)),
        )


def prepare_matching(
    truth: Instances, predictions: Predictions, options: dict[str, Any]
) -> SliceMatching:
    """Prepare the matching of slices of people; options as for `evaluate`."""
    config = ScoringConfig(**options)
    refuse_missing_boxes(predictions)
    return SliceMatching(
        config=config,
        scored=select_keypoints(truth, predictions, config),
        groups=group_by_image(truth, predictions, config.detection_limit),
        boxes_xywh=get_detection_boxes(predictions),
    )
