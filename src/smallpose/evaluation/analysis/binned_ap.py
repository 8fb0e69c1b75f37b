"""AP along a scale: along keypoint density (Fig. 4a), along a person's height in pixels.

Bins hold equally many people. A detection that found nobody is false in the bin of the person it
belongs to (protocol `owned`), so that a bin's AP does not hang on how full the others are.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smallpose.core.density import keypoint_density
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.evaluation.config import ScoringConfig, get_detection_boxes
from smallpose.evaluation.matching.greedy import MAX_CLASSES, match_detections
from smallpose.evaluation.matching.image_groups import group_by_image
from smallpose.evaluation.matching.keypoint_selection import select_keypoints
from smallpose.evaluation.protocols import find_owners
from smallpose.evaluation.scoring.bootstrap import (
    Interval,
    compute_interval,
    count_clusters,
    draw_weights,
    resample_curves,
)
from smallpose.evaluation.scoring.count_matches import score_truth
from smallpose.evaluation.scoring.precision_recall import THRESHOLDS, compute_curves

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bin:
    """AP of people within a range of values.

    Args:
        low, high: smallest and largest value among them.
        people: how many they are.
        ap: None when nobody is there: a gap, not a zero.
        interval: 95 % of it, where draws were asked for.
    """

    low: float
    high: float
    people: int
    ap: float | None
    interval: Interval = None


def measure_density(truth: Instances, num_joints: int | None = None) -> Floats:
    """(n,) keypoint density of small people who count; NaN for all others."""
    out = np.full(len(truth), np.nan)
    small = truth.is_counted & (truth.size_class == 0) & (truth.num_labelled > 0)
    k = truth.num_source_joints if num_joints is None else np.full(len(truth), num_joints)
    out[small] = keypoint_density(truth.area[small], truth.num_labelled[small], k[small])
    return out


def measure_height(truth: Instances) -> Floats:
    """(n,) height of the box in px, of people who count; NaN for all others."""
    return np.where(truth.is_counted, truth.boxes_xywh[:, 3], np.nan)


def compute_binned_ap(
    truth: Instances,
    predictions: Predictions,
    values: ArrayLike,
    *,
    num_bins: int = 10,
    num_resamples: int = 0,
    seed: int = 0,
    **rules: Any,
) -> list[Bin]:
    """AP in bins of equally many people, in the order of their values.

    Args:
        values: (n,) such as `density_of(truth)`; people with NaN are ignored.
        bins: at most 32; fewer come back when many values are equal.
        draws: bootstrap draws for intervals; 0 for none.
        rules: as for `evaluate`.
    """
    said = ScoringConfig(**{"protocols": ("owned",), **rules})
    scored = select_keypoints(truth, predictions, said.keypoints, said.sigmas)
    here = score_truth(truth, scored, said)
    value = np.where(here.people[0], np.asarray(values, dtype=np.float64), np.nan)
    known = np.isfinite(value)
    if not known.any():
        return []
    edges = np.unique(np.quantile(value[known], np.linspace(0, 1, min(num_bins, MAX_CLASSES) + 1)))
    number = np.clip(np.searchsorted(edges, value, side="right") - 1, 0, max(len(edges) - 2, 0))
    people = (number == np.arange(max(len(edges) - 1, 1))[:, None]) & known
    pairing = group_by_image(truth, predictions)
    columns = (scored.found, here.keypoints, truth.boxes_xywh, here.scale, truth.iscrowd)
    matches = match_detections(pairing, *columns, here.sigmas, people, THRESHOLDS)
    owner = find_owners(pairing, get_detection_boxes(predictions), truth.boxes_xywh, scored.counted)
    mine = np.where(owner >= 0, people[:, owner], False)
    levels = len(THRESHOLDS)
    false = (~(matches.hit | matches.absorbed) & np.uint16((1 << levels) - 1)) * mine
    scores = predictions.scores[pairing.found]
    order = np.argsort(-scores, kind="stable")
    image = np.empty(len(truth), dtype=np.intp)
    image[pairing.people] = pairing.people_image
    m = len(pairing.image_ids)
    groups = tuple(truth.images.groups[i] for i in np.argsort(truth.images.ids, kind="stable"))
    out = []
    for members, hit, wrong in zip(people, matches.hit, false, strict=True):
        n = int(members.sum())
        ap = compute_curves(order, scores, hit, wrong, n).ap
        ends = None
        if num_resamples and n:
            per_image = np.bincount(image[members], minlength=m)
            aps = []
            for weights in draw_weights(groups, num_resamples, seed):
                total = weights.astype(np.int64) @ per_image
                precision, _ = resample_curves(
                    hit[order], wrong[order], pairing.found_image[order], weights, total, levels
                )
                aps.append(np.where(total > 0, precision.mean(axis=(1, 2)), np.nan))
            ends = compute_interval(np.concatenate(aps), count_clusters(groups))
        there = value[members]
        span = (float(there.min()), float(there.max())) if n else (np.nan, np.nan)
        out.append(Bin(*span, n, ap, ends))
    return out
