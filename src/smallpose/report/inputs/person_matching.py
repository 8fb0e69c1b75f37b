"""Who was found, person by person: the prediction that fits each labelled person best.

This is for showing people, not for scoring methods: those numbers are the evaluation's.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import map_joints
from smallpose.evaluation.matching.oks import compute_oks

Floats = NDArray[np.float64]
MATCH_OKS = 0.5  # OKS; COCO's loosest threshold


@dataclass(frozen=True)
class PersonMatches:
    """Each labelled person's prediction.

    Args:
        rows: (n,) rows of the predictions; -1 where nothing is left for the person.
        oks: (n,) 0 to 1; 0 without a prediction, NaN for people who do not count or have none of
            the joints predicted.
    """

    rows: NDArray[np.intp]
    oks: Floats


def match_people(truth: Instances, found: Predictions) -> PersonMatches:
    """One prediction for one person, the most similar pairs first, image by image.

    Joints are those of the predictions; size and area stay those of the full label.
    """
    keypoints = map_joints(truth.keypoints, truth.skeleton, found.skeleton)
    seen = keypoints[:, :, 2] > 0
    judged = truth.counted & seen.any(axis=1)
    rows = np.full(len(truth), -1, dtype=np.intp)
    best = np.where(judged, 0.0, np.nan)
    of_image = group_by_image(truth.images.ids[truth.image_rows], np.flatnonzero(judged))
    found_in = group_by_image(found.image_ids, np.arange(len(found)))
    for image, people in of_image.items():
        there = found_in.get(image)
        if there is None:
            continue
        similar = compute_oks(
            found.keypoints[there],
            keypoints[people],
            truth.boxes_xywh[people],
            truth.area[people],
            found.skeleton.sigmas,
        )
        while similar.size and similar.max() > 0:
            d, g = np.unravel_index(int(similar.argmax()), similar.shape)
            rows[people[g]], best[people[g]] = there[d], similar[d, g]
            similar[d, :] = similar[:, g] = -1.0
    return PersonMatches(rows, best)


def group_by_image(keys: NDArray[np.int64], rows: NDArray[np.intp]) -> dict[int, NDArray[np.intp]]:
    """Image id to the given rows that lie in it, in their order."""
    order = rows[np.argsort(keys[rows], kind="stable")]
    ids, starts = np.unique(keys[order], return_index=True)
    return dict(zip(ids.tolist(), np.split(order, starts[1:]), strict=True)) if len(ids) else {}


@dataclass(frozen=True)
class DetectionCurve:
    """A share along a size, in bins of equal counts.

    Args:
        x: (b,) geometric middle of each bin.
        share: (b,) 0 to 1.
        people: (b,) in each bin.
    """

    x: Floats
    share: Floats
    people: NDArray[np.int64]


def compute_detection_by_height(
    truth: Instances, pairing: PersonMatches, bins: int = 12
) -> DetectionCurve:
    """The share of people found (OKS from 0.5) by the height of their box in px."""
    judged = np.flatnonzero(np.isfinite(pairing.oks) & (truth.boxes_xywh[:, 3] > 0))
    height = truth.boxes_xywh[judged, 3]
    order = np.argsort(height, kind="stable")
    parts = [p for p in np.array_split(order, min(bins, max(len(order) // 20, 1))) if len(p)]
    hit = pairing.oks[judged] >= MATCH_OKS
    return DetectionCurve(
        np.array([np.exp(np.log(height[p]).mean()) for p in parts]),
        np.array([hit[p].mean() for p in parts]),
        np.array([len(p) for p in parts], dtype=np.int64),
    )
