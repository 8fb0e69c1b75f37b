"""Score a model at one height: AP, mean OKS, share found and PCK of the chosen people.

All of them are computed under the same resamples of images (or videos) at every height and for
every model, so that heights and models can be compared in pairs.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Instances
from smallpose.core.interval import Interval
from smallpose.core.predictions import Predictions
from smallpose.evaluation.areas import get_detection_boxes
from smallpose.evaluation.config import ScoringConfig
from smallpose.evaluation.evaluate import evaluate
from smallpose.evaluation.matching.image_groups import group_by_image
from smallpose.evaluation.matching.keypoint_selection import ScoredPoses, select_keypoints
from smallpose.evaluation.matching.oks import compute_pair_oks
from smallpose.evaluation.protocols import find_owners
from smallpose.evaluation.scoring.bootstrap import (
    MIN_CLUSTERS,
    compute_interval,
    count_clusters,
    draw_weights,
    keep_from_ends,
    resample_curves,
)
from smallpose.evaluation.scoring.match_counts import MatchCounts
from smallpose.evaluation.scoring.precision_recall import RECALLS

FOUND_OKS = 0.5
PCK_SHARE = 0.1  # of the longer side of the box
METRICS = ("AP", "AP_strict", "OKS", "found", "PCK")
_TAIL = 0.025

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Resamples:
    """Resamples of the chosen people's images.

    Args:
        weights: (b, n) how often the image of each chosen person was drawn.
        groups: (n,) image or video of each chosen person, which are drawn as one.
    """

    weights: NDArray[np.uint16]
    groups: tuple[str, ...]

    @property
    def num_clusters(self) -> int:
        """Return the number of images or videos that are drawn."""
        return count_clusters(self.groups)


@dataclass(frozen=True)
class HeightScores:
    """What a model reaches at one height.

    Args:
        px: height of the people.
        num_people: how many they are.
        values: by metric, 0 to 1; None without any detection to compute AP from is 0, not None.
        resampled: by metric, (b,) under each resample.
        num_clusters: images or videos that were resampled.
    """

    px: int
    num_people: int
    values: dict[str, float]
    resampled: dict[str, Floats]
    num_clusters: int

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """Return each metric with its 95 % interval; NaN for ends that cannot be told.

        From fewer than `MIN_CLUSTERS` images or videos none can: intervals of resamples then
        contain the true value less or more often than they promise.
        """
        return {name: self._compute_interval(name) for name in METRICS}

    def _compute_interval(self, name: str) -> Interval:
        value = self.values[name]
        if self.num_clusters < MIN_CLUSTERS:
            return Interval(value)
        resamples = self.resampled[name]
        # Of the others, values below that of half a person say something: an AP of .004 is no 0.
        if name == "found":
            resamples = keep_from_ends(resamples, self.num_people)
        interval = compute_interval(value, resamples, self.num_clusters)
        if interval is not None:
            return interval
        if name != "found" or value not in (0.0, 1.0):
            return Interval(value)
        # Of n clusters none, or all: the exact binomial limit, where resamples are all the same.
        reach = 1 - _TAIL ** (1 / max(self.num_clusters, 1))
        return Interval(value, max(value - reach, 0.0), min(value + reach, 1.0))


def draw_resamples(groups: tuple[str, ...], num_resamples: int, seed: int) -> Resamples:
    """Draw the resamples for people of these images or videos."""
    batches = list(draw_weights(groups, num_resamples, seed))
    return Resamples(np.concatenate(batches), tuple(groups))


@dataclass(frozen=True)
class MatchedHeight:
    """The chosen people of one height with what was matched; all of them or a part are scored.

    Args:
        px: height of the people.
        image_rows: (n,) image of each chosen person.
        counts: matches by metric, of AP and AP_strict.
        values: by metric, (n,) of each person.
    """

    px: int
    image_rows: NDArray[np.intp]
    counts: dict[str, MatchCounts]
    values: dict[str, Floats]

    def compute_ap(self) -> float:
        """Return the AP of all people."""
        is_scored = np.ones(len(self.counts["AP"].image_ids), dtype=bool)
        return float(_resample_ap(self.counts["AP"], is_scored, _draw_once(is_scored))[0])

    def score(
        self, resamples: Resamples, is_member: NDArray[np.bool_] | None = None
    ) -> HeightScores:
        """Score the people under the resamples.

        Args:
            is_member: (m,) by image, whether its person is scored (default: all).
        """
        is_scored = np.zeros(resamples.weights.shape[1], dtype=bool)
        is_scored[self.image_rows] = True
        if is_member is not None:
            is_scored &= is_member
        people = np.flatnonzero(is_scored[self.image_rows])
        groups = [resamples.groups[row] for row in self.image_rows[people].tolist()]
        weights = resamples.weights[:, self.image_rows[people]].astype(float)
        total = weights.sum(axis=1)
        total[total == 0] = np.nan  # a resample without any of them
        values = {name: float(value[people].mean()) for name, value in self.values.items()}
        resampled = {name: weights @ value[people] / total for name, value in self.values.items()}
        ap = self._compute_ap(is_scored, _draw_once(is_scored))
        resampled_ap = self._compute_ap(is_scored, resamples.weights)
        return HeightScores(
            px=self.px,
            num_people=len(people),
            values={name: float(ap[name][0]) for name in ap} | values,
            resampled=resampled_ap | resampled,
            num_clusters=count_clusters(groups),
        )

    def _compute_ap(
        self, is_scored: NDArray[np.bool_], weights: NDArray[np.uint16]
    ) -> dict[str, Floats]:
        """Return (b,) AP and strict AP under the resamples."""
        own = _resample_ap(self.counts["AP"], is_scored, weights)
        if self.counts["AP_strict"] is self.counts["AP"]:
            return {"AP": own, "AP_strict": own}
        strict = _resample_ap(self.counts["AP_strict"], is_scored, weights)
        return {"AP": own, "AP_strict": strict}


def _draw_once(is_scored: NDArray[np.bool_]) -> NDArray[np.uint16]:
    return np.ones((1, len(is_scored)), dtype=np.uint16)


def match_height(truth: Instances, predictions: Predictions, px: int) -> MatchedHeight:
    """Match the predictions for the images of one height with the chosen people.

    Args:
        truth: labels of `reduced_labels.reduce_labels`.
    """
    chosen = truth.take(np.flatnonzero(~truth.iscrowd))
    own = select_own_detections(truth, predictions)
    counts = evaluate(chosen, own, protocols=("owned",)).match_counts
    strict = counts
    if len(own) < len(predictions):
        strict = evaluate(chosen, predictions, protocols=("owned",)).match_counts
    oks, pck = score_people(chosen, own)
    values = {"OKS": oks, "found": (oks >= FOUND_OKS).astype(float), "PCK": pck}
    return MatchedHeight(px, chosen.image_rows, {"AP": counts, "AP_strict": strict}, values)


def score_height(
    truth: Instances,
    predictions: Predictions,
    px: int,
    resamples: Resamples,
    is_member: NDArray[np.bool_] | None = None,
) -> HeightScores:
    """Score the predictions for the images of one height.

    Args:
        truth: labels of `reduced_labels.reduce_labels`.
        is_member: (n,) which of the chosen people are scored (default: all).
    """
    return match_height(truth, predictions, px).score(resamples, is_member)


def select_own_detections(truth: Instances, predictions: Predictions) -> Predictions:
    """Select the detections that belong to the chosen people, by the evaluator's rule of owners.

    Those of neighbours, of ignored regions and of no person are left out.
    """
    groups = group_by_image(truth, predictions)
    boxes = get_detection_boxes(predictions)
    may_own = np.ones(len(truth), dtype=bool)
    owners = find_owners(groups, boxes, truth.boxes_xywh, may_own)
    has_owner = owners >= 0
    is_own = has_owner & ~truth.iscrowd[np.where(has_owner, owners, 0)]
    return predictions.take(np.sort(groups.detections[is_own]))


def score_people(truth: Instances, predictions: Predictions) -> tuple[Floats, Floats]:
    """Return the (n,) OKS and (n,) PCK of each image's one person; 0 without a detection.

    The detection is the one that the evaluation matches at an OKS of .5, the first by score, or
    else the nearest.
    """
    scored = select_keypoints(truth, predictions, ScoringConfig(protocols=("owned",)))
    groups = group_by_image(truth, predictions)
    person_of_image = np.empty(len(truth.images), dtype=np.intp)  # of parts, some have none
    person_of_image[groups.people_image] = groups.people
    people = person_of_image[groups.detection_image]
    pair_oks = compute_pair_oks(scored.poses, groups.detections, people)
    # Of the matching ones the first by rank, of the others the nearest.
    is_match = pair_oks >= FOUND_OKS
    order = np.lexsort((np.where(is_match, groups.rank, -pair_oks), ~is_match, people))
    first = order[np.unique(people[order], return_index=True)[1]]
    oks, pck = np.zeros(len(truth)), np.zeros(len(truth))
    oks[people[first]] = pair_oks[first]
    pck[people[first]] = _compute_pck(scored, groups.detections[first], people[first])
    return oks, pck


def _compute_pck(
    scored: ScoredPoses, detections: NDArray[np.intp], people: NDArray[np.intp]
) -> Floats:
    """Return (p,) the share of labelled joints within a tenth of the longer side of the box."""
    keypoints = scored.poses.keypoints[people]
    is_labelled = keypoints[:, :, 2] > 0
    offset = scored.poses.detections[detections][:, :, :2] - keypoints[:, :, :2]
    limit = PCK_SHARE * scored.poses.boxes_xywh[people, 2:].max(axis=1)
    is_near = (np.hypot(offset[:, :, 0], offset[:, :, 1]) <= limit[:, None]) & is_labelled
    return np.asarray(is_near.sum(axis=1) / np.maximum(is_labelled.sum(axis=1), 1))


def _resample_ap(
    counts: MatchCounts, is_scored: NDArray[np.bool_], weights: NDArray[np.uint16]
) -> Floats:
    """Return the (b,) AP of the people of the scored images under the resamples."""
    order = counts.select_best(None)
    order = order[is_scored[counts.image[order]]]
    num_people = np.where(is_scored, counts.num_people[:, 0], 0)
    precision, _ = resample_curves(
        counts.true_positives[0, order],
        counts.false_positives["owned"][0, order],
        counts.image[order],
        weights,
        weights.astype(np.int64) @ num_people,
        len(counts.thresholds),
        RECALLS,
    )
    return np.asarray(precision.mean(axis=(1, 2)))
