"""Match each labelled person with the prediction that fits them best, to show the two together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import map_joints
from smallpose.evaluation.matching.oks import compute_oks

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Mask = NDArray[np.bool_]
MATCH_OKS = 0.5  # COCO's lowest threshold
MIN_BIN_PEOPLE = 20


@dataclass(frozen=True)
class PersonMatches:
    """The prediction of each labelled person.

    Args:
        rows: (n,) rows of the predictions; -1 where none is left for the person.
        oks: (n,) 0 to 1; 0 without a prediction, NaN for people who are ignored or have none of
            the predicted joints.
    """

    rows: Ints
    oks: Floats

    @property
    def is_scored(self) -> Mask:
        """Return (n,) whether the person counts and has a joint that is predicted."""
        return np.isfinite(self.oks)

    @property
    def is_matched(self) -> Mask:
        """Return (n,) whether the person is matched with OKS of at least 0.5."""
        return np.asarray(self.oks >= MATCH_OKS)


@dataclass(frozen=True)
class RunPredictions:
    """The predictions of one run for the test set, and their matches.

    Args:
        label: the run's name in tables and legends.
    """

    label: str
    predictions: Predictions
    matches: PersonMatches


def match_people(truth: Instances, predictions: Predictions) -> PersonMatches:
    """Match one prediction with one person, the most similar pairs first, image by image.

    The OKS is that of the predicted joints; size and area stay those of the full label.
    """
    keypoints = map_joints(truth.keypoints, truth.skeleton, predictions.skeleton)
    is_labelled = keypoints[:, :, 2] > 0
    is_scored = truth.is_counted & is_labelled.any(axis=1)
    rows = np.full(len(truth), -1, dtype=np.intp)
    best = np.where(is_scored, 0.0, np.nan)
    people_in = group_by_image(truth.images.ids[truth.image_rows], np.flatnonzero(is_scored))
    detections_in = group_by_image(predictions.image_ids, np.arange(len(predictions)))
    for image, people in people_in.items():
        detections = detections_in.get(image)
        if detections is None:
            continue
        oks = compute_oks(
            predictions.keypoints[detections],
            keypoints[people],
            truth.boxes_xywh[people],
            truth.area[people],
            predictions.skeleton.sigmas,
        )
        while oks.size and oks.max() > 0:
            d, g = np.unravel_index(int(oks.argmax()), oks.shape)
            rows[people[g]], best[people[g]] = detections[d], oks[d, g]
            oks[d, :] = oks[:, g] = -1.0
    return PersonMatches(rows, best)


def group_by_image(image_ids: NDArray[np.int64], rows: Ints) -> dict[int, Ints]:
    """Group rows by the id of their image, in their order.

    Args:
        image_ids: of the whole table.
        rows: the rows to group.
    """
    order = rows[np.argsort(image_ids[rows], kind="stable")]
    ids, starts = np.unique(image_ids[order], return_index=True)
    return dict(zip(ids.tolist(), np.split(order, starts[1:]), strict=True)) if len(ids) else {}


@dataclass(frozen=True)
class DetectionCurve:
    """The share of people detected along a size, in bins of equally many people.

    Args:
        x: (b,) geometric middle of each bin.
        share: (b,) 0 to 1.
        people: (b,) in each bin.
    """

    x: Floats
    share: Floats
    people: NDArray[np.int64]


def compute_detection_by_height(
    truth: Instances, matches: PersonMatches, num_bins: int = 12
) -> DetectionCurve:
    """Compute the share of people matched (OKS from 0.5) by the height of their box in px."""
    scored = np.flatnonzero(matches.is_scored & (truth.boxes_xywh[:, 3] > 0))
    height = truth.boxes_xywh[scored, 3]
    order = np.argsort(height, kind="stable")
    num_bins = min(num_bins, max(len(order) // MIN_BIN_PEOPLE, 1))
    parts = [part for part in np.array_split(order, num_bins) if len(part)]
    is_matched = matches.is_matched[scored]
    return DetectionCurve(
        x=np.array([np.exp(np.log(height[part]).mean()) for part in parts]),
        share=np.array([is_matched[part].mean() for part in parts]),
        people=np.array([len(part) for part in parts], dtype=np.int64),
    )
