"""The people of a file at one pixel height, and predictions that are as good as can be."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Images, Instances
from smallpose.core.predictions import Predictions, make_predictions
from smallpose.evaluation.areas import get_person_area
from smallpose.evaluation.ceiling.method_codecs import get_image_sizes
from smallpose.evaluation.matching.arrays import Poses
from smallpose.evaluation.matching.oks import compute_pair_oks

Floats = NDArray[np.float64]


def select_people(truth: Instances, max_people: int, rng: "np.random.Generator") -> Instances:
    """Return people who count and have labelled joints and an area, at most so many of them."""
    is_usable = truth.is_counted & (truth.num_labelled > 0) & (truth.boxes_xywh[:, 2:] > 0).all(1)
    rows = np.flatnonzero(is_usable & (get_person_area(truth) > 0))
    if len(rows) > max_people:
        rows = np.sort(rng.permutation(rows)[:max_people])
    return truth.take(rows)


def scale_people(
    people: Instances, height: float, repeats: int, rng: "np.random.Generator"
) -> Instances:
    """Scale every person to a box of that height, each alone in an image, at a random place.

    Args:
        height: of the box, px.
        repeats: how often each person is placed, as the place decides how coordinates are rounded.
    """
    rows = np.repeat(np.arange(len(people)), repeats)
    n = len(rows)
    factor = height / people.boxes_xywh[rows, 3]
    wh = people.boxes_xywh[rows, 2:] * factor[:, None]
    sizes = get_image_sizes(people)[people.image_rows[rows]]
    corner = rng.random((n, 2)) * np.maximum(sizes - wh, 1.0)
    keypoints = people.keypoints[rows].copy()
    keypoints[:, :, :2] -= people.boxes_xywh[rows, None, :2]
    keypoints[:, :, :2] = keypoints[:, :, :2] * factor[:, None, None] + corner[:, None]
    return replace(
        people.take(rows),
        images=Images(
            ids=np.arange(1, n + 1),
            file_names=("",) * n,
            width=sizes[:, 0].astype(np.int64),
            height=sizes[:, 1].astype(np.int64),
            source=np.zeros(n, dtype=np.int8),
            source_ids=("",) * n,
            groups=("",) * n,
        ),
        image_rows=np.arange(n, dtype=np.intp),
        ids=np.arange(1, n + 1),
        text_ids=(),
        boxes_xywh=np.concatenate([corner, wh], axis=1),
        keypoints=keypoints,
        file_area=people.file_area[rows] * factor**2,
        segmentation_area=people.segmentation_area[rows] * factor**2,
        heads_xywh=np.zeros((0, 4)),
        notes=(),
    )


def round_joints(people: Instances, rng: "np.random.Generator") -> Floats:
    """Return (n, k, 2) joints as they are when coordinates are whole pixels.

    Labels that are whole numbers were rounded themselves, so that the joint is anywhere within half
    a pixel of them on both axes; other labels are rounded.
    """
    points = people.keypoints[:, :, :2]
    if has_whole_labels(people):
        return np.asarray(points + rng.uniform(-0.5, 0.5, points.shape))
    return np.round(points)


def has_whole_labels(people: Instances) -> bool:
    """Return whether all labelled coordinates are whole numbers."""
    labelled = people.keypoints[people.keypoints[:, :, 2] > 0][:, :2]
    return len(labelled) > 0 and bool((labelled == np.round(labelled)).all())


def annotate_again(
    people: Instances, sigmas: Floats, area: Floats, rng: "np.random.Generator", times: int = 1
) -> Floats:
    """Return (n, k, 2) joints that are off by what the sigmas say: E[d²] = times sigma² area.

    Args:
        sigmas: (k,).
        area: (n,) px².
        times: 1 for an annotator against exact labels, 2 where labels err as much themselves.
    """
    points = people.keypoints[:, :, :2]
    spread = np.sqrt(times * area / 2)[:, None, None] * sigmas[:, None]
    return np.asarray(points + rng.normal(0, 1, points.shape) * spread)


def predict_people(
    people: Instances,
    points: Floats,
    is_detected: NDArray[np.bool_] | None = None,
    oks: Floats | None = None,
) -> Predictions:
    """Make the predictions of people whose joints are at `points`.

    Args:
        points: (n, k, 2) px of the image.
        is_detected: (n,) who is detected (default: all).
        oks: (n,) scores (default: all 1).
    """
    keypoints = np.concatenate([points, np.ones((*points.shape[:2], 1))], axis=2)
    predictions = make_predictions(
        people.skeleton,
        people.images.ids[people.image_rows],
        keypoints,
        np.ones(len(people)) if oks is None else oks,
        people.boxes_xywh,
    )
    return predictions if is_detected is None else predictions.take(is_detected)


def compute_own_oks(people: Instances, points: Floats, sigmas: Floats, area: Floats) -> Floats:
    """Return (n,) the OKS of each person's joints with their own label."""
    poses = Poses(
        detections=np.concatenate([points, np.ones((*points.shape[:2], 1))], axis=2),
        keypoints=people.keypoints,
        boxes_xywh=people.boxes_xywh,
        area=area,
        is_crowd=people.iscrowd,
        sigmas=sigmas,
    )
    rows = np.arange(len(people), dtype=np.intp)
    return compute_pair_oks(poses, rows, rows)
