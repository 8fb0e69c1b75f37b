"""What whole pixels alone cost on the people of a file: a line for curves, a remark for results."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import Skeleton, map_joints
from smallpose.evaluation.analysis.binned_ap import (
    Bin,
    Scale,
    compute_binned_ap,
    compute_binned_aps,
)
from smallpose.evaluation.areas import get_person_area
from smallpose.evaluation.ceiling.people import compute_own_oks, predict_people, round_joints
from smallpose.evaluation.ceiling.whole_numbers import has_whole_numbers
from smallpose.evaluation.evaluate import Evaluation, evaluate
from smallpose.evaluation.matching.keypoint_selection import choose_sigmas


def predict_whole_pixels(
    truth: Instances, skeleton: Skeleton | None = None, seed: int = 0, **options: Any
) -> Predictions:
    """Predict every labelled person as well as whole pixels allow, in the best order of scores.

    Args:
        skeleton: the joints of the predictions (default: those of the truth).
        options: as for `evaluate`; `oks_area` and `sigmas` decide the order.
    """
    people = truth.take(np.flatnonzero(truth.is_counted & (truth.num_labelled > 0)))
    if skeleton is not None and not set(truth.skeleton.joints) <= set(skeleton.joints):
        names = truth.skeleton.joints
        shared = truth.skeleton.take(
            [i for i, joint in enumerate(names) if joint in skeleton.joints]
        )
        keypoints = map_joints(people.keypoints, truth.skeleton, shared)
        people = replace(people, skeleton=shared, keypoints=keypoints)
    points = round_joints(people, np.random.default_rng(seed))
    sigmas = choose_sigmas(truth.skeleton, people.skeleton, options.get("sigmas"))
    area = get_person_area(people, options.get("oks_area", "file"))
    return predict_people(people, points, oks=compute_own_oks(people, points, sigmas, area))


def compute_ceiling_bins(
    truth: Instances, predictions: Predictions, values: ArrayLike, **options: Any
) -> list[Bin]:
    """Compute the best AP that whole pixels leave, in the bins of `compute_binned_ap`.

    Args:
        predictions: decide which joints are scored.
        values, options: as for `compute_binned_ap`; there are no intervals.
    """
    best = predict_whole_pixels(truth, predictions.skeleton, **options)
    return compute_binned_ap(truth, best, values, **options | {"num_resamples": 0})


def compute_ceilings_along(
    truth: Instances, predictions: Predictions, scales: Sequence[Scale], **options: Any
) -> list[list[Bin]]:
    """Compute what `compute_ceiling_bins` does along several scales, as `compute_binned_aps`."""
    best = predict_whole_pixels(truth, predictions.skeleton, **options)
    return compute_binned_aps(truth, best, scales, **options)


def add_whole_number_note(
    result: Evaluation, truth: Instances, predictions: Predictions, **options: Any
) -> Evaluation:
    """Add a note where all coordinates of the predictions are whole numbers, else nothing.

    Args:
        options: those with which `result` was evaluated.
    """
    if not has_whole_numbers(predictions):
        return result
    best = predict_whole_pixels(truth, predictions.skeleton, **options)
    protocol = next(iter(result.protocols))
    limited = options | {"protocols": (protocol,)}
    ceiling = evaluate(truth, best, **limited)[protocol]
    classes = ("AP", "AP_S", "AP_M", "AP_L")
    numbers = ", ".join(
        f"{name} {ceiling[name]:.3f}" for name in classes if ceiling.get(name) is not None
    )
    note = (
        "all coordinates of the predictions are whole numbers: with perfect joints, rounding alone "
        f"leaves {numbers} under {protocol} on these people (see smallpose ceiling)"
    )
    return replace(result, notes=(*result.notes, note))
